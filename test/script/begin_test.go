package script

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// begun is a program that a story has begun, and goes on with.
type begun struct {
	cmd  *exec.Cmd
	out  bytes.Buffer // to be read when ended is closed
	done chan struct{}
}

// begin runs a program beside the story.
func (s *scene) begin(ts *testscript.TestScript, _ bool, args []string) {
	program := args[2]
	if program == "muxward" {
		program = host.Build(s.t, "")
	}
	name := who(ts, args[1])
	a := tmuxtest.Account{}
	if name != "root" {
		a = tmuxtest.As(s.t, name)
	}
	b := &begun{cmd: a.Command(program, args[3:]...), done: make(chan struct{})}
	b.cmd.Env = s.host.Env(name)
	b.cmd.Stdout, b.cmd.Stderr = &b.out, &b.out
	ts.Check(b.cmd.Start())
	go func() {
		defer close(b.done)
		_ = b.cmd.Wait() // its exit code is asked for
	}()
	s.t.Cleanup(func() { _ = b.cmd.Process.Kill(); <-b.done })
	if s.programs == nil {
		s.programs = map[string]*begun{}
	}
	s.programs[args[0]] = b
}

func (s *scene) program(ts *testscript.TestScript, name string) *begun {
	b := s.programs[name]
	if b == nil {
		ts.Fatalf("no program is called %q", name)
	}
	return b
}

// interrupt sends a program what Ctrl-C does.
func (s *scene) interrupt(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(s.program(ts, args[0]).cmd.Process.Signal(os.Interrupt))
}

// over waits until a program has ended with this exit code.
func (s *scene) over(ts *testscript.TestScript, _ bool, args []string) {
	b := s.program(ts, args[0])
	s.until(ts, func() bool {
		select {
		case <-b.done:
			return true
		default:
			return false
		}
	}, func() string { return args[0] + " does not end" })
	fmt.Fprint(ts.Stdout(), b.out.String())
	if code := b.cmd.ProcessState.ExitCode(); fmt.Sprint(code) != args[1] {
		ts.Fatalf("%s ended with %d:\n%s", args[0], code, b.out.String())
	}
}

// await waits until a program prints what matches, and keeps the first group of that
// as a variable of the story.
func (s *scene) await(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile(args[1])
	program := args[3]
	if program == "muxward" {
		program = host.Build(s.t, "")
	}
	var last host.Result
	s.until(ts, func() bool {
		last = s.host.Exec(who(ts, args[2]), nil, program, args[4:]...)
		return want.MatchString(last.Out)
	}, func() string {
		return fmt.Sprintf("%q does not print %q but\n%s%s", args[2:], args[1], last.Out, last.Err)
	})
	ts.Setenv(args[0], want.FindStringSubmatch(last.Out)[1])
}

// pressed presses a key until the text is on the screen: a key that comes in two parts
// is none there.
func (s *scene) pressed(ts *testscript.TestScript, _ bool, args []string) {
	x := s.at(ts, args[0])
	s.until(ts, func() bool {
		if x.Contains(args[2]) {
			return true
		}
		x.Type("\x1b" + args[1][len("M-"):])
		return false
	}, func() string { return fmt.Sprintf("%s does not show %q", args[0], args[2]) })
}
