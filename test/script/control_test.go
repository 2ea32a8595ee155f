package script

import (
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

func (s *scene) control(_ *testscript.TestScript, _ bool, args []string) {
	s.lines[args[0]] = s.host.Control(accounts[args[1]], args[2:]...)
}

func (s *scene) say(_ *testscript.TestScript, _ bool, args []string) { s.lines[args[0]].Say(args[1]) }

func (s *scene) hear(ts *testscript.TestScript, neg bool, args []string) {
	if neg && s.lines[args[0]].Has(args[1]) {
		ts.Fatalf("%s heard %q:\n%s", args[0], args[1], strings.Join(s.lines[args[0]].Said(), "\n"))
	}
	if !neg {
		s.lines[args[0]].Wait(args[1])
	}
}

func (s *scene) ends(ts *testscript.TestScript, _ bool, args []string) {
	if code := s.lines[args[0]].Code(); fmt.Sprint(code) != args[1] {
		ts.Fatalf("%s ended with %d", args[0], code)
	}
}

// The owner's recorded session of a control-mode client says the same through
// muxward as with plain tmux.
func TestControlTranscript(t *testing.T) {
	h := host.Start(t, host.Config{})
	through := converse(t, h.Control(host.Alice, "new-session", "-s", "work", "-n", "main", "-x", "80", "-y", "24", "cat"))
	if straight := transcript(t); through != straight {
		t.Errorf("through muxward:\n%s\nplain:\n%s", through, straight)
	}
}

// transcript is what plain tmux says.
func transcript(t *testing.T) string {
	t.Helper()
	plain := tmuxtest.As(t, host.Bob)
	socket := tmuxtest.Dir(t, plain) + "/s"
	server := func(args ...string) *exec.Cmd {
		cmd := plain.Command("tmux", append([]string{"-f", "/dev/null", "-S", socket}, args...)...)
		cmd.Env = plain.Env("TERM=xterm-256color", "LANG=C.UTF-8")
		return cmd
	}
	t.Cleanup(func() { _ = server("kill-server").Run() }) // it has ended by itself
	return converse(t, host.StartLines(t, server("-C", "new-session", "-s", "work", "-n", "main", "-x", "80", "-y", "24", "cat")))
}

// On a terminal (-CC) all that is said is in one device control string, and the
// terminal is as it was before in the end.
func TestControlOnTerminal(t *testing.T) {
	h := host.Start(t, host.Config{})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	x := h.Terminal(host.Alice, tmuxtest.TerminalConfig{}, "-CC", "attach-session", "-t", "work")
	has := func(text string) {
		t.Helper()
		tmuxtest.Eventually(t, func() bool { return strings.Contains(string(x.Bytes()), text) }, "%q is not in %q", text, x.Bytes())
	}
	has("\x1bP1000p%begin ")
	has("%session-changed $0 work\r\n")
	// Newlines, as Return may be none: the stock client sets the terminal from memory that it has
	// not filled, and with EXTPROC in that the kernel makes no newline of it.
	x.Type("display-message -p '#{client_control_mode}:#{session_name}'\n")
	has("\r\n1:work\r\n%end ")
	x.Type("\n")
	if code := x.ExitCode(); code != 0 {
		t.Errorf("it exits with %d", code)
	}
	if said := string(x.Bytes()); !strings.HasSuffix(said, "%exit\r\n\x1b\\") {
		t.Errorf("it ends with %q", said[max(0, len(said)-40):])
	}
	const canonicalEchoSignals = 0o2 | 0o10 | 0o1
	if x.Termios().Lflag&canonicalEchoSignals != canonicalEchoSignals {
		t.Error("the terminal was left in raw mode")
	}
}

// bob looks at a session in control mode and does not read. alice's program goes
// on although nobody else is attached, and bob's client is ended, as tmux does.
func TestControlBehind(t *testing.T) {
	h := host.Start(t, host.Config{Policy: map[string]string{"grants.yaml": `grants:
  - {who: mwbob, role: viewer, on: mwalice/work, reason: watches}
  - {who: root, role: admin, on: "*", reason: runs it}
`}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "read go; seq 1 200000; echo all-said; exec cat")
	cmd := tmuxtest.As(t, host.Bob).Command("tmux", "-C", "attach-session", "-t", "mwalice/work")
	cmd.Env = h.Env(host.Bob)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()         // told by what it said
	})
	who := func() bool { return strings.Contains(h.Muxward("root", "who").Out, "control") }
	tmuxtest.Eventually(t, who, "bob is attached")
	h.Must(host.Alice, "send-keys", "-t", "work", "go", "Enter")
	tmuxtest.Eventually(t, func() bool {
		return strings.Contains(h.Must(host.Alice, "capture-pane", "-p", "-t", "work"), "all-said")
	}, "alice's program goes on")
	tmuxtest.Eventually(t, func() bool { return !who() }, "bob is still attached")
	said, err := io.ReadAll(out)
	if err != nil || !strings.HasSuffix(string(said), "%exit too far behind\n") {
		t.Errorf("it ends with %q, %v", said[max(0, len(said)-100):], err)
	}
}

// A guest who asked for it is waited for at the end, as an owner is: the client is
// there until an empty line comes.
func TestControlWaitsForAGuest(t *testing.T) {
	h := host.Start(t, host.Config{Policy: map[string]string{"grants.yaml": `grants:
  - {who: mwbob, role: viewer, on: mwalice/work, reason: watches}
  - {who: root, role: admin, on: "*", reason: runs it}
`}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	l := h.Control(host.Bob, "attach-session", "-t", "mwalice/work")
	l.Wait("%session-changed")
	l.Ask("refresh-client -f wait-exit")
	flags := h.Must(host.Alice, "list-clients", "-F", "#{client_flags}")
	if !strings.Contains(flags, "wait-exit") || !strings.Contains(flags, "read-only") {
		t.Errorf("his client is %q", flags)
	}
	h.Must(host.Alice, "kill-session", "-t", "work")
	l.Wait("%exit")
	h.Must(host.Alice, "start-server") // time enough to leave
	if l.Ended() {
		t.Error("he was not waited for")
	}
	l.Say("")
	l.Code()
}

// Who has no more to say leaves when what they said is done, also if that waits
// for something that never comes; and a line has an end.
func TestControlEnds(t *testing.T) {
	h := host.Start(t, host.Config{})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	for _, c := range []struct {
		said, want string
		code       int
	}{
		{"display-message -p said\ndisplay-message -p half", "said\n%end", 0},
		{"display-message -p said\nkill-pane -t nosuch:\n", "can't find session: nosuch\n%error", 1},
		{"wait-for nothing\n", "%exit", 0},
		{strings.Repeat("x", 2<<20), "%exit a line of more than 1048576 bytes", 1},
	} {
		r := h.Exec(host.Alice, []byte(c.said), "tmux", "-C", "attach-session", "-t", "work")
		if !strings.Contains(r.Out, c.want) || strings.Contains(r.Out, "half") || r.Code != c.code {
			t.Errorf("after %.40q: exit %d\n%s", c.said, r.Code, r.Out)
		}
	}
	tmuxtest.Eventually(t, func() bool { return !strings.Contains(h.Muxward(host.Alice, "who").Out, "control") }, "nobody is there any more")
}

// A client goes when what it asked for is done, however much more it has said.
func TestControlLeavesTheRest(t *testing.T) {
	h := host.Start(t, host.Config{})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	rest := strings.Repeat("display-message -p rest\n", 200)
	for said, args := range map[string][]string{
		rest:                     {"list-sessions"},
		"detach-client\n" + rest: {"attach-session", "-t", "work"},
	} {
		r := h.Exec(host.Alice, []byte(said), "tmux", append([]string{"-C"}, args...)...)
		if r.Code != 0 || !strings.HasSuffix(r.Out, "%exit\n") || strings.Contains(r.Out, "rest\n") {
			t.Errorf("%q: exit %d\n%s", args, r.Code, r.Out)
		}
	}
}

// The command line comes first, all of it: only then are lines taken, and the
// end of them.
func TestControlCommandLineFirst(t *testing.T) {
	h := host.Start(t, host.Config{})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	l := h.Control(host.Alice, "attach-session", "-t", "work", ";", "wait-for", "go", ";", "display-message", "-p", "command-line")
	l.Say("display-message -p a-line")
	l.Close()
	l.Wait("%session-changed")
	h.Must(host.Alice, "wait-for", "-S", "go")
	code := l.Code()
	said := strings.Join(l.Said(), "\n")
	first, then := strings.Index(said, "command-line\n%end"), strings.Index(said, "a-line\n%end")
	if code != 0 || first < 0 || then < first {
		t.Errorf("exit %d\n%s", code, said)
	}
}

// recorded is what a client asks, by how many blocks it is answered, and what
// has to be said before it goes on. Of the commands of one line each is decided by
// itself, so what is notified between them comes sooner than with plain tmux.
var recorded = []struct {
	line   string
	blocks int
	until  string
}{
	{"list-windows -F '#{window_index}:#{window_panes}'", 1, ""},
	{"refresh-client -C 90x30", 1, "%layout-change"},
	{"split-window -d cat", 1, ",0[90x15"},
	{"send-keys -t %0 hello Enter", 1, "%output %0 hello"},
	{"nosuch command", 1, ""},
	{"display-message -p \"a b\" ; display-message -p c", 2, ""},
	{"select-window -t :9 ; display-message -p never", 1, ""},
	{"rename-window {", 1, ""},
	{"rename-window 'other name'", 1, "%window-renamed @0 other name"},
	{"refresh-client -f pause-after=60,wait-exit", 1, ""},
	{"send-keys -t %0 again Enter", 1, "%extended-output"},
	{"refresh-client -A '%0:pause'", 1, "%pause %0"},
	{"refresh-client -A '%0:continue'", 1, "%continue %0"},
	{"refresh-client -B 'n:%0:#{pane_id}'", 1, "%subscription-changed n $0 @0 0 %0 : %0"},
	{"new-window -d -n two cat", 1, "%window-add @1"},
	{"# nothing", 0, ""},
	{"if-shell -F 1 'display-message -p yes' 'display-message -p no'", 2, "\nyes\n"},
	{"run-shell 'echo ran'", 1, ""},
	{"show-options -gv prefix", 1, ""},
	{"set-option -g @x '#{y}' ; show-options -gv @x", 2, ""},
	{"list-panes -a -F '#{session_name} #{pane_id} #{client_control_mode}'", 1, ""},
	{"list-windows -t $0 -F '#W'", 1, ""},
	{"display-message -p -t $0:0.%0 \"#{pane_id} \\$0\"", 1, ""},
	{"new-session -d -s more -n named cat", 1, "%sessions-changed"},
	{"switch-client -t more", 1, "%session-changed $1 more"},
	{"display-message -p '#S'", 1, ""},
	{"rename-session less", 1, "%session-renamed $1 less"},
	{"switch-client -t work", 1, "%session-changed $0 work"},
	{"kill-session -t less", 1, "%sessions-changed"},
	{"kill-pane -t %1", 1, "%layout-change @0 "},
	{"detach-client", 1, ""},
}

// converse plays the record and gives what was said, without times and numbers.
func converse(t *testing.T, l *host.Lines) string {
	t.Helper()
	l.Wait("%session-changed $0 work")
	for _, step := range recorded {
		said := len(l.Said())
		l.Say(step.line)
		// One after the other: what was notified of a line that has company
		// may come after that.
		tmuxtest.Eventually(t, func() bool {
			now := strings.Join(l.Said()[said:], "\n") + "\n"
			return strings.Count(now, "%end ")+strings.Count(now, "%error ") >= step.blocks && strings.Contains(now, step.until)
		}, "%q is not answered, or there is no %q, in\n%s", step.line, step.until, strings.Join(l.Said(), "\n"))
	}
	l.Wait("%exit")
	l.Say("") // it was asked to wait for that
	code := l.Code()
	return ordered(l.Said()) + fmt.Sprintf("exit %d\n", code)
}

var guard = regexp.MustCompile(`^%(begin|end|error) \d+ \d+ (\d)$`)

// ordered is a transcript without what differs between any two of them: times,
// numbers, and how the bytes of a pane are cut into lines.
func ordered(said []string) string {
	var out strings.Builder
	for _, s := range said {
		if strings.HasPrefix(s, "%output ") || strings.HasPrefix(s, "%extended-output ") {
			continue
		}
		out.WriteString(guard.ReplaceAllString(s, "%$1 T N $2") + "\n")
	}
	return out.String()
}
