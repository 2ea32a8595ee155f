package fidelity

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// keyConf binds keys to text that is typed, so that what reaches the pane tells
// what each key came to.
const keyConf = `set -g assume-paste-time 0
set -g repeat-time 20000
set -s escape-time 50
bind -n F5 send-keys -l <F5>
bind -n M-x send-keys -l <M-x> \; send-keys -l <and>
bind -n C-M-y send-keys -l <C-M-y>
bind -n é send-keys -l <e>
bind -n S-Up { send-keys -l <S-Up>
  send-keys -l <line> }
bind -n C-Space send-keys -l <C-Space>
bind -rn F6 send-keys -l <F6>
bind y send-keys -l <y>
bind -r r send-keys -l <r>
bind -r Up send-keys -l <Up>
bind ';' send-keys -l '<;>'
bind '"' send-keys -l '<">'
bind m switch-client -T mine
bind -T mine z send-keys -l <z>
bind -T mine m switch-client -T mine \; send-keys -l <m>
bind -r -T mine r send-keys -l <mine-r>
bind -T all Any send-keys -l <any>
bind -T all x send-keys -l <x>
bind a switch-client -T all
bind i if -F '#{==:#{session_name},work}' { send-keys -l <yes> ; send-keys -l <yes2> } { send-keys -l <no> }
bind j if -F '#{==:#{session_name},other}' 'send-keys -l <yes>' 'send-keys -l <no>'
bind k if -F 0 'send-keys -l <yes>'
bind q confirm-before 'send-keys -l <sure>' \; send-keys -l <after>
bind p command-prompt -p 'what (y/n)' 'send-keys -l "<%%>"'
bind P command-prompt -p 'what (y/n)' { send-keys -l '<%1>' ; send-keys -l '<%1>' }
bind o command-prompt -1 -p 'what (y/n)' 'send-keys -l "<%1>"' \; send-keys -l <then>
bind w command-prompt -p '(y/n),and' -I 'one,two' 'send-keys -l "<%2-%1>"'
bind BSpace send-keys -l <BSpace>
bind Tab send-keys -l <Tab>
bind Escape send-keys -l <Escape>
`

// keysPressed are what is pressed in one go, each after what it changes first.
// After a bar, a question has been asked.
var keysPressed = []struct{ set, keys string }{
	{"", "plain"}, {"", "a\x1b[15~b"}, {"", "\x1bxy\x1by"}, {"", "\x1b\x19é\x00"}, {"", "éxü"}, {"", "\x1b[1;2A\x1b[A"},
	{"", "\x02y"}, {"", "\x02yy"}, {"", "\x02Q"}, {"", "\x02Qy"}, {"", "\x02;\x02\""}, {"", "\x02\x02"}, {"", "\x02\x02\x02y"}, {"", "\x02\x1b[15~y"}, {"", "\x02éx"},
	{"", "\x02rrr"}, {"", "\x02rry"}, {"", "\x02rr\x02y"}, {"", "\x02r\x1b[A\x1b[Ar"}, {"", "\x02rQr"}, {"", "\x02r\x1b[15~r"}, {"", "\x1b[17~\x1b[17~x\x1b[17~"}, {"", "\x02r\x1b[17~r"},
	{"", "\x02mz"}, {"", "\x02mzz"}, {"", "\x02mmmz"}, {"", "\x02mQz"}, {"", "\x02m\x1b[15~z"}, {"", "\x02m\x02y"}, {"", "\x02mrrz"}, {"", "\x02mrrrQ"},
	{"", "\x02ab"}, {"", "\x02ax"}, {"", "\x02a\x1b[15~\x1b[15~"}, {"", "\x02a\x02y"},
	{"", "\x02i\x02j\x02kx"}, {"", "\x02q|y"}, {"", "\x02q|nx"}, {"", "\x02q|\x1b[15~\x1b[15~"}, {"", "\x02q|\rx"}, {"", "\x02q|\x02y"},
	{"", "\x02p|x y\r"}, {"", "\x02p|é%1\r"}, {"", "\x02p|\r"}, {"", "\x02p|abc\x15d\r"}, {"", "\x02p|a b\x17c\r"}, {"", "\x02p|\x03a"}, {"", "\x02P|a ; b ' \" } $HOME\r"}, {"", "\x02P|%1\r"}, {"", "\x02o|x"}, {"", "\x02w|1\r2\r"}, {"", "\x02w|\x15\r\r"},
	{"", "\x02\tx"}, {"", "\x02\x1b[3~x"},
	{"set -g prefix C-a", "\x01y\x02\x01\x01"}, {"set -g prefix2 M-p", "\x1bpy\x01y"}, {"set -g prefix2 None", "\x1bpx"}, {"set -g prefix None", "\x01\x02y"}, {"set -g prefix F5", "\x1b[15~y"}, {"set -g prefix C-b", "\x02y"},
	{"set -g key-table all", "xyz\x02y"}, {"set -g key-table nothing", "x\x1b[15~\x02y"}, {"set -g key-table root", "\x1b[15~\x02y"}, {"set -g repeat-time 0", "\x02rrr"},
	{"bind -n W send-keys -l <W>", "aWb"}, {"unbind -n W", "aWb"}, {"bind -n Any send-keys -l <any>", "a\x02y\x1b[15~"}, {"unbind -n Any", "ab"}, {"unbind y", "\x02yx"}, {"bind y send-keys -l <new>", "\x02yx"}, {"unbind -a -T mine", "\x02mzx"},
}

// pressing is a guest's terminal and one at plain tmux, with what reaches the
// pane at each.
type pressing struct {
	t         *testing.T
	plain     *tmuxtest.Server
	host      *host.Host
	terminals [2]*tmuxtest.Terminal
	recorders [2]*tmuxtest.Recorder
}

func startPressing(t *testing.T) *pressing {
	t.Helper()
	tmuxtest.As(t, host.Alice) // skips where there are no accounts
	p := &pressing{t: t, recorders: [2]*tmuxtest.Recorder{tmuxtest.NewRecorder(t), tmuxtest.NewRecorder(t)}}
	p.plain = tmuxtest.Start(t, tmuxtest.Config{Conf: keyConf})
	p.plain.NewSession("work", p.recorders[0].Command())
	p.host = host.Start(t, host.Config{TmuxConf: keyConf, Policy: map[string]string{
		"grants.yaml": "grants:\n  - {who: mwbob, role: typist, on: mwalice/work, reason: types}\n",
	}})
	p.host.Must(host.Alice, "new-session", "-d", "-s", "work", p.recorders[1].Command())
	p.terminals = [2]*tmuxtest.Terminal{
		p.plain.Attach(t, tmuxtest.TerminalConfig{}, "attach", "-t", "work"),
		p.host.Terminal(host.Bob, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/work"),
	}
	for i, x := range p.terminals {
		x.WaitFor("recording")
		p.recorders[i].WaitReady()
	}
	return p
}

// same presses keys at both, and compares.
func (p *pressing) same(keys string) {
	p.t.Helper()
	const end = "||END"
	var got [2]string
	for i, x := range p.terminals {
		p.recorders[i].Reset()
		first, answer, asked := strings.Cut(keys, "|")
		x.Type(first)
		if asked {
			x.WaitFor("(y/n)")
			x.Type(answer)
		}
		x.Type(end)
		tmuxtest.Eventually(p.t, func() bool {
			got[i] = string(p.recorders[i].Bytes())
			return strings.HasSuffix(got[i], "END") || strings.HasSuffix(got[i], strings.Repeat("<any>", len(end)))
		}, "%q: %d got %q; shown:\n%s", keys, i, got[i], strings.Join(x.Screen(), "\n"))
		if asked {
			x.WaitGone("(y/n)") // or it is taken for the next question
		}
	}
	if got[0] != got[1] {
		p.t.Errorf("%q: at tmux %q, here %q", keys, got[0], got[1])
	}
}

// A guest who may type presses keys, and so does somebody at plain tmux: the
// same reaches the pane, whatever is bound.
func TestKeysAreTheServersOwn(t *testing.T) {
	t.Parallel()
	p := startPressing(t)
	for _, c := range keysPressed {
		if c.set != "" {
			words := strings.Fields(c.set)
			p.plain.Run(words...)
			p.host.Must(host.Alice, words...)
		}
		if strings.HasPrefix(c.keys, "\x02P|a ;") && !runs(t).AtLeast(v33) {
			continue // what is typed is more than a word to tmux there, and one word to muxward
		}
		p.same(c.keys)
	}
}

// Many keys at once, bound and not, in any order: none is lost, done twice or
// out of its turn.
func TestManyKeysAtOnce(t *testing.T) {
	t.Parallel()
	p := startPressing(t)
	keys := []string{"b", "c1", "Q", "y", "r", "r", "m", "z", "a", "\x02", "\x02", "\x02r", "\x02m", "é", "\x1bx", "\x1b[15~", "\x1b[17~", "\x1b[A", "\x1b[1;2A", "\r", "\t", "Text that is typed"}
	r := rand.New(rand.NewPCG(7, 8))
	for range soak.N(1000, 15) {
		var burst strings.Builder
		for range 1 + r.IntN(60) {
			key := keys[r.IntN(len(keys))]
			if strings.HasSuffix(burst.String(), "\x02") && key == "c1" {
				key = "Q" // it would go to another window
			}
			burst.WriteString(key)
		}
		p.same(burst.String())
	}
}

// What is typed right behind a key that leads elsewhere goes there: to another pane,
// window or session.
func TestKeysGoWhereAKeyHasLed(t *testing.T) {
	t.Parallel()
	tmuxtest.As(t, host.Alice) // skips where there are no accounts
	const conf = "set -g assume-paste-time 0\nset -s escape-time 50\nbind o select-pane -t :.+\nbind n next-window\nbind O switch-client -t other\nbind W switch-client -t work\nbind l last-pane \\; send-keys -l <l>\n"
	plain := tmuxtest.Start(t, tmuxtest.Config{Conf: conf})
	h := host.Start(t, host.Config{TmuxConf: conf, Policy: map[string]string{
		"grants.yaml": "grants:\n  - {who: mwbob, role: operator, on: mwalice/*, reason: helps}\n",
	}})
	var panes [2][4]*tmuxtest.Recorder
	for i := range panes {
		run := func(words ...string) { plain.Run(words...) }
		if i == 1 {
			run = func(words ...string) { h.Must(host.Alice, words...) }
		}
		for k, words := range [][]string{{"new-session", "-d", "-s", "work"}, {"split-window", "-d", "-t", "work"}, {"new-window", "-d", "-t", "work"}, {"new-session", "-d", "-s", "other"}} {
			panes[i][k] = tmuxtest.NewRecorder(t)
			run(append(words, panes[i][k].Command())...)
			panes[i][k].WaitReady()
		}
	}
	terminals := []*tmuxtest.Terminal{
		plain.Attach(t, tmuxtest.TerminalConfig{}, "attach", "-t", "work"),
		h.Terminal(host.Bob, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/work"),
	}
	var got [2]string
	for i, x := range terminals {
		x.WaitFor("recording")
		x.Type("a\x02ob\x02oc\x02nd\x02ne\x02Of\x02Wg\x02lh\x02li\x02nj\x02Ok\x02WEND")
		tmuxtest.Eventually(t, func() bool {
			got[i] = ""
			for _, r := range panes[i] {
				got[i] += string(r.Bytes()) + "|"
			}
			// Each pane is read on its own, the last key may be there before others.
			return !strings.ContainsFunc("abcdefghijkEND", func(k rune) bool { return !strings.ContainsRune(got[i], k) }) &&
				strings.Count(got[i], "<l>") == 2
		}, "%d gets %q", i, &got[i])
	}
	if got[0] != got[1] {
		t.Errorf("at tmux %q, here %q", got[0], got[1])
	}
}
