package host

import (
	"bufio"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Lines is a stock tmux client in control mode, on pipes.
type Lines struct {
	t    testing.TB
	in   io.WriteCloser
	cmd  *exec.Cmd
	ends chan struct{}

	mu   sync.Mutex
	said []string
}

// Control starts "tmux -C ARGS" as an account, through muxward.
func (h *Host) Control(who string, args ...string) *Lines {
	h.t.Helper()
	a := tmuxtest.Account{}
	if who != "root" {
		a = tmuxtest.As(h.t, who)
	}
	cmd := a.Command("tmux", append([]string{"-C"}, args...)...)
	cmd.Env = h.Env(who)
	return StartLines(h.t, cmd)
}

// StartLines starts a client in control mode. It is killed at the end of the
// test.
func StartLines(t testing.TB, cmd *exec.Cmd) *Lines {
	t.Helper()
	l := &Lines{t: t, cmd: cmd, ends: make(chan struct{})}
	out, err := cmd.StdoutPipe()
	if err == nil {
		l.in, err = cmd.StdinPipe()
	}
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatalf("tmux -C: %v", err)
	}
	go func() {
		defer close(l.ends)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			l.mu.Lock()
			l.said = append(l.said, lines.Text())
			l.mu.Unlock()
		}
		_ = cmd.Wait() // told by Code
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-l.ends
	})
	return l
}

// Say sends a line. A client that has gone is noticed by what it does not say.
func (l *Lines) Say(line string) { _, _ = io.WriteString(l.in, line+"\n") }

// Close ends the client's input.
func (l *Lines) Close() { _ = l.in.Close() }

// Said is what the client has printed.
func (l *Lines) Said() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.said...)
}

// Has reports whether text is in what the client has printed.
func (l *Lines) Has(text string) bool {
	return strings.Contains(strings.Join(l.Said(), "\n")+"\n", text)
}

// Wait waits until text is in what the client has printed.
func (l *Lines) Wait(text string) {
	l.t.Helper()
	tmuxtest.Eventually(l.t, func() bool { return l.Has(text) }, "%q is not in\n%s", text, lateText{l})
}

// lateText is what was said by the time it is printed.
type lateText struct{ l *Lines }

func (t lateText) String() string { return strings.Join(t.l.Said(), "\n") }

// Ask sends a line and gives the block that answers it, guards and all. It is
// for when no other line is under way.
func (l *Lines) Ask(line string) []string {
	l.t.Helper()
	from := len(l.Said())
	l.Say(line)
	var block []string
	tmuxtest.Eventually(l.t, func() bool {
		block = nil
		for _, s := range l.Said()[from:] {
			switch {
			case strings.HasPrefix(s, "%begin ") && strings.HasSuffix(s, " 1"), block != nil:
				block = append(block, s)
			}
			if block != nil && (strings.HasPrefix(s, "%end ") || strings.HasPrefix(s, "%error ")) {
				return true
			}
		}
		return false
	}, "%q is not answered in\n%s", line, lateText{l})
	return block
}

// Ended reports whether the client has ended.
func (l *Lines) Ended() bool {
	select {
	case <-l.ends:
		return true
	default:
		return false
	}
}

// Code waits until the client has ended and gives its exit code.
func (l *Lines) Code() int {
	l.t.Helper()
	tmuxtest.Eventually(l.t, l.Ended, "the client does not end; it said\n%s", lateText{l})
	return l.cmd.ProcessState.ExitCode()
}
