package fidelity

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// seen is what bob and carol may on their terminals: look at two of alice's
// sessions and go from one to the other. Carol types into one pane. Mallory
// does not come up.
const seen = `grants:
  - {who: mwbob, verbs: [view, scroll, navigate], on: mwalice/work, reason: he watches}
  - {who: mwbob, verbs: [view, scroll, navigate], on: mwalice/side, reason: he watches}
  - {who: mwcarol, verbs: [view, scroll, navigate], on: mwalice/work, reason: she looks}
  - {who: mwcarol, verbs: [view, scroll, navigate], on: mwalice/side, reason: she looks}
  - {who: mwcarol, role: typist, on: "mwalice/work:0.1", reason: she types}
`

// theatre is alice's server with alice attached to it, and people who come with
// terminals: what a permitted command does, it does.
type theatre struct {
	t      *testing.T
	h      *host.Host
	server host.Server
	alice  *tmuxtest.Terminal
	canary string
	panes  []*tmuxtest.Recorder
	calm   time.Duration // how long the server may take to be as it was
}

// raise makes one. tag is a build tag of muxward.
func raise(t *testing.T, tag string) *theatre {
	t.Helper()
	h := host.Start(t, host.Config{
		Build:    tag,
		Policy:   map[string]string{"grants.yaml": seen},
		TmuxConf: "set -g automatic-rename off\nset -g allow-rename off\nset -g @mark " + mark + "\nset -g status-right ''\n",
	})
	s := &theatre{t: t, h: h, canary: tmuxtest.Dir(t, tmuxtest.Account{}), calm: tmuxtest.Patience}
	if err := os.Chmod(s.canary, 0o777); err != nil {
		t.Fatal(err)
	}
	pane := func(show string, argv ...string) {
		r := tmuxtest.NewRecorder(t)
		h.Must(host.Alice, append(argv, "printf '"+show+" '; "+r.Command())...)
		s.panes = append(s.panes, r)
	}
	pane("IN-WORK", "new-session", "-d", "-x", "80", "-y", "23", "-s", "work", "-n", "edit")
	pane("", "split-window", "-d", "-t", "work")
	pane("IN-SIDE", "new-session", "-d", "-x", "80", "-y", "23", "-s", "side", "-n", "other")
	pane(mark, "new-session", "-d", "-x", "80", "-y", "23", "-s", "secret", "-n", mark)
	for _, r := range s.panes {
		r.WaitReady()
	}
	s.server = h.Server(host.Alice)
	s.alice = h.Terminal(host.Alice, tmuxtest.TerminalConfig{}, "attach", "-t", "work")
	s.alice.WaitFor("IN-WORK")
	return s
}

// state is the whole server with its clients, what each pane was sent, and
// whether alice is still there.
func (s *theatre) state() string { return twice(s.reading) }

func (s *theatre) reading() string {
	s.t.Helper()
	var b strings.Builder
	b.WriteString(s.server.State())
	b.WriteString("\n" + s.server.Run("list-clients", "-F", "C #{client_name} #{client_session} #{client_width}x#{client_height} #{client_flags} #{client_key_table}",
		";", "list-windows", "-a", "-F", "#{window_id} #{window_width}x#{window_height} #{window_active_clients_list}",
		";", "show-environment", "-t", "work", ";", "show-environment", "-t", "side",
		";", "list-sessions", "-F", "#{session_name} #{session_path} #{session_group}"))
	for i, r := range s.panes {
		fmt.Fprintf(&b, "\npane %d got %q", i, r.Bytes())
	}
	files, err := os.ReadDir(s.canary)
	if err != nil {
		s.t.Fatal(err)
	}
	fmt.Fprintf(&b, "\n%d files, alice has gone: %v", len(files), s.alice.Exited())
	return b.String()
}

// act is what somebody does: comes by a command line, on a terminal of their
// own, and then gives others, as clients beside it.
type act struct {
	come   string
	beside []string
	shows  string // what bob and carol see in the end; "" if they must not get in
}

// acts are the commands that only a client with a terminal takes to the end.
// T is alice's terminal, CANARY a file that only a command of theirs makes.
func acts() []act {
	attach := func(flags string) string {
		return strings.Join(strings.Fields("attach "+flags+" -t mwalice/work"), " ")
	}
	const in, side = "IN-WORK", "IN-SIDE"
	list := []act{
		{attach(""), nil, in}, {attach("-r"), nil, in}, {attach("-E"), nil, in},
		{attach("-f read-only"), nil, in}, {attach("-f !read-only"), nil, in}, {attach("-f ignore-size"), nil, in},
		{attach("-f !ignore-size"), nil, in}, {attach("-f active-pane"), nil, in}, {attach("-f no-output,pause-after=1"), nil, in},
		{attach("-d"), nil, ""}, {attach("-x"), nil, ""}, {attach("-dx"), nil, ""}, {attach("-drE"), nil, ""},
		{attach("-c /tmp"), nil, ""}, {attach("-c #(touch${IFS}CANARY)"), nil, ""}, {attach("-E -c /"), nil, ""},
		{"attach -t mwalice/secret", nil, ""}, {"attach -t mwalice/secret:0.0", nil, ""}, {"attach -t mwalice/%3", nil, ""},
		{"attach -t mwalice/$2", nil, ""}, {"attach -t mwalice/work:@2", nil, ""}, {"attach -t mwalice/work ; attach -t mwalice/secret", nil, ""},
		{"new-session -t mwalice/work", nil, ""}, {"new-session -t mwalice/secret", nil, ""}, {"new-session -s mine -t mwalice/work", nil, ""},
		{"new-session -A -s mwalice/secret", nil, ""}, {"new-session -A -D -s mwalice/work", nil, ""},
		{"new-session -A -X -s mwalice/work", nil, ""}, {"new-session -s mwalice/new", nil, ""},
		{"new-session -A -s mwalice/work -c #(touch${IFS}CANARY)", nil, ""},
		{"switch-client -t mwalice/work", nil, ""}, {"detach-client", nil, ""}, {"detach-client -a", nil, ""},
		{"detach-client -s mwalice/work", nil, ""}, {"detach-client -t T", nil, ""}, {"detach-client -E touch${IFS}CANARY", nil, ""},
	}
	for _, c := range []struct{ beside, shows string }{
		{"switch-client -t mwalice/side", side}, {"switch-client -t mwalice/work", in}, {"switch-client -t mwalice/secret", in},
		{"switch-client -t mwalice/%3", in}, {"switch-client -t mwalice/$2", in}, {"switch-client -E -t mwalice/side", side},
		{"switch-client -c T -t mwalice/side", in}, {"switch-client -c T -t mwalice/secret", in}, {"switch-client -n", ""},
		{"switch-client -p", ""}, {"switch-client -l", in}, {"switch-client -r", in}, {"switch-client -T prefix", in},
		{"switch-client -T root -t mwalice/side", ""}, {"switch-client -Z -t mwalice/side", in},
		{"switch-client -t mwalice/side:0.0", ""}, {"detach-client -a", in}, {"detach-client -s mwalice/work", in},
		{"detach-client -s mwalice/side", in}, {"detach-client -t T", in}, {"detach-client -P -t T", in},
		{"detach-client -E touch${IFS}CANARY", in}, {"detach-client -aP", in}, {"detach-client", in},
		{"detach-client -P", in}, {"attach -d -t mwalice/work", in}, {"new-session -A -D -d -s mwalice/work", in},
	} {
		list = append(list, act{attach(""), []string{c.beside}, c.shows})
	}
	return append(list, act{attach(""), []string{"switch-client -t mwalice/side", "switch-client -l"}, ""},
		act{attach("-r"), []string{"switch-client -r", "switch-client -t mwalice/side"}, side})
}

// play has somebody do it, and gives what was wrong.
func (s *theatre) play(who string, a act) (found []string) {
	s.t.Helper()
	wrong := func(format string, args ...any) {
		found = append(found, fmt.Sprintf("%s: tmux %s, beside it %q: ", who, a.come, a.beside)+fmt.Sprintf(format, args...))
	}
	before := s.state()
	enters := who != host.Mallory && (a.shows != "" || a.beside != nil)
	x := s.h.Terminal(who, tmuxtest.TerminalConfig{Cols: 60, Rows: 15}, s.words(a.come)...)
	if enters {
		x.WaitFor("IN-WORK")
	} else {
		tmuxtest.Eventually(s.t, func() bool {
			return x.Exited() || slices.ContainsFunc([]string{mark, "IN-WORK", "IN-SIDE"}, x.Contains)
		}, "%s: tmux %s ends", who, a.come)
		if !x.Exited() {
			wrong("it gets in:\n%s", strings.Join(x.Screen(), "\n"))
		}
	}
	clients, told := []*tmuxtest.Terminal{x}, ""
	// What a client without a server of its own asks for by no name is about
	// that server, which is not there: it is no way to alice's.
	for _, line := range a.beside {
		y := s.h.Terminal(who, tmuxtest.TerminalConfig{}, s.words(line)...)
		clients = append(clients, y)
		if y.ExitCode() == 0 && who == host.Mallory {
			wrong("it is answered with yes: %s", y.Bytes())
		}
		told += string(y.Bytes())
	}
	if enters && a.shows != "" && !settles(tmuxtest.Patience, func() bool { return x.Contains(a.shows) }) {
		wrong("%q is not shown in the end, they were told %q:\n%s", a.shows, told, strings.Join(x.Screen(), "\n"))
	}
	for _, y := range clients {
		y.HangUp()
	}
	var after string
	if !settles(s.calm, func() bool { after = s.state(); return after == before }) {
		wrong("the server changed:\n%s", difference(before, after))
	}
	for _, y := range clients {
		if strings.Contains(string(y.Bytes()), mark) {
			wrong("they are shown what is hidden: %q", y.Bytes())
		}
	}
	return found
}

func (s *theatre) words(line string) []string {
	words := strings.Fields(line)
	for i, w := range words {
		if w == "T" {
			words[i] = s.alice.TTY()
		}
		words[i] = strings.NewReplacer("CANARY", s.canary+"/made", "${IFS}", " ").Replace(words[i])
	}
	return words
}

// settles waits for what must come, and reports whether it did.
func settles(within time.Duration, ok func() bool) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(within); !ok(); <-tick.C {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// TestStrangersOnTerminals: the same three, with terminals, so that what is
// permitted is done to its end. Nothing of alice's changes when they have gone
// again, they are shown nothing but what was granted, and alice stays.
func TestStrangersOnTerminals(t *testing.T) {
	t.Parallel()
	s := raise(t, "")
	for _, who := range []string{host.Mallory, host.Bob, host.Carol} {
		for _, a := range acts() {
			for _, f := range s.play(who, a) {
				t.Error(f)
			}
			if s.alice.Exited() {
				t.Fatal("alice was thrown out")
			}
		}
	}
	s.h.VerifyAudit()
}

// TestStrangersOnTerminalsTeeth: with a check taken out, the same acts find
// something, whoever does them.
func TestStrangersOnTerminalsTeeth(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ build, who, come, beside, want string }{
		{"teeth_decide", host.Bob, "attach -d -t mwalice/work", "", "it gets in"},
		{"teeth_decide", host.Carol, "attach -x -t mwalice/work", "", "the server changed"},
		{"teeth_decide", host.Carol, "attach -t mwalice/work", "switch-client -t mwalice/secret", "shown what is hidden"},
		{"teeth_decide,teeth_visible", host.Mallory, "attach -t mwalice/secret", "", "shown what is hidden"},
		{"teeth_decide,teeth_visible", host.Mallory, "attach -d -t mwalice/work", "", "the server changed"},
	} {
		t.Run(c.build+" "+c.who+" "+c.come+" "+c.beside, func(t *testing.T) {
			s := raise(t, c.build)
			s.calm = 3 * time.Second // most of them change it for good
			a := act{come: c.come, shows: ""}
			if c.beside != "" {
				a.beside, a.shows = []string{c.beside}, mark // which takes a moment to be drawn
			}
			found := s.play(c.who, a)
			if !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, c.want) }) {
				t.Errorf("it is not found that %s: %q", c.want, found)
			}
		})
	}
}
