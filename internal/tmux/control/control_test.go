package control

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/internal/tmux/wire"
)

func TestMain(m *testing.M) { os.Exit(tmuxtest.Main(m)) }

func ctxOf(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), tmuxtest.Patience)
	t.Cleanup(cancel)
	return ctx
}

func checkLeaks(t *testing.T) {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
}

func framing(t testing.TB, s *tmuxtest.Server) wire.Framing {
	t.Helper()
	f, err := wire.FramingOf(s.Run("display-message", "-p", "#{version}"))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// patient keeps tests on a busy machine from being cut.
const patient = tmuxtest.Patience

func open(t testing.TB, s *tmuxtest.Server, opts Options) *Client {
	t.Helper()
	if opts.Stall == 0 {
		opts.Stall = patient
	}
	if opts.Session == "" && !sessionless(t, s) { // what the caller has to do there
		if opts.Session = firstSession(s); opts.Session == "" {
			s.NewSession("home", "")
			opts.Session = firstSession(s)
		}
	}
	return openFramed(t, s, framing(t, s), opts)
}

func openFramed(t testing.TB, s *tmuxtest.Server, f wire.Framing, opts Options) *Client {
	t.Helper()
	conn, err := wire.Dial(ctxOf(t), s.Socket, f)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Open(ctxOf(t), conn, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// versions are the tmux programs to try: those that MUXWARD_TMUX lists,
// separated by colons, or the one in PATH.
func versions() []string {
	if list := filepath.SplitList(os.Getenv("MUXWARD_TMUX")); len(list) > 0 {
		return list
	}
	return []string{"tmux"}
}

// eachWay runs f against every version, with a session and, where the server
// allows it, without.
func eachWay(t *testing.T, f func(t *testing.T, s *tmuxtest.Server, c *Client)) {
	for _, path := range versions() {
		for _, session := range []string{"", "$0"} {
			t.Run(path+" session "+session, func(t *testing.T) {
				checkLeaks(t)
				s := tmuxtest.Start(t, tmuxtest.Config{Tmux: path})
				s.NewSession("one", "")
				if session == "" && !sessionless(t, s) {
					session = "$0" // also what its caller has to do
				}
				f(t, s, open(t, s, Options{Session: session}))
			})
		}
	}
}

func sessionless(t testing.TB, s *tmuxtest.Server) bool {
	t.Helper()
	v := strings.TrimSpace(s.Run("display-message", "-p", "#{version}"))
	return v == "3.2a" || v == "3.3a"
}

func do(t testing.TB, c *Client, lines ...string) []Reply {
	t.Helper()
	replies, err := c.Do(ctxOf(t), lines...)
	if err != nil {
		t.Fatal(err)
	}
	return replies
}

func TestReplies(t *testing.T) {
	eachWay(t, func(t *testing.T, s *tmuxtest.Server, c *Client) {
		replies := do(t, c,
			"display-message -p hello",
			"display-message -p ''",
			"has-session -t '=nobody'",
			"set-option -g @x 'a b' ; show-options -gv @x ; display-message -p c",
			"no-such-command",
			"display-message -p a } b",
			"# nothing",
			"if-shell -F 1 'display-message -p yes' 'display-message -p no'",
			"if-shell -F 0 'display-message -p yes'",
			"display-message -p one ; has-session -t '=nobody' ; display-message -p two",
			"display-message -p 'añ漢'",
		)
		want := []struct {
			data, err string
			blocks    int
		}{
			{"hello\n", "", 1},
			{"\n", "", 1},
			{"", "can't find session: nobody", 1},
			{"a b\nc\n", "", 3},
			{"", "parse error: unknown command: no-such-command", 1},
			{"", "parse error: ", 1}, // and versions word the rest differently
			{"", "", 0},
			{"yes\n", "", 2},
			{"", "", 1},
			{"one\n", "can't find session: nobody", 2},
			{"añ漢\n", "", 1},
		}
		for i, w := range want {
			got := replies[i]
			msg := ""
			if got.Err != nil {
				msg = got.Err.Error()
			}
			if string(got.Data) != w.data || got.Blocks != w.blocks || !strings.HasPrefix(msg, w.err) || (msg == "") != (w.err == "") {
				t.Errorf("%d: %q %d %q, want %q %d %q", i, got.Data, got.Blocks, msg, w.data, w.blocks, w.err)
			}
		}
	})
}

func TestClientDoesNotShow(t *testing.T) {
	eachWay(t, func(t *testing.T, s *tmuxtest.Server, c *Client) {
		got := s.Run("list-sessions", "-F", "#{session_attached} #{session_many_attached}")
		if got != "0 0\n" {
			t.Errorf("attached: %q", got)
		}
		if c.opts.Session == "" {
			if got := s.Run("list-clients"); got != "" {
				t.Errorf("clients: %q", got)
			}
		}
		s.Run("resize-window", "-t", "one", "-x", "99", "-y", "33")
		s.Run("set-option", "-u", "-w", "-t", "one", "window-size")
		x := s.Attach(t, tmuxtest.TerminalConfig{Cols: 70, Rows: 20}, "attach-session", "-t", "one")
		tmuxtest.Eventually(t, func() bool {
			return s.Run("display-message", "-p", "-t", "one", "#{window_width} #{session_attached}") == "70 1\n"
		}, "the person's size is the window's; screen %q", x.Screen())
	})
}

func TestAttachDoesNotTouchTheEnvironment(t *testing.T) {
	s := tmuxtest.Start(t, tmuxtest.Config{})
	s.NewSession("one", "")
	s.Run("set-environment", "-t", "one", "SSH_AUTH_SOCK", "/kept")
	c := open(t, s, Options{Session: "$0"})
	do(t, c, "display-message -p x")
	if got := s.Run("show-environment", "-t", "one", "SSH_AUTH_SOCK"); got != "SSH_AUTH_SOCK=/kept\n" {
		t.Errorf("environment: %q", got)
	}
}

// Many goroutines, ten thousand commands: each gets its own answer.
func TestPipelining(t *testing.T) {
	eachWay(t, func(t *testing.T, s *tmuxtest.Server, c *Client) {
		const callers = 8
		n := soak.N(100000, 10000) / callers
		var wg sync.WaitGroup
		for g := range callers {
			wg.Go(func() {
				var all []*Pending
				for i := range n {
					line := fmt.Sprintf("display-message -p %d.%d", g, i)
					if i%7 == 3 {
						line = fmt.Sprintf("kill-pane -t %%9%02d%05d", g, i)
					}
					p, err := c.Send(line)
					if err != nil {
						t.Error(err)
						return
					}
					all = append(all, p)
				}
				for i, p := range all {
					replies, err := p.Wait(ctxOf(t))
					if err != nil {
						t.Error(err)
						return
					}
					got := replies[0].Text()
					want := fmt.Sprintf("%d.%d", g, i)
					if i%7 == 3 {
						want = fmt.Sprintf("can't find pane: %%9%02d%05d", g, i)
						got = fmt.Sprint(replies[0].Err)
					}
					if got != want {
						t.Errorf("got %q, want %q", got, want)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

func TestRefusedBeforeSending(t *testing.T) {
	s := tmuxtest.Start(t, tmuxtest.Config{})
	c := open(t, s, Options{})
	for _, line := range []string{"", "  \t", "a\nb", "list-panes\n", "a\x00b", strings.Repeat("x", MaxLine+1)} {
		if _, err := c.Do(ctxOf(t), "set-option -g @ran 1", line); !errors.Is(err, ErrNotExecuted) {
			t.Errorf("%.10q: %v", line, err)
		}
	}
	if _, err := c.Do(ctxOf(t)); !errors.Is(err, ErrNotExecuted) {
		t.Errorf("no lines: %v", err)
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Do(gone, "set-option -g @ran 1"); !errors.Is(err, ErrNotExecuted) || !errors.Is(err, context.Canceled) {
		t.Errorf("context over: %v", err)
	}
	if got := do(t, c, "show-options -gqv @ran")[0].Text(); got != "" {
		t.Error("a line beside a bad one was run")
	}
	// The longest line that is allowed arrives.
	long := "set-option -g @x " + strings.Repeat("x", MaxLine-17)
	if r := do(t, c, long, "display-message -p '#{n:@x}'"); r[0].Err != nil || r[1].Text() != fmt.Sprint(MaxLine-17) {
		t.Errorf("long line: %v %q", r[0].Err, r[1].Text())
	}
}

func TestDrain(t *testing.T) {
	s := tmuxtest.Start(t, tmuxtest.Config{})
	c := open(t, s, Options{})
	for i := range 100 {
		p, err := c.Send(fmt.Sprintf("set-option -g @x %d", i))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Drain(ctxOf(t)); err != nil {
			t.Fatal(err)
		}
		select {
		case <-p.done:
		default:
			t.Fatal("drained, and the command before is not answered")
		}
	}
	if got := s.Run("show-options", "-gv", "@x"); got != "99\n" {
		t.Errorf("%q", got)
	}
}

// What programs in panes print comes back inside replies, whatever it is.
func TestHostilePaneText(t *testing.T) {
	eachWay(t, func(t *testing.T, s *tmuxtest.Server, c *Client) {
		// Guards with every number and time that can come next, so that
		// one of them is that of the block they are printed in.
		first := do(t, c, "display-message -p '#{start_time}'")[0].Text()
		script := `i=0; while [ $i -lt 3000 ]; do ` +
			`for t in 0 1 2 3; do n=$((` + first + `+t)); ` +
			`echo "%end $n $i 1"; echo "%begin $n $i 1"; echo "%error $n $i 1"; done; i=$((i+1)); done; ` +
			`printf '%%%%exit\n%%%%output %%%%1 x\n%%%%sessions-changed\nparse error: unknown command: mw-1\nTHE END\n'; cat`
		s.Run("set-option", "-g", "history-limit", "50000")
		out := s.Run("new-window", "-t", "one:", "-P", "-F", "#{pane_id}", script)
		pane := strings.TrimSpace(out)
		tmuxtest.Eventually(t, func() bool {
			return strings.Contains(s.Run("capture-pane", "-p", "-t", pane), "THE END")
		}, "all is printed")
		want := s.Run("capture-pane", "-p", "-S", "-", "-t", pane)
		if strings.Count(want, "\n") < 36000 {
			t.Fatalf("only %d lines to try", strings.Count(want, "\n"))
		}
		_ = c.Notices()
		replies := do(t, c, "display-message -p before", "capture-pane -p -S - -t "+pane, "display-message -p after")
		if replies[0].Text() != "before" || replies[2].Text() != "after" {
			t.Errorf("neighbours: %q %q", replies[0].Text(), replies[2].Text())
		}
		if string(replies[1].Data) != want || replies[1].Blocks != 1 || replies[1].Err != nil {
			t.Errorf("%d blocks, %d bytes, want %d; %v", replies[1].Blocks, len(replies[1].Data), len(want), replies[1].Err)
		}
		for _, n := range c.Notices() {
			if n.Kind == SessionsChanged || n.Kind == "exit" {
				t.Errorf("notice from a pane's text: %v", n)
			}
		}
	})
}

// A working directory may have any name.
func TestHostileDirectory(t *testing.T) {
	s := tmuxtest.Start(t, tmuxtest.Config{})
	dir := tmuxtest.Dir(t, tmuxtest.Account{}) + "/x\n%end 1 2 1\n%exit\n%sessions-changed"
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s.Run("new-session", "-d", "-s", "one", "-c", dir, "cat")
	c := open(t, s, Options{})
	tmuxtest.Eventually(t, func() bool {
		return do(t, c, "display-message -p -t one: '#{pane_current_path}'")[0].Text() == dir
	}, "the directory, whole")
	if got := do(t, c, "display-message -p next")[0].Text(); got != "next" {
		t.Errorf("next: %q", got)
	}
}

func TestServerKilled(t *testing.T) {
	eachWay(t, func(t *testing.T, s *tmuxtest.Server, c *Client) {
		s.Stop()
		var all []*Pending
		for range 100 {
			p, err := c.Send("display-message -p x", "list-keys")
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, p)
		}
		s.Kill()
		for _, p := range all {
			replies, err := p.Wait(ctxOf(t))
			if !errors.Is(err, ErrServerGone) || !errors.Is(err, ErrNotExecuted) {
				t.Fatalf("%v", err)
			}
			for _, r := range replies {
				if !errors.Is(r.Err, ErrServerGone) {
					t.Fatalf("reply: %v", r.Err)
				}
			}
		}
		<-c.Done()
		if !errors.Is(c.Err(), ErrServerGone) {
			t.Errorf("cause: %v", c.Err())
		}
		if _, err := c.Send("list-keys"); !errors.Is(err, ErrServerGone) || !errors.Is(err, ErrNotExecuted) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// A server that exits answers what it ran before, and does not wait for us.
func TestServerExits(t *testing.T) {
	eachWay(t, func(t *testing.T, s *tmuxtest.Server, c *Client) {
		replies := do(t, c, "display-message -p last", "kill-server")
		if replies[0].Text() != "last" || replies[1].Err != nil {
			t.Errorf("%+v", replies)
		}
		<-c.Done()
		if err := c.Err(); !errors.Is(err, ErrServerGone) && !errors.Is(err, ErrDetached) {
			t.Errorf("%v", err)
		}
		tmuxtest.Eventually(t, func() bool { return !s.Alive() }, "the server exits")
	})
}

func TestDetachedFromOutside(t *testing.T) {
	s := tmuxtest.Start(t, tmuxtest.Config{})
	s.NewSession("one", "")
	s.NewSession("two", "")
	for _, how := range []string{"detach-client", "kill-session"} {
		if how == "detach-client" && strings.TrimSpace(s.Run("display-message", "-p", "#{version}")) == "3.2a" {
			continue // it tells control clients only when they send the next command
		}
		c := open(t, s, Options{Session: "$0"})
		if how == "detach-client" {
			s.Run("detach-client", "-s", "one")
		} else {
			s.Run("kill-session", "-t", "one")
		}
		select {
		case <-c.Done():
		case <-ctxOf(t).Done():
			t.Fatalf("%s: not told", how)
		}
		if err := c.Err(); !errors.Is(err, ErrDetached) {
			t.Errorf("%s: %v", how, err)
		}
	}
	conn, err := wire.Dial(ctxOf(t), s.Socket, framing(t, s))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctxOf(t), conn, Options{Session: "$0"}); err == nil || !strings.Contains(err.Error(), "can't find session: $0") {
		t.Errorf("attach to what is gone: %v", err)
	}
}

// A client that is moved to another session goes on, and tells.
func TestMovedFromOutside(t *testing.T) {
	s := tmuxtest.Start(t, tmuxtest.Config{})
	s.NewSession("one", "")
	s.NewSession("two", "")
	c := open(t, s, Options{Session: "$0"})
	_ = c.Notices()
	s.Run("switch-client", "-c", fmt.Sprintf("client-%d", os.Getpid()), "-t", "two")
	moved := Notice{Kind: SessionChanged, ID: "$1"}
	tmuxtest.Eventually(t, func() bool {
		for _, n := range c.Notices() {
			if n == moved {
				return true
			}
		}
		return false
	}, "the move is noticed")
	if got := do(t, c, "display-message -p -t %0 '#{session_name}'")[0].Text(); got != "one" {
		t.Errorf("an addressed command went to %q", got)
	}
}

func TestEmptyServerIsTold(t *testing.T) {
	s := tmuxtest.Start(t, tmuxtest.Config{Daemon: true})
	needSessionless(t, s)
	s.NewSession("one", "")
	c := open(t, s, Options{})
	s.Run("set-option", "-s", "exit-empty", "on")
	s.NewSession("two", "")
	s.Run("kill-session", "-t", "two")
	if err := c.Drain(ctxOf(t)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-c.Empty():
		t.Fatal("empty, with a session")
	default:
	}
	s.Run("kill-session", "-t", "one")
	select {
	case <-c.Empty():
	case <-ctxOf(t).Done():
		t.Fatal("not told")
	}
	if !s.Alive() {
		t.Fatal("the server has gone without waiting for us: this test is no use")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	tmuxtest.Eventually(t, func() bool { return !s.Alive() }, "the server exits once we left")
}

func TestFloodOfNotices(t *testing.T) {
	eachWay(t, func(t *testing.T, s *tmuxtest.Server, c *Client) {
		n := soak.N(100000, 5000)
		lines := make([]string, 100)
		for i := range lines {
			lines[i] = fmt.Sprintf("rename-session -t '$0' 'a%d' ; rename-window -t @0 'w%d\n%%exit'", i, i)
			lines[i] = strings.ReplaceAll(lines[i], "\n", "")
		}
		for range n / 100 {
			do(t, c, lines...)
		}
		all := c.Notices()
		if len(all) == 0 || len(all) > 20 {
			t.Errorf("%d different notices: %v", len(all), all)
		}
	})
}

func TestClose(t *testing.T) {
	checkLeaks(t)
	s := tmuxtest.Start(t, tmuxtest.Config{})
	tmuxtest.Collected(t)
	before := countFDs(t)
	for range 20 {
		c := open(t, s, Options{})
		do(t, c, "list-keys")
		s.Stop()
		p, err := c.Send("display-message -p x")
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		if _, err := p.Wait(ctxOf(t)); !errors.Is(err, ErrClosed) || !errors.Is(err, ErrNotExecuted) {
			t.Errorf("%v", err)
		}
		s.Continue()
		_ = c.Close()
	}
	if after := countFDs(t); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

func countFDs(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestReplyTooLong(t *testing.T) {
	s := tmuxtest.Start(t, tmuxtest.Config{})
	for name, line := range map[string]string{
		"one line":  "display-message -p '#{@long}'",
		"all lines": "show-options -g ; show-options -g ; show-options -g ; list-keys ; list-keys",
	} {
		c := open(t, s, Options{MaxReply: 70000})
		s.Run("set-option", "-g", "@long", strings.Repeat("x", 9000))
		for range 4 {
			s.Run("set-option", "-gaF", "@long", "#{@long}")
		}
		_, err := c.Do(ctxOf(t), line)
		if !errors.Is(err, ErrProtocol) || !errors.Is(err, ErrUnknownOutcome) {
			t.Errorf("%s: %v", name, err)
		}
		_ = c.Close()
	}
}

func TestBacklogIsBounded(t *testing.T) {
	s := tmuxtest.Start(t, tmuxtest.Config{})
	c := open(t, s, Options{})
	s.Stop()
	line := "set-option -g @x " + strings.Repeat("x", 100000)
	var err error
	for range 2 * maxBacklog / len(line) {
		if _, err = c.Send(line); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrBacklog) || !errors.Is(err, ErrNotExecuted) {
		t.Errorf("%v", err)
	}
	s.Continue()
	if err := c.Drain(ctxOf(t)); err != nil {
		t.Error(err)
	}
}

// impatient has a client wait no longer than this for an answer from now on. A server
// that only had to wait for its processor is not to be given up before.
func impatient(c *Client, stall time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opts.Stall = stall
	if c.stall.armed {
		c.stall.timer.Reset(stall / stallStrikes)
	}
}

func TestStall(t *testing.T) {
	s := tmuxtest.Start(t, tmuxtest.Config{})
	c := open(t, s, Options{})
	s.Stop()
	impatient(c, 200*time.Millisecond)
	p, err := c.Send("set-option -g @ran 1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Wait(ctxOf(t)); !errors.Is(err, ErrStalled) || !errors.Is(err, ErrNotExecuted) {
		t.Errorf("%v", err)
	}
	s.Continue()
	if got := s.Run("show-options", "-gqv", "@ran"); got != "" {
		t.Error("withdrawn, and run all the same")
	}
}

// A server that stands still makes Open fail in time, and leaves nothing.
func TestOpenStoppedServer(t *testing.T) {
	checkLeaks(t)
	s := tmuxtest.Start(t, tmuxtest.Config{})
	f := framing(t, s)
	tmuxtest.Collected(t)
	before := countFDs(t)
	s.Stop()
	short, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	conn, err := wire.Dial(ctxOf(t), s.Socket, f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(short, conn, Options{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if after := countFDs(t); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
	s.Continue()
	s.Run("list-keys") // it lives on
}

func TestOpenWithoutSessionWhereThatIsRefused(t *testing.T) {
	for _, path := range versions() {
		s := tmuxtest.Start(t, tmuxtest.Config{Tmux: path})
		if sessionless(t, s) {
			continue
		}
		conn, err := wire.Dial(ctxOf(t), s.Socket, framing(t, s))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(ctxOf(t), conn, Options{Stall: 50 * time.Millisecond}); err == nil || !strings.Contains(err.Error(), "Options.Session") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestOpenWantsAnID(t *testing.T) {
	s := tmuxtest.Start(t, tmuxtest.Config{})
	s.NewSession("one", "")
	for _, session := range []string{"one", "$", "$0:", "=one", "$0 ; list-keys"} {
		conn, err := wire.Dial(ctxOf(t), s.Socket, framing(t, s))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(ctxOf(t), conn, Options{Session: session}); err == nil {
			t.Errorf("%q was taken", session)
		}
		if conn.Err() == nil {
			t.Errorf("%q: the connection is still open", session)
		}
	}
}

// The server may not use us to read or write files.
func TestNoFilesThroughUs(t *testing.T) {
	s := tmuxtest.Start(t, tmuxtest.Config{})
	needSessionless(t, s) // for who is attached the server opens files itself: nothing that names one goes this way there
	c := open(t, s, Options{})
	file := tmuxtest.Dir(t, tmuxtest.Account{}) + "/file"
	replies := do(t, c, "set-buffer -b b text", "save-buffer -b b "+file, "load-buffer -b c "+os.Args[0], "source-file "+os.Args[0])
	if _, err := os.Stat(file); err == nil {
		t.Error("a file was written")
	}
	for i, r := range replies[1:] {
		if r.Blocks != 1 {
			t.Errorf("%d: %+v", i, r)
		}
	}
	if got := s.Run("list-buffers", "-F", "#{buffer_name}"); got != "b\n" {
		t.Errorf("buffers: %q", got)
	}
	if got := do(t, c, "display-message -p on")[0].Text(); got != "on" {
		t.Errorf("afterwards: %q", got)
	}
}

// What the server has read is answered before Cut returns.
func TestCutRunningServer(t *testing.T) {
	eachWay(t, func(t *testing.T, s *tmuxtest.Server, c *Client) {
		p, err := c.Send("set-option -g @ran 1")
		if err != nil {
			t.Fatal(err)
		}
		report := c.Cut(ctxOf(t))
		ran := strings.TrimSpace(s.Run("show-options", "-gqv", "@ran"))
		replies, err := p.Wait(ctxOf(t))
		switch {
		case ran == "1" && err == nil && replies[0].Blocks == 1 && (report == (CutReport{Answered: 1}) || report == CutReport{}):
			// answered while Cut waited, or before it was called
		case ran == "" && errors.Is(err, ErrNotExecuted) && errors.Is(err, ErrCut) && report == (CutReport{Withdrawn: 1}):
		default:
			t.Errorf("ran %q, error %v, report %+v", ran, err, report)
		}
		if again := c.Cut(ctxOf(t)); again != (CutReport{}) {
			t.Errorf("a second cut: %+v", again)
		}
	})
}
