package wire

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tmuxes returns the tmux programs to try: those that MUXWARD_TMUX lists,
// separated by colons, or the one in PATH.
func tmuxes(t testing.TB) []string {
	t.Helper()
	if list := filepath.SplitList(os.Getenv("MUXWARD_TMUX")); len(list) > 0 {
		return list
	}
	path, err := exec.LookPath("tmux")
	if err != nil {
		t.Fatal("tmux is not installed: ", err)
	}
	return []string{path}
}

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// realServer is a tmux server of this test.
type realServer struct {
	bin, sock string
	framing   Framing
	pid       string
}

func startServer(t testing.TB, bin string) *realServer {
	t.Helper()
	dir, err := os.MkdirTemp("", "mw-wire")
	if err != nil {
		t.Fatal(err)
	}
	s := &realServer{bin: bin, sock: filepath.Join(dir, "s")}
	t.Cleanup(func() {
		_, _ = s.tmux("kill-server")
		_ = os.RemoveAll(dir)
	})
	if out, err := s.tmux("-f", "/dev/null", "new-session", "-d", "-s", "work", "-x", "80", "-y", "24", "printf 'HELLO-%s\\n' PANE; exec cat"); err != nil {
		t.Fatalf("start %s: %v: %s", bin, err, out)
	}
	v, err := s.tmux("display-message", "-p", "#{version}|#{pid}")
	if err != nil {
		t.Fatal(err)
	}
	version, pid, _ := strings.Cut(strings.TrimSpace(v), "|")
	s.pid = pid
	if s.framing, err = FramingOf(version); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *realServer) tmux(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.bin, append([]string{"-S", s.sock}, args...)...)
	cmd.WaitDelay = 20 * time.Second // a server may be slow to close what its client gave it
	cmd.Env = append(os.Environ(), "TMUX=", "TERM=xterm-256color", "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// alive fails the test unless the same server still answers.
func (s *realServer) alive(t testing.TB) {
	t.Helper()
	out, err := s.tmux("display-message", "-p", "#{pid}")
	if err != nil || strings.TrimSpace(out) != s.pid {
		t.Fatalf("the server is gone or another one: %v %q, want pid %s", err, out, s.pid)
	}
}

// run runs one command with our client.
func (s *realServer) run(t testing.TB, in string, argv ...string) (stdout, stderr string, exit *Exit) {
	t.Helper()
	ctx := testContext(t)
	c, err := Dial(ctx, s.sock, s.framing)
	if err != nil {
		t.Fatal(err)
	}
	var o, e bytes.Buffer
	h := &Hello{Term: "xterm", Cwd: "/", PID: int32(os.Getpid()), Flags: FlagUTF8, Argv: argv}
	exit, err = c.Run(ctx, h, StdFiles(strings.NewReader(in), &o, &e))
	if err != nil {
		t.Fatalf("%q: %v", argv, err)
	}
	return o.String(), e.String(), exit
}

func TestRunOnRealServer(t *testing.T) {
	for _, bin := range tmuxes(t) {
		t.Run(bin, func(t *testing.T) {
			s := startServer(t, bin)
			out, errs, exit := s.run(t, "", "list-sessions", "-F", "#{session_name}")
			if out != "work\n" || errs != "" || exit.Code != 0 {
				t.Errorf("list-sessions: %q %q %+v", out, errs, exit)
			}
			out, errs, exit = s.run(t, "", "display-message", "-p", "-t", "work", "#{session_name}:#{window_width}")
			if out != "work:80\n" || errs != "" || exit.Code != 0 {
				t.Errorf("display-message: %q %q %+v", out, errs, exit)
			}
			out, errs, exit = s.run(t, "", "has-session", "-t", "=nobody")
			if out != "" || !strings.Contains(errs, "can't find session: nobody") || exit.Code != 1 {
				t.Errorf("has-session: %q %q %+v", out, errs, exit)
			}
			big := strings.Repeat("0123456789abcdef", 20000)
			if _, errs, exit = s.run(t, big, "load-buffer", "-"); exit.Code != 0 {
				t.Fatalf("load-buffer: %q %+v", errs, exit)
			}
			if out, errs, exit = s.run(t, "", "save-buffer", "-"); out != big || exit.Code != 0 {
				t.Errorf("save-buffer: %d bytes, want %d; %q %+v", len(out), len(big), errs, exit)
			}
			if _, errs, exit = s.run(t, "", "load-buffer", "/etc/passwd"); exit.Code != 1 || !strings.Contains(errs, "/etc/passwd") {
				t.Errorf("a path that nobody allowed: %q %+v", errs, exit)
			}
			s.alive(t)
		})
	}
}

func TestFilesThatNobodyAllowed(t *testing.T) {
	s := startServer(t, "tmux")
	dir := t.TempDir()
	for _, argv := range [][]string{
		{"load-buffer", "-"}, {"load-buffer", "/etc/passwd"}, {"source-file", "/etc/passwd"},
		{"set-buffer", "x", ";", "save-buffer", dir + "/x"},
	} {
		for name, files := range map[string]Files{"no files": {}, "nil streams": StdFiles(nil, nil, nil)} {
			c, err := Dial(testContext(t), s.sock, s.framing)
			if err != nil {
				t.Fatal(err)
			}
			exit, err := c.Run(testContext(t), hello(argv...), files)
			if err != nil || exit.Code == 0 {
				t.Errorf("%q with %s: %+v, %v", argv, name, exit, err)
			}
		}
	}
	if _, err := os.Stat(dir + "/x"); err == nil {
		t.Error("a file was written")
	}
	s.alive(t)
}
