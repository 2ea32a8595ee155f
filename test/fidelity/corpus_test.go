package fidelity

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// corpusConf lets every key of the corpus reach the pane: none is the prefix, and
// what is sent at once is no paste.
const corpusConf = `set -g assume-paste-time 0
set -g prefix None
set -s escape-time 60000
set -g status off
`

// away is a character that is in no corpus. On plain tmux it is bound to leave,
// so that all that was sent before it has been read.
const away = "☠"

// paneMode is what a program in the pane has asked for, and what the server is
// set to.
type paneMode struct{ name, extended, asks string }

var (
	v33 = tmux.Version{Major: 3, Minor: 3}
	v34 = tmux.Version{Major: 3, Minor: 4}
	v36 = tmux.Version{Major: 3, Minor: 6}
	v37 = tmux.Version{Major: 3, Minor: 7}
)

// plainModes undo all that a paneMode asks for.
const plainModes = "\x1b[?1l\x1b>\x1b[?2004l\x1b[>4;0m"

var paneModes = []paneMode{
	{"normal", "off", ""},
	{"cursor", "off", "\x1b[?1h"},
	{"keypad", "off", "\x1b="},
	{"paste", "off", "\x1b[?2004h"},
	{"ext normal", "on", ""},
	{"ext asked 2", "on", "\x1b[>4;2m\x1b[?1h\x1b=\x1b[?2004h"},
	{"ext asked", "on", "\x1b[>4;1m"}, // from here on with the full counts only
	{"ext cursor", "on", "\x1b[?1h"},
	{"ext keypad", "on", "\x1b="},
	{"ext paste", "on", "\x1b[?2004h"},
}

// desk is a pane at plain tmux and one of alice's, with a recorder in each.
type desk struct {
	t         *testing.T
	plain     *tmuxtest.Server
	host      *host.Host
	recorders [2]*tmuxtest.Recorder
	ttys      [2]string
	modes     int // how often a mode was set
	version   tmux.Version
	unasked   map[string][]string // what a guest's keys came to in the first mode
	reasons   map[string]int      // how often something differs, and why
}

func newDesk(t *testing.T, tag string) *desk {
	t.Helper()
	tmuxtest.As(t, host.Alice) // skips where there are no accounts
	d := &desk{t: t, recorders: [2]*tmuxtest.Recorder{tmuxtest.NewRecorder(t), tmuxtest.NewRecorder(t)}}
	d.plain = tmuxtest.Start(t, tmuxtest.Config{Conf: corpusConf + "bind -n " + away + " detach-client\n"})
	d.plain.NewSession("work", d.recorders[0].Command())
	d.host = host.Start(t, host.Config{Build: tag, TmuxConf: corpusConf, Policy: map[string]string{
		"grants.yaml": "grants:\n  - {who: mwbob, role: typist, on: mwalice/work, reason: types}\n",
	}})
	d.host.Must(host.Alice, "new-session", "-d", "-s", "work", d.recorders[1].Command())
	version, err := tmux.ParseVersion(strings.TrimSpace(d.plain.Run("display-message", "-p", "#{version}")))
	if err != nil {
		t.Fatal(err)
	}
	d.version, d.reasons, d.unasked = version, map[string]int{}, map[string][]string{}
	for i, r := range d.recorders {
		r.WaitReady()
		d.ttys[i] = strings.TrimSpace(d.tmux(i, "display-message", "-p", "-t", "work", "#{pane_tty}"))
	}
	return d
}

func (d *desk) tmux(i int, args ...string) string {
	d.t.Helper()
	if i == 0 {
		return d.plain.Run(args...)
	}
	return d.host.Must(host.Alice, args...)
}

// set puts both panes into a mode, as a program in them does, and waits until
// each terminal shows what was printed after it.
func (d *desk) set(m paneMode, terminals [2]*tmuxtest.Terminal) {
	d.t.Helper()
	print := func(text string) { // and wait until it has been read
		d.modes++
		done := fmt.Sprintf("recording, %d.", d.modes)
		for i, x := range terminals {
			f, err := os.OpenFile(d.ttys[i], os.O_WRONLY, 0)
			if err != nil {
				d.t.Fatal(err)
			}
			_, err = f.WriteString(text + "\x1b[H\x1b[2J" + done)
			if err = errors.Join(err, f.Close()); err != nil {
				d.t.Fatal(err)
			}
			x.WaitFor(done)
		}
	}
	print(plainModes)
	for i := range terminals {
		d.tmux(i, "set-option", "-s", "extended-keys", m.extended)
	}
	print(m.asks)
}

// open attaches somebody at plain tmux and a guest, each on a terminal of this
// kind.
func (d *desk) open(term string) [2]*tmuxtest.Terminal {
	d.t.Helper()
	c := tmuxtest.TerminalConfig{Term: term}
	x := [2]*tmuxtest.Terminal{
		d.plain.Attach(d.t, c, "attach", "-t", "work"),
		d.host.Terminal(host.Bob, c, "attach", "-t", "mwalice/work"),
	}
	for i := range x {
		x[i].WaitFor("recording")
	}
	return x
}

// behind is typed after a key, so that what it came to can be told from the next.
// Its first character may go with a report before it.
func behind(i int) string { return "|" + milestone(i) }

func milestone(i int) string { return fmt.Sprintf("{#%d#}", i) }

// press sends all keys at once and gives what each came to in the pane. After a
// paste it waits: what comes in one go with it is of it.
func (d *desk) press(i int, x *tmuxtest.Terminal, keys []corpusKey, send func(*tmuxtest.Terminal, string)) []string {
	d.t.Helper()
	d.recorders[i].Reset()
	var all strings.Builder
	for k, key := range keys {
		all.WriteString(key.bytes + behind(k))
		if strings.HasPrefix(key.bytes, pasteBegin) || k == len(keys)-1 {
			send(x, all.String())
			all.Reset()
			d.received(i, keys[:k+1])
		}
	}
	return d.received(i, keys)
}

const pasteBegin, pasteEnd = "\x1b[200~", "\x1b[201~"

// received waits for all that was pressed, and takes it apart.
func (d *desk) received(i int, keys []corpusKey) []string {
	d.t.Helper()
	r := d.recorders[i]
	var got string
	tmuxtest.Eventually(d.t, func() bool {
		got = string(r.Bytes())
		return strings.HasSuffix(got, milestone(len(keys)-1))
	}, "the last key at %d", i)
	came := make([]string, len(keys))
	for k := range keys {
		before, after, ok := strings.Cut(got, milestone(k))
		if !ok {
			d.t.Fatalf("at %d, after %q came %q, and not the mark %s", i, keys[k].bytes, got[:min(len(got), 80)], milestone(k))
		}
		came[k], got = strings.TrimSuffix(before, "|"), after
	}
	return came
}

// named gives what the pane at plain tmux gets when it is sent what the keys are
// said to be.
func (d *desk) named(keys []corpusKey) []string {
	d.t.Helper()
	d.recorders[0].Reset()
	for from := 0; from < len(keys); from += 40 {
		var argv []string
		for k := from; k < min(from+40, len(keys)); k++ {
			for _, part := range strings.Split(keys[k].want, " + ") {
				what, text, _ := strings.Cut(part, " ")
				switch what {
				case "key":
					argv = append(argv, "send-keys", "-t", "work", strings.TrimSuffix(text, ";"), ";")
				case "text":
					argv = append(argv, "send-keys", "-t", "work", "-H")
					for _, b := range []byte(unescape(d.t, text)) {
						argv = append(argv, fmt.Sprintf("%x", b))
					}
					argv = append(argv, ";")
				}
			}
			argv = append(argv, "send-keys", "-t", "work", "-l", behind(k), ";")
		}
		d.plain.Run(argv...)
	}
	return d.received(0, keys)
}

// readOnly sends all keys from a client that is attached with -r, and gives what
// reached the pane.
func (d *desk) readOnly(term string, keys []corpusKey) []byte {
	d.t.Helper()
	x := d.plain.Attach(d.t, tmuxtest.TerminalConfig{Term: term}, "attach", "-r", "-t", "work")
	x.WaitFor("recording")
	d.recorders[0].Reset()
	for _, key := range keys {
		x.Type(key.bytes)
	}
	x.Type(away)
	x.ExitCode()
	// What reached the pane has been recorded when what is sent behind it has.
	d.plain.Run("send-keys", "-t", "work", "-l", away)
	var got []byte
	tmuxtest.Eventually(d.t, func() (ok bool) {
		got, ok = bytes.CutSuffix(d.recorders[0].Bytes(), []byte(away))
		return ok
	}, "what is sent behind the keys")
	return got
}

// tally counts, for one kind of terminal in one mode.
type tally struct{ keys, typed, readOnly, same, listed int }

func (n tally) String() string {
	return fmt.Sprintf("%d/%d/%d+%d", n.typed, n.readOnly, n.same, n.listed)
}

// why gives the reason for which a guest's pane gets something else than it
// would at plain tmux, or "" if there is none. said is what the key is said to be,
// and unasked what a guest's pane gets that has asked for nothing.
func (d *desk) why(k corpusKey, m paneMode, plain, guest, said, unasked string) string {
	tells := tmux.TellsKeyMode(d.version)
	text, pasted := strings.CutPrefix(k.want, "paste ")
	switch {
	case pasted && (guest == unescape(d.t, text) || guest == pasteBegin+unescape(d.t, text)+pasteEnd):
		return "a paste stays as it is, and what marks it goes to who has asked for that"
	case k.bytes == pasteBegin+pasteEnd && guest == "":
		return "a paste of nothing is nothing"
	case unextended(plain) == k.bytes && (guest == said || !tells && guest == "" && strings.Contains(k.want, "S-")):
		return "this tmux knows no such key and types its sequence; a guest's is the key that it is, or nothing"
	case strings.HasSuffix(k.name, "lock") && !d.version.AtLeast(v34) && guest == said:
		return "this tmux loses the modifiers with a lock"
	case !tells && !ascii(k.want) && guest == said:
		return "this tmux reads no characters but ASCII in this form"
	case tells && strings.HasSuffix(k.want, "M-S-Tab") && guest == "":
		return "this tmux has no form of back tab with Meta, and types what it comes to"
	case tells && !d.version.AtLeast(v37) && strings.Trim(k.bytes, "\x1b") == "\b" && strings.Contains(unextended(guest), "\x7f"):
		return "this tmux reads the terminal's own backspace key, if that is ^H, as C-h"
	case !tells && strings.HasPrefix(m.name, "ext asked") && guest == unasked:
		return "this tmux does not tell that the program has asked for the key"
	}
	return ""
}

// unextended undoes the form that characters with Meta have for a program that
// has asked for it.
func unextended(s string) string {
	return regexp.MustCompile(`\x1b\[27;3;(\d+)~`).ReplaceAllStringFunc(s, func(key string) string {
		c, _ := strconv.Atoi(key[len("\x1b[27;3;") : len(key)-1])
		return "\x1b" + string(rune(c))
	})
}

func ascii(s string) bool {
	return strings.IndexFunc(s, func(c rune) bool { return c >= utf8.RuneSelf }) < 0
}

// compare presses every key of a keyboard at plain tmux, with and without -r, and
// as a guest.
func (d *desk) compare(k keyboard, m paneMode, x [2]*tmuxtest.Terminal) tally {
	d.t.Helper()
	n := tally{keys: len(k.keys)}
	all := func(x *tmuxtest.Terminal, keys string) { x.Type(keys) }
	plain, guest := d.press(0, x[0], k.keys, all), d.press(1, x[1], k.keys, all)
	if m == paneModes[0] {
		d.unasked[k.name] = guest
	}
	var said []string
	for i, key := range k.keys {
		if plain[i] != "" {
			n.typed++
		}
		if plain[i] == guest[i] {
			n.same++
			continue
		}
		if said == nil {
			said = d.named(k.keys)
		}
		if why := d.why(key, m, plain[i], guest[i], said[i], d.unasked[k.name][i]); why != "" {
			n.listed++
			d.reasons[why]++
			continue
		}
		d.t.Errorf("%s, %s: %s (%q): at plain tmux %q, as a guest %q", k.name, m.name, key.name, key.bytes, plain[i], guest[i])
	}
	n.readOnly = len(d.readOnly(k.term, k.keys))
	return n
}

// A guest who may type presses every key that terminals have, and so does
// somebody at plain tmux: the same reaches the pane, whatever the program in it
// has asked for.
func TestKeyCorpus(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "")
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "terminal\tkeys")
	modes := paneModes[:soak.N(len(paneModes), 6)]
	for _, m := range modes {
		fmt.Fprint(w, "\t", m.name)
	}
	fmt.Fprintln(w)
	for _, k := range keyboards(t) {
		x := d.open(k.term)
		fmt.Fprint(w, k.name, "\t", len(k.keys))
		for _, m := range modes {
			d.set(m, x)
			fmt.Fprint(w, "\t", d.compare(k, m, x))
		}
		fmt.Fprintln(w)
		for _, x := range x {
			x.Close()
		}
	}
	_ = w.Flush() // to memory
	t.Logf("keys that reach the pane at plain tmux / bytes that do with attach -r / keys that are the same for a guest + that differ for a reason:\n%s", table.String())
	for why, n := range d.reasons {
		t.Logf("%d times: %s", n, why)
	}
	d.host.VerifyAudit()
}
