package fidelity

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// stage is one side of a scene: a shell on a terminal, and what was seen there.
type stage struct {
	*side
	t     *testing.T
	x     *tmuxtest.Terminal
	first unix.Termios // before anything was run
	seen  []string
}

// run types a command into the shell, which tells the exit code afterwards.
func (s *stage) run(command string) { s.x.Type(command + "; echo code=$?\r") }

// attach runs a command that attaches, and waits until it has.
func (s *stage) attach(command, status string) {
	s.run(command)
	s.waitFor(status)
}

// look keeps what the terminal shows, once a text is there.
func (s *stage) look(text string) {
	s.t.Helper()
	s.waitFor(text)
	s.seen = append(s.seen, strings.TrimRight(strings.Join(s.x.Screen(), "\n"), "\n"))
}

// ended waits for the exit code of what was run and keeps the screen and
// whether the terminal is as it was.
func (s *stage) ended(code int) {
	s.t.Helper()
	s.waitFor(fmt.Sprintf("code=%d", code))
	s.lastRow("$")
	s.look("$")
	s.seen = append(s.seen, s.modes())
}

// echoed waits until a text is there twice: from the terminal, and from cat.
func (s *stage) echoed(text string) {
	s.t.Helper()
	tmuxtest.Eventually(s.t, func() bool {
		rows := s.x.Screen()
		return len(rows) > 1 && rows[0] == text && rows[1] == text
	}, "%s: %q is echoed", s.name, text)
}

// lastRow waits until the last row with anything in it is this one.
func (s *stage) lastRow(text string) {
	s.t.Helper()
	tmuxtest.Eventually(s.t, func() bool {
		rows := strings.Split(strings.TrimRight(strings.Join(s.x.Screen(), "\n"), "\n"), "\n")
		return rows[len(rows)-1] == text
	}, "%s: the last row is %q", s.name, text)
}

// lastWords are what a tmux client prints at its end.
var lastWords = regexp.MustCompile(`\[[a-z ]*(exited|lost|detached)[^\]\x1b]*\]`)

func (s *stage) waitFor(text string) {
	s.t.Helper()
	tmuxtest.Eventually(s.t, func() bool { return s.x.Contains(text) }, "%s: shows %q", s.name, text)
}

// modes tells how the terminal's modes differ from those it began with.
func (s *stage) modes() string {
	now := s.x.Termios()
	if now == s.first {
		return asBefore
	}
	return fmt.Sprintf("terminal changed: input %#x output %#x local %#x",
		now.Iflag^s.first.Iflag, now.Oflag^s.first.Oflag, now.Lflag^s.first.Lflag)
}

// scene is played on both sides and has to look the same.
type scene struct {
	name string
	play func(s *stage)
	// better says why muxward may end otherwise than tmux, and then has to
	// leave the terminal as it was.
	better string
	// exception says why muxward does something else altogether; instead is
	// then shown by it, and the terminal is as it was.
	exception, instead string
}

const (
	asBefore    = "terminal as before"
	detachKeys  = "\x02d"
	suspendKeys = "\x02\x1a"
	work        = "[work] 0:cat*"
)

func scenes() []scene {
	return []scene{
		{name: "attach, type, detach", play: func(s *stage) {
			s.attach("tmux attach -t work", work)
			s.x.Type("hello\r")
			s.echoed("hello")
			s.look("hello")
			s.x.Type(detachKeys)
			s.ended(0)
		}},
		{name: "new session, detach", play: func(s *stage) {
			s.attach("tmux new-session -s fresh", "[fresh] 0:cat*")
			s.look("[fresh]")
			s.x.Type(detachKeys)
			s.ended(0)
			s.seen = append(s.seen, s.must("ls", "-F", "#S #{session_attached} #{window_width}x#{window_height}"))
		}},
		{name: "new session that exists, with -A", play: func(s *stage) {
			s.attach("tmux new -A -s work", work)
			s.x.Type(detachKeys)
			s.ended(0)
		}},
		{name: "new session that exists", play: func(s *stage) {
			s.run("tmux new -s work")
			s.ended(1)
		}},
		{name: "attach to nothing", play: func(s *stage) {
			s.run("tmux attach -t nosuch")
			s.ended(1)
		}},
		{name: "first session, no server before", play: func(s *stage) {
			s.end()
			s.attach("tmux", "[0] 0:cat*")
			s.x.Type(detachKeys)
			s.ended(0)
		}},
		{name: "commands after attach", play: func(s *stage) {
			s.attach("tmux attach -t work \\; rename-window named \\; split-window", "0:named*")
			s.look(strings.Repeat("─", 80)) // to its end
			s.x.Type(detachKeys)
			s.ended(0)
		}},
		{name: "end of the last pane", play: func(s *stage) {
			s.attach("tmux attach -t work", work)
			s.x.Type("\x04")
			s.ended(0)
		}},
		{name: "end of the last pane of the last session", play: func(s *stage) {
			s.must("kill-session", "-t", "other")
			s.attach("tmux attach -t work", work)
			s.x.Type("\x04")
			s.ended(0)
		}},
		{name: "kill-session from elsewhere", play: func(s *stage) {
			s.attach("tmux attach -t work", work)
			s.must("kill-session", "-t", "work")
			s.ended(0)
		}},
		{name: "kill-server from elsewhere", play: func(s *stage) {
			s.attach("tmux attach -t work", work)
			s.must("kill-server")
			s.ended(1)
		}},
		{name: "detach-client from elsewhere", play: func(s *stage) {
			s.attach("tmux attach -t work", work)
			s.must("detach-client", "-s", "work")
			s.ended(0)
		}},
		{name: "another client takes over", play: func(s *stage) {
			s.attach("tmux attach -t work", work)
			y := s.terminal()
			y.Type("tmux attach -d -t work\r")
			y.WaitFor(work)
			s.ended(0)
			y.Type(detachKeys)
			y.WaitFor("detached")
		}},
		{name: "rename while attached", play: func(s *stage) {
			s.attach("tmux attach -t work", work)
			s.must("rename-session", "-t", "work", "play", ";", "rename-window", "-t", "play", "w")
			s.look("[play] 0:w*")
			s.x.Type(detachKeys)
			s.ended(0)
		}},
		{name: "switch to the next session by key", play: func(s *stage) {
			s.attach("tmux attach -t work", work)
			s.x.Type("\x02)")
			s.look("[other] 0:cat*")
			s.x.Type(detachKeys)
			s.ended(0)
		}},
		{name: "switch-client from elsewhere", play: func(s *stage) {
			s.attach("tmux attach -t work", work)
			s.must("switch-client", "-t", "other")
			s.look("[other] 0:cat*")
			s.must("switch-client", "-l")
			s.look(work)
			s.x.Type(detachKeys)
			s.ended(0)
		}},
		{name: "keys of the prefix table", play: func(s *stage) {
			s.attach("tmux attach -t work", work)
			s.x.Type("\x02c")
			s.look("1:cat*")
			s.x.Type("\x02\"")
			s.x.Type("\x02p")
			s.look("0:cat*")
			s.x.Type("\x02:")
			s.lastRow(":")
			s.x.Type("rename-window typed\r")
			s.look("0:typed*")
			s.x.Type("\x02&")
			s.look("kill-window typed? (y/n)")
			s.x.Type("y")
			s.look("1:cat*")
			s.x.Type(detachKeys)
			s.ended(0)
		}},
		{name: "display-message on the status line", play: func(s *stage) {
			s.attach("tmux attach -t work", work)
			s.must("display-message", "-d", "0", "-t", "work", "news from elsewhere")
			s.look("news from elsewhere")
			s.x.Type("key")
			s.waitFor("key")
			s.look(work)
			s.x.Type(detachKeys)
			s.ended(0)
		}},
		{name: "read-only", play: func(s *stage) {
			s.attach("tmux attach -r -t work", work)
			s.x.Type("unheard\r")
			// Not by send-keys: from 3.7 on it fails where the client that tmux would choose is read-only.
			s.must("set-buffer", "heard\n")
			s.must("paste-buffer", "-d", "-t", "work")
			s.echoed("heard")
			s.look("heard")
			s.x.Type(detachKeys)
			s.ended(0)
		}},
		{name: "resize", play: func(s *stage) {
			s.attach("tmux attach -t work", work)
			s.x.Resize(100, 30)
			s.size("100x29")
			s.status(29)
			s.look(work)
			s.x.Resize(40, 10)
			s.size("40x9")
			s.status(9)
			s.look(work)
			s.x.Resize(80, 24)
			s.size("80x23")
			s.x.Type(detachKeys)
			s.ended(0)
		}},
		{name: "suspend and continue", play: func(s *stage) {
			s.attach("tmux attach -t work", work)
			s.x.Type(suspendKeys)
			s.waitFor("code=148")
			s.waitFor("Stopped") // when dash says so, and prompts, is its own affair
			s.seen = append(s.seen, s.modes())
			s.x.Type("fg >/dev/null; echo again=$?\r")
			s.x.WaitFor(work)
			s.x.Type("back\r")
			s.echoed("back")
			s.look("back")
			s.x.Type(detachKeys)
			s.waitFor("again=0")
			// Where on the screen it goes on depends on what tmux has drawn by then.
			said, _, _ := strings.Cut(string(s.x.Bytes()), "again=0")
			s.seen = append(s.seen, said[max(strings.LastIndex(said, "[detached"), 0):], s.modes())
		}},
		{name: "commands from elsewhere while attached", play: func(s *stage) {
			s.attach("tmux attach -t work", work)
			for _, line := range []string{
				"ls -F #S:#{session_attached}", "list-clients", "list-clients -t other",
				"list-clients -F #{client_session}:#{client_width}x#{client_height}:#{client_termname}:#{client_readonly}:#{client_prefix}:#{client_utf8}",
				"display-message -p #S:#{client_session}:#{client_termname}:#{client_key_table}", "display-message -p -t other #S:#{client_session}",
				"list-sessions -f #{session_attached} -F #S", "switch-client -n", "display-message -p #{client_session}:#{client_last_session}",
				"switch-client -t work", "list-windows -a -F #S:#{window_active_clients}:#{window_active_sessions}",
				"display-message -p #{session_attached_list}#{window_active_clients_list}", "capture-pane -p -t work -E 0",
			} {
				words := strings.Fields(line)
				if runs(s.t).AtLeast(v34) { // from there on muxward's own connection is attached somewhere
					if strings.Contains(line, "window_active_clients") {
						continue
					}
					if words[0] == "list-clients" {
						words = append(words, "-f", "#{==:#{client_control_mode},0}")
					}
				}
				s.seen = append(s.seen, s.must(words...))
			}
			s.waitFor(work)
			s.x.Type(detachKeys)
			s.ended(0)
		}},
		{name: "hang-up of the client", play: func(s *stage) {
			s.attach("exec tmux attach -t work", work)
			s.x.Signal(syscall.SIGHUP)
			s.seen = append(s.seen, fmt.Sprint("exit ", s.x.ExitCode()))
			s.unattached()
		}},
		{name: "end of the client", play: func(s *stage) {
			s.attach("exec tmux attach -t work", work)
			s.x.Signal(syscall.SIGTERM)
			s.seen = append(s.seen, fmt.Sprint("exit ", s.x.ExitCode()))
			s.unattached()
		}},
		{name: "terminal unknown to tmux", play: func(s *stage) {
			s.run("TERM=nosuchterm tmux attach -t work")
			s.ended(1)
		}},
		{name: "no terminal", play: func(s *stage) {
			s.run("tmux attach -t work </dev/null")
			s.ended(1)
		}},
		{name: "no name of a terminal", play: func(s *stage) {
			s.run("TERM= tmux attach -t work")
			s.ended(1)
		}},
		{name: "detach and run", play: func(s *stage) {
			s.attach("tmux attach -t work", work)
			s.must("detach-client", "-s", "work", "-E", "echo ran")
			s.ended(0)
		}, exception: "no server makes a client run a program", instead: "[detached; muxward runs no command in place of a client]"},
		{name: "detach and hang up", play: func(s *stage) {
			s.attach("(tmux attach -t work; echo still here)", work)
			s.must("detach-client", "-s", "work", "-P")
			s.waitFor("detached")
			s.lastRow("$")
			s.look("$")
		}, exception: "no server hangs up a client's parent", instead: "[detached (from session work)]\nstill here"},
		{name: "death of the server", play: func(s *stage) {
			s.attach("tmux attach -t work", work)
			s.kill(syscall.SIGKILL)
			s.waitFor("code=1")
			s.seen = append(s.seen, string(lastWords.Find(s.x.Bytes())), s.modes())
		}, better: "the terminal is put right even if its server was killed"},
	}
}

// size waits until the window has a size.
func (s *stage) size(want string) {
	s.t.Helper()
	tmuxtest.Eventually(s.t, func() bool {
		return s.must("display-message", "-p", "-t", "work", "#{window_width}x#{window_height}") == want
	}, "%s: the window is %s", s.name, want)
}

// status waits until the status line is in a row and in no other.
func (s *stage) status(row int) {
	s.t.Helper()
	tmuxtest.Eventually(s.t, func() bool {
		rows := s.x.Screen()
		at := slices.Index(rows, work)
		return at == row && slices.Index(rows[at+1:], work) < 0
	}, "%s: the status line is in row %d", s.name, row)
}

// unattached waits until nobody is attached any more: from 3.4 on muxward's own
// connection is, which is in control mode.
func (s *stage) unattached() {
	s.t.Helper()
	tmuxtest.Eventually(s.t, func() bool {
		return !slices.Contains(strings.Fields(s.must("list-clients", "-F", "#{client_control_mode}")), "0")
	}, "%s: the client is gone", s.name)
}

// terminal opens a shell of the owner on a new terminal.
func (s *side) terminal() *tmuxtest.Terminal {
	x := tmuxtest.Open(s.t, tmuxtest.TerminalConfig{
		As: s.owner, Env: []string{"TMUX_TMPDIR=" + s.door, "PS1=$ "},
	}, "sh", "-i")
	x.WaitFor("$")
	return x
}

// play plays a scene on one side and gives what was seen.
func (s *side) play(t *testing.T, c scene) *stage {
	t.Helper()
	s.t = t
	s.configure(conf)
	t.Cleanup(s.end)
	s.must("new-session", "-d", "-s", "work", "-x", "80", "-y", "24")
	s.must("new-session", "-d", "-s", "other", "-x", "80", "-y", "24")
	p := &stage{side: s, t: t, x: s.terminal()}
	p.first = p.x.Termios()
	defer func() {
		if t.Failed() {
			t.Logf("%s: %q", s.name, p.x.Bytes())
		}
	}()
	c.play(p)
	s.end()
	for i := range p.seen {
		p.seen[i] = ttyName.ReplaceAllString(p.seen[i], "TTY")
	}
	return p
}

// TestScenes: on a terminal, too, muxward looks like tmux: while attached,
// whatever ends it, and to the shell afterwards.
func TestScenes(t *testing.T) {
	plain, muxward := sides(t)
	for _, c := range scenes() {
		t.Run(c.name, func(t *testing.T) {
			want, got := plain.play(t, c), muxward.play(t, c)
			if len(want.seen) == 0 {
				t.Fatal("nothing was looked at")
			}
			if c.better != "" {
				for _, p := range []*stage{want, got} {
					last := p.seen[len(p.seen)-1]
					if p == got && last != asBefore {
						t.Errorf("%s, but: %s", c.better, last)
					}
					p.seen = p.seen[:len(p.seen)-1]
				}
			}
			if c.exception != "" {
				if last := got.seen[0]; !strings.Contains(last, c.instead) || got.modes() != asBefore {
					t.Errorf("%s, but: %s\n%s", c.exception, last, got.modes())
				}
				return
			}
			if !slices.Equal(got.seen, want.seen) {
				t.Errorf("tmux:\n%s\nmuxward:\n%s", strings.Join(want.seen, "\n----\n"), strings.Join(got.seen, "\n----\n"))
			}
		})
	}
}
