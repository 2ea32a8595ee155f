package tmux

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// realServer is a tmux server of its own in a temp dir, for comparing.
type realServer struct {
	t    testing.TB
	sock string
	env  []string
	v    Version

	limit time.Duration // for each client; zero for the usual
}

func startServer(t testing.TB) *realServer {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "mwt")
	if err != nil {
		t.Fatal(err)
	}
	s := &realServer{
		t: t, sock: filepath.Join(dir, "s"),
		env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C.UTF-8", "TERM=xterm-256color", "SHELL=/bin/sh", "TZ=" + os.Getenv("TZ")},
	}

	t.Cleanup(func() {
		s.tryRun("kill-server")
		os.RemoveAll(dir)
	})
	s.run("new-session", "-d", "-s", "start", "-x", "120", "-y", "40", "exec cat")
	s.v = mustVersion(t, s.run("display-message", "-p", "#{version}"))
	return s
}

func (s *realServer) command(args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), cmp.Or(s.limit, time.Minute))
	s.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, tmuxtest.Program(s.t), append([]string{"-u", "-f", "/dev/null", "-S", s.sock}, args...)...)
	cmd.Env = s.env
	cmd.WaitDelay = 20 * time.Second // a server may be slow to close what its client gave it
	return cmd
}

// tryRun runs a command as a client would and returns what it printed on both
// outputs, and whether it exited with 0.
func (s *realServer) tryRun(args ...string) (string, bool) {
	out, err := s.command(args...).CombinedOutput()
	return strings.TrimSuffix(string(out), "\n"), err == nil
}

func (s *realServer) run(args ...string) string {
	s.t.Helper()
	out, ok := s.tryRun(args...)
	if !ok {
		s.t.Fatalf("tmux %q: %s", args, out)
	}
	return out
}

// control is a control-mode client: lines in, reply blocks out.
type control struct {
	t   testing.TB
	in  io.WriteCloser
	out *bufio.Reader
	cmd *exec.Cmd
	v   Version
}

func (s *realServer) control(session string) *control {
	s.t.Helper()
	cmd := s.command("-C", "attach-session", "-t", session)
	in, err := cmd.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	c := &control{t: s.t, in: in, out: bufio.NewReaderSize(out, 1<<20), cmd: cmd, v: s.v}
	s.t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	c.reply() // of attach-session itself
	return c
}

// reply reads one block and returns its text and whether it ended well.
func (c *control) reply() ([]byte, bool) {
	c.t.Helper()
	var body bytes.Buffer
	guard := ""
	for {
		line, err := c.out.ReadString('\n')
		if err != nil {
			c.t.Fatalf("control client: %v after %q", err, body.String())
		}
		if guard == "" {
			if rest, ok := strings.CutPrefix(line, "%begin "); ok {
				guard = rest
			}
			continue
		}
		if line == "%end "+guard || line == "%error "+guard {
			return body.Bytes(), strings.HasPrefix(line, "%end")
		}
		body.WriteString(line)
	}
}

func (c *control) send(lines ...string) {
	c.t.Helper()
	if _, err := io.WriteString(c.in, strings.Join(lines, "\n")+"\n"); err != nil {
		c.t.Fatal(err)
	}
}

func (c *control) ask(line string) (string, bool) {
	c.t.Helper()
	c.send(line)
	body, ok := c.reply()
	return strings.TrimSuffix(string(body), "\n"), ok
}

func (c *control) snapshot(d Detail) *Snapshot {
	c.t.Helper()
	return c.fetch(d, snapshotCommands(d, c.v))
}

func (c *control) fetch(d Detail, lines []string) *Snapshot {
	c.t.Helper()
	c.send(lines...)
	replies := make([][]byte, len(lines))
	for i := range lines {
		body, ok := c.reply()
		if !ok {
			c.t.Fatalf("%s: %s", lines[i], body)
		}
		replies[i] = bytes.Clone(body)
	}
	snap, err := ParseSnapshot(d, replies)
	if err != nil {
		c.t.Fatalf("%v\n%s", err, bytes.Join(replies, []byte("--\n")))
	}
	if me, err := user.Current(); err == nil {
		snap.SetUser(uint32(os.Getuid()), me.Username)
	}
	return snap
}

// until polls a condition, with a deadline.
func until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
		<-tick.C
	}
}
