package tmuxtest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Config says what server [Start] starts. The zero Config is tmux from PATH,
// without a configuration file, in the foreground.
type Config struct {
	Tmux   string   // the tmux program
	Conf   string   // text of the configuration file
	Env    []string // more environment
	As     Account  // who runs it
	Daemon bool     // let it fork, as `tmux new-session -d` does; exit-empty is off all the same
}

// Server is a running tmux server.
type Server struct {
	Tmux   string // the tmux program
	Socket string // in a directory of its own that all may search
	PID    int
	As     Account

	t   testing.TB
	env []string
	fd  int             // pidfd: signals go to this process and no other
	cmd *exec.Cmd       // nil for a daemon
	end <-chan struct{} // closed when the child was waited for
}

// Start starts a server without sessions. It is killed at the end of the test,
// also when it is stopped.
func Start(t testing.TB, c Config) *Server {
	t.Helper()
	dir := Dir(t, c.As)
	s := &Server{Tmux: c.Tmux, Socket: filepath.Join(dir, "s"), As: c.As, t: t, env: c.As.Env(c.Env...), fd: -1}
	if s.Tmux == "" {
		s.Tmux = "tmux"
	}
	conf := "/dev/null"
	if c.Conf != "" {
		conf = filepath.Join(dir, "conf")
		if err := os.WriteFile(conf, []byte(c.Conf), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(s.Kill)
	if c.Daemon {
		s.startDaemon(conf)
	} else {
		s.startChild(conf)
	}
	fd, err := unix.PidfdOpen(s.PID, 0)
	if err != nil {
		t.Fatalf("tmuxtest: tmux server %d: %v", s.PID, err)
	}
	s.fd = fd
	guard(t, s.PID)
	Eventually(t, func() bool {
		_, err := s.Try("display-message", "-p", "#{pid}")
		return err == nil
	}, "tmux server answers on %s", s.Socket)
	return s
}

func (s *Server) command(args ...string) *exec.Cmd {
	cmd := s.As.Command(s.Tmux, args...)
	cmd.Env = s.env
	return cmd
}

func (s *Server) startChild(conf string) {
	s.t.Helper()
	s.cmd = s.command("-D", "-S", s.Socket, "-f", conf)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.PID = s.cmd.Process.Pid
	end := make(chan struct{})
	s.end = end
	go func() {
		_ = s.cmd.Wait() // killed, most of the time
		close(end)
	}()
}

func (s *Server) startDaemon(conf string) {
	s.t.Helper()
	out, err := Output(s.command("-S", s.Socket, "-f", conf,
		"start-server", ";", "set-option", "-s", "exit-empty", "off", ";", "display-message", "-p", "#{pid}"))
	if err != nil {
		s.t.Fatal(err)
	}
	if s.PID, err = strconv.Atoi(strings.TrimSpace(out)); err != nil {
		s.t.Fatalf("tmuxtest: pid of the server: %v", err)
	}
}

// Run runs a tmux command against the server with the stock client and returns
// what it printed. The test fails if the command does.
func (s *Server) Run(args ...string) string {
	s.t.Helper()
	out, err := s.Try(args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// Try is [Server.Run] that returns the error, which holds what was printed on
// standard error.
func (s *Server) Try(args ...string) (string, error) {
	return Output(s.command(append([]string{"-S", s.Socket}, args...)...))
}

// NewSession makes a detached session of 80 by 24 that runs a shell command
// ("" is a shell) and returns the id of its pane.
func (s *Server) NewSession(name, command string) string {
	s.t.Helper()
	args := []string{"new-session", "-d", "-x", "80", "-y", "24", "-s", name, "-P", "-F", "#{pane_id}"}
	if command != "" {
		args = append(args, command)
	}
	return strings.TrimSpace(s.Run(args...))
}

// Signal sends a signal to the server.
func (s *Server) Signal(sig syscall.Signal) {
	s.t.Helper()
	if err := unix.PidfdSendSignal(s.fd, sig, nil, 0); err != nil {
		s.t.Fatalf("tmuxtest: signal %v to the server: %v", sig, err)
	}
}

// Stop stops the server with SIGSTOP and waits until it stands still.
func (s *Server) Stop() {
	s.t.Helper()
	s.Signal(unix.SIGSTOP)
	Eventually(s.t, func() bool { return s.state() == 'T' }, "server %d stands still", s.PID)
}

// Continue undoes [Server.Stop].
func (s *Server) Continue() {
	s.t.Helper()
	s.Signal(unix.SIGCONT)
}

// state is the letter of /proc/PID/stat: R, S, D, T, Z, or 0 if it is gone.
func (s *Server) state() byte {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.PID))
	if i := bytes.LastIndexByte(stat, ')'); err == nil && i >= 0 && i+2 < len(stat) {
		return stat[i+2]
	}
	return 0
}

// Alive reports whether the server still runs.
func (s *Server) Alive() bool {
	st := s.state()
	return st != 0 && st != 'Z'
}

// Kill kills the server (SIGKILL) and waits until it is gone. It may be called
// again, and is called at the end of the test.
func (s *Server) Kill() {
	if s.fd < 0 {
		if s.cmd != nil && s.cmd.Process != nil { // Start failed half-way
			_ = s.cmd.Process.Kill()
			<-s.end
		}
		return
	}
	_ = unix.PidfdSendSignal(s.fd, unix.SIGKILL, nil, 0) // it may be gone
	if s.end != nil {
		<-s.end
	}
	p := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(p, int(Patience.Milliseconds())); err == nil && n == 0 {
		s.t.Errorf("tmuxtest: server %d survived its end", s.PID)
	}
	_ = unix.Close(s.fd)
	s.fd, s.cmd = -1, nil
}

// CommandError is a command that ran and did not succeed.
type CommandError struct {
	Args   []string
	Code   int // exit code, -1 if a signal ended it
	Stderr string
	Err    error
}

// Error tells what was run and what it said.
func (e *CommandError) Error() string {
	return fmt.Sprintf("%q: %v: %s", e.Args, e.Err, strings.TrimSpace(e.Stderr))
}

// Unwrap returns the error of os/exec.
func (e *CommandError) Unwrap() error { return e.Err }

// Output runs a command and returns its standard output. Neither a command
// that hangs nor one whose descriptors live on elsewhere, as a client's do at a
// server that has not closed them yet, makes it wait longer than [Patience] each.
func Output(cmd *exec.Cmd) (string, error) { return output(cmd, Patience) }

func output(cmd *exec.Cmd, limit time.Duration) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = limit
	if err := cmd.Start(); err != nil {
		return "", &CommandError{Args: cmd.Args, Code: -1, Err: err}
	}
	late := time.AfterFunc(limit, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	if !late.Stop() {
		err = fmt.Errorf("no end after %s, killed: %w", limit, err)
	}
	if err == nil {
		return stdout.String(), nil
	}
	code := -1
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	}
	return stdout.String(), &CommandError{Args: cmd.Args, Code: code, Stderr: stderr.String(), Err: err}
}
