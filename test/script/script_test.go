package script

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// scene is what one story has.
type scene struct {
	t         *testing.T
	host      *host.Host
	terminals map[string]*tmuxtest.Terminal
	lines     map[string]*host.Lines
	programs  map[string]*begun
}

// accounts of the people in the stories.
var accounts = map[string]string{
	"alice": host.Alice, "bob": host.Bob, "carol": host.Carol, "mallory": host.Mallory, "root": "root",
	"prod":      "prod",      // an isolated server, of which nobody is the owner
	"prod-psql": "prod-psql", // and that of a profile
}

// TestStories runs each story with a muxward of its own. The commands:
//
//	host [WHO]                start muxward as root for all accounts, or in user mode as one, with the files policy/*
//	as WHO PROGRAM ARG...     run a program as somebody, through muxward
//	attach NAME WHO ARG...    run tmux as somebody on a terminal called NAME
//	type NAME TEXT            type there; \r, \e and \xNN are understood
//	see NAME TEXT             wait until the text is on the screen (! see: it must not be there)
//	told NAME TEXT            wait until the text is there, or has been since they typed: for what goes away by itself
//	fades NAME TEXT           wait until the text is not on the screen any more
//	control NAME WHO ARG...   run tmux -C as somebody, on pipes, called NAME
//	say NAME LINE             send a line there
//	hear NAME TEXT            wait until it has said the text (! hear: it must not have)
//	ends NAME CODE            wait until it has ended with this exit code
//	gone NAME CODE            wait until that client has ended with this exit code
//	sane NAME                 the terminal's modes are as they were
//	real OWNER ARG...         run tmux at the server itself, past muxward
//	signal muxward|OWNER SIG  send a signal to muxward or to somebody's tmux server
//	run                       start muxward again
//	ended                     wait until muxward has ended
//	reload FILE               put a file of the story in force as policy/FILE
//	profiles FILE             put a file of the story in the place of profiles.yaml, and send SIGHUP
//	keep NAME REGEXP          keep what the parentheses match of what was printed last, as $NAME
//	until REGEXP WHO PROGRAM.. run a program until its output matches
//	await NAME REGEXP WHO PROGRAM..  the same, and $NAME is then what the first group has matched
//	pressed NAME M-X TEXT     press such a key until the text is on the screen
//	begin NAME WHO PROGRAM..  run a program beside the story, called NAME
//	interrupt NAME            send it what Ctrl-C does
//	over NAME CODE            wait until it has ended with this exit code
func TestStories(t *testing.T) {
	tmuxtest.As(t, host.Alice) // skips where there are no accounts
	files, err := filepath.Glob("*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d stories, %v", len(files), err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(f, ".txtar"), func(t *testing.T) {
			s := &scene{t: t, terminals: map[string]*tmuxtest.Terminal{}, lines: map[string]*host.Lines{}}
			testscript.RunT(teller{t}, testscript.Params{Files: []string{f}, Cmds: s.commands()})
		})
	}
}

// teller runs the one script of a story in the test of that story.
type teller struct{ *testing.T }

func (t teller) Run(_ string, f func(testscript.T)) { f(t) }
func (t teller) Parallel()                          {}
func (t teller) Verbose() bool                      { return testing.Verbose() }

func (s *scene) commands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"host": s.start, "as": s.as, "attach": s.attach, "type": s.typeText, "see": s.see, "told": s.told, "fades": s.fades, "gone": s.gone,
		"sane": s.sane, "real": s.real, "signal": s.signal, "run": s.run, "ended": s.ended,
		"reload": s.reload, "profiles": s.profiles, "until": s.wait, "keep": keep,
		"control": s.control, "say": s.say, "hear": s.hear, "ends": s.ends,
		"await": s.await, "begin": s.begin, "interrupt": s.interrupt, "over": s.over, "pressed": s.pressed,
		"last": s.last, "once": s.once,
	}
}

func (s *scene) start(ts *testscript.TestScript, _ bool, args []string) {
	user := ""
	if len(args) > 0 {
		user = who(ts, args[0])
	}
	policy := map[string]string{}
	files, err := filepath.Glob(ts.MkAbs("policy/*"))
	ts.Check(err)
	for _, f := range files {
		policy[filepath.Base(f)] = ts.ReadFile(f)
	}
	settings := ""
	if _, err := os.Stat(ts.MkAbs("muxward.yaml")); err == nil {
		settings = ts.ReadFile("muxward.yaml")
	}
	cfg := host.Config{Policy: policy, User: user, Settings: settings, Secrets: map[string]string{}}
	if _, err := os.Stat(ts.MkAbs("profiles.yaml")); err == nil {
		cfg.Profiles = ts.ReadFile("profiles.yaml")
	}
	secrets, err := filepath.Glob(ts.MkAbs("secrets/*"))
	ts.Check(err)
	for _, f := range secrets {
		cfg.Secrets[filepath.Base(f)] = ts.ReadFile(f)
	}
	s.host = host.Start(s.t, cfg)
}

func who(ts *testscript.TestScript, name string) string {
	account, ok := accounts[name]
	if !ok {
		ts.Fatalf("nobody is called %q in this story", name)
	}
	return account
}

func (s *scene) as(ts *testscript.TestScript, neg bool, args []string) {
	program := args[1]
	if program == "muxward" {
		program = host.Build(s.t, "")
	}
	r := s.host.Exec(who(ts, args[0]), nil, program, args[2:]...)
	fmt.Fprint(ts.Stdout(), r.Out)
	fmt.Fprint(ts.Stderr(), r.Err)
	if neg == (r.Code == 0) {
		ts.Fatalf("%q: exit %d\n%s%s", args, r.Code, r.Out, r.Err)
	}
}

func (s *scene) attach(ts *testscript.TestScript, _ bool, args []string) {
	s.terminals[args[0]] = s.host.Terminal(who(ts, args[1]), tmuxtest.TerminalConfig{}, args[2:]...)
}

func (s *scene) at(ts *testscript.TestScript, name string) *tmuxtest.Terminal {
	x := s.terminals[name]
	if x == nil {
		ts.Fatalf("no terminal is called %q", name)
	}
	return x
}

func (s *scene) typeText(ts *testscript.TestScript, _ bool, args []string) {
	text := regexp.MustCompile(`\\x[0-9a-f]{2}`).ReplaceAllStringFunc(args[1], func(h string) string {
		var c byte
		fmt.Sscanf(h[2:], "%x", &c)
		return string([]byte{c})
	})
	s.at(ts, args[0]).Type(strings.NewReplacer(`\r`, "\r", `\e`, "\x1b").Replace(text))
}

func (s *scene) see(ts *testscript.TestScript, neg bool, args []string) {
	x := s.at(ts, args[0])
	if neg {
		if x.Contains(args[1]) {
			ts.Fatalf("%s shows %q:\n%s", args[0], args[1], strings.Join(x.Screen(), "\n"))
		}
		return
	}
	s.until(ts, func() bool { return x.Contains(args[1]) }, func() string {
		return fmt.Sprintf("%s does not show %q:\n%s", args[0], args[1], strings.Join(x.Screen(), "\n"))
	})
}

func (s *scene) told(ts *testscript.TestScript, _ bool, args []string) {
	x := s.at(ts, args[0])
	s.until(ts, func() bool { return x.Told(args[1]) }, func() string {
		return fmt.Sprintf("%s was not told %q:\n%s", args[0], args[1], strings.Join(x.Screen(), "\n"))
	})
}

// fades is for what goes: a screen is drawn piece by piece, and what it showed before may
// still be there when what it is to show has begun.
func (s *scene) fades(ts *testscript.TestScript, _ bool, args []string) {
	x := s.at(ts, args[0])
	s.until(ts, func() bool { return !x.Contains(args[1]) }, func() string {
		return fmt.Sprintf("%s still shows %q:\n%s", args[0], args[1], strings.Join(x.Screen(), "\n"))
	})
}

func (s *scene) until(ts *testscript.TestScript, ok func() bool, why func() string) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(host.Patience); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			ts.Fatalf("%s\nmuxward says:\n%s", why(), s.host.Output())
		}
	}
}

func (s *scene) gone(ts *testscript.TestScript, _ bool, args []string) {
	if code := s.at(ts, args[0]).ExitCode(); fmt.Sprint(code) != args[1] {
		ts.Fatalf("%s ended with %d:\n%s", args[0], code, strings.Join(s.at(ts, args[0]).Screen(), "\n"))
	}
}

// sane: canonical mode, echo and signals are on, as on a new terminal.
func (s *scene) sane(ts *testscript.TestScript, _ bool, args []string) {
	const canonicalEchoSignals = 0o2 | 0o10 | 0o1
	s.until(ts, func() bool { return s.at(ts, args[0]).Termios().Lflag&canonicalEchoSignals == canonicalEchoSignals },
		func() string { return args[0] + " was left in raw mode" })
}

func (s *scene) real(ts *testscript.TestScript, neg bool, args []string) {
	out, err := s.host.Server(who(ts, args[0])).Try(args[1:]...)
	fmt.Fprintln(ts.Stdout(), out)
	if neg == (err == nil) {
		ts.Fatalf("%q: %v\n%s", args, err, out)
	}
}

func (s *scene) signal(ts *testscript.TestScript, _ bool, args []string) {
	pid := 0
	if args[0] == "muxward" {
		pid = s.host.PID()
	} else {
		pid = s.host.Server(who(ts, args[0])).PID
	}
	p, err := os.FindProcess(pid)
	ts.Check(err)
	sig, ok := signals[args[1]]
	if !ok {
		ts.Fatalf("no signal is called %q here", args[1])
	}
	ts.Check(p.Signal(sig))
}

func (s *scene) run(*testscript.TestScript, bool, []string) { s.host.Run() }

func (s *scene) ended(ts *testscript.TestScript, _ bool, _ []string) {
	s.until(ts, func() bool { return s.host.Ended() }, func() string { return "muxward did not end" })
}

func (s *scene) reload(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		s.host.WritePolicy(filepath.Base(args[0]), ts.ReadFile(args[0]))
		return
	}
	s.host.Reload(filepath.Base(args[0]), ts.ReadFile(args[0]))
}

func (s *scene) profiles(ts *testscript.TestScript, _ bool, args []string) {
	s.host.WriteProfiles(ts.ReadFile(args[0]))
	s.host.Signal(syscall.SIGHUP)
}

func keep(ts *testscript.TestScript, _ bool, args []string) {
	found := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(found) != 2 {
		ts.Fatalf("%q is not in what was printed", args[1])
	}
	ts.Setenv(args[0], found[1])
}

func (s *scene) wait(ts *testscript.TestScript, _ bool, args []string) {
	program := args[2]
	if program == "muxward" {
		program = host.Build(s.t, "")
	}
	want := regexp.MustCompile(args[0])
	var last host.Result
	s.until(ts, func() bool {
		last = s.host.Exec(who(ts, args[1]), nil, program, args[3:]...)
		return want.MatchString(last.Out + last.Err)
	}, func() string {
		return fmt.Sprintf("%q does not print %q but\n%s%s", args[1:], args[0], last.Out, last.Err)
	})
}
