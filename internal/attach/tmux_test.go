package attach

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/attach/attachtest"
	"github.com/muxward/muxward/internal/tmux"
)

// server is a real tmux server in a directory of its own.
type server struct {
	t    testing.TB
	tmux string
	sock string
}

func newServer(t testing.TB, command string) *server {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "mwat")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, tmux: tmuxPath(t), sock: filepath.Join(dir, "s")}
	t.Cleanup(func() {
		s.run("kill-server")
		os.RemoveAll(dir)
	})
	s.must("new-session", "-d", "-s", "work", "-x", "80", "-y", "24", command)
	s.must("set-option", "-g", "status", "off")
	return s
}

func (s *server) run(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.tmux, append([]string{"-S", s.sock, "-f", "/dev/null"}, args...)...)
	cmd.WaitDelay = 20 * time.Second // a server may be slow to close what its client gave it
	cmd.Env = []string{"TERM=xterm-256color", "LC_ALL=C.UTF-8", "PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (s *server) must(args ...string) string {
	s.t.Helper()
	out, err := s.run(args...)
	if err != nil {
		s.t.Fatalf("tmux %v: %v\n%s", args, err, out)
	}
	return out
}

// types types a line into the session. From 3.7 on send-keys fails where a client that is
// attached read-only is the one that tmux would choose.
func (s *server) types(line string) {
	s.t.Helper()
	s.must("set-buffer", line+"\n", ";", "paste-buffer", "-d", "-t", "work")
}

// display attaches a stock client on the display's slave, in the wire
// client's place, and returns its process.
func (s *server) display(d *Pty, term string, flags ...string) *exec.Cmd {
	s.t.Helper()
	peer, err := d.Peer()
	if err != nil {
		s.t.Fatal(err)
	}
	defer peer.Close()
	return s.client(peer, term, "work", flags...)
}

// client attaches a stock client on a terminal.
func (s *server) client(peer *os.File, term, session string, flags ...string) *exec.Cmd {
	s.t.Helper()
	cmd := exec.Command(s.tmux, append([]string{"-S", s.sock, "-u", "attach", "-t", session}, flags...)...)
	cmd.Env = []string{"TERM=" + term, "LC_ALL=C.UTF-8", "PATH=" + os.Getenv("PATH")}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = peer, peer, peer
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

// attachTmux attaches p to the server.
func attachTmux(t testing.TB, s *server, p *person, mode Mode, term string, flags ...string) *attached {
	t.Helper()
	d, err := OpenPty(Size{})
	if err != nil {
		t.Fatal(err)
	}
	at := &attached{t: t, person: p, gate: &gate{}, sink: &sink{}, redraws: make(chan struct{}, 1000), ended: make(chan error, 1)}
	var client *exec.Cmd
	// What the executor does by MSG_RESIZE, a stock client does at SIGWINCH.
	tell := func() error { return client.Process.Signal(unix.SIGWINCH) }
	cfg := Config{Terminal: p.tty(nil), Display: d, Gate: at.gate, Sink: at.sink, Mode: mode, Filter: Guest(), Bound: &tables{s: at.sink},
		Redraw:   func(context.Context) error { at.redraws <- struct{}{}; return tell() },
		OnResize: func(Size) { _ = tell() }}
	if mode == Direct {
		cfg.Filter = Owner()
	}
	if at.Attachment, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	client = s.display(d, term, flags...)
	go func() { at.ended <- at.Run(context.Background()) }()
	t.Cleanup(func() { _ = at.Stop(context.Background(), ""); at.wait() })
	return at
}

func shows(p *person, size Size, want string) func() error {
	return func() error {
		if text, _ := screenText(p.t, p.screen(), size); !strings.Contains(text, want) {
			return fmt.Errorf("%q is not on the screen:\n%s", want, text)
		}
		return nil
	}
}

func TestRealTmuxDirect(t *testing.T) {
	dir := t.TempDir()
	s := newServer(t, "exec env -i PATH=$PATH PS1='$ ' TERM=screen HOME=/ sh")
	p := newPerson(t, Size{80, 24}, false)
	at := attachTmux(t, s, p, Direct, "xterm-256color")
	eventually(t, "prompt", shows(p, Size{80, 24}, "$"))
	// What is typed arrives byte by byte.
	p.types("printf 'he%s' llo-typed\r")
	eventually(t, "typed", shows(p, Size{80, 24}, "hello-typed"))

	// 100 KB through the pane and back: every line is seen, once and whole.
	file := filepath.Join(dir, "lines")
	var lines bytes.Buffer
	for i := 0; lines.Len() < 100<<10; i++ {
		fmt.Fprintf(&lines, "%05d %x\n", i, md5.Sum(fmt.Append(nil, i)))
	}
	if err := os.WriteFile(file, lines.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	p.types("clear; while read l; do echo \"$l\"; done < " + file + "; echo all-\"\"done\r")
	eventually(t, "done", shows(p, Size{80, 24}, "all-done"))
	tail := strings.Split(strings.TrimSpace(lines.String()), "\n")
	for _, want := range tail[len(tail)-20:] {
		eventually(t, "what came before", shows(p, Size{80, 24}, want))
	}
	// The prefix is tmux's own here: C-b d detaches.
	p.types("\x02d")
	if err := at.wait(); !errors.Is(err, ErrDisplayGone) {
		t.Errorf("ended with %v", err)
	}
	p.untouched("detached by tmux")
	if _, alt := screenText(t, p.screen(), Size{80, 24}); alt {
		t.Error("still on the alternate screen")
	}
}

// More than 100 KB drawn by tmux: at the end the person sees what tmux has.
func TestRealTmuxOutputIsComplete(t *testing.T) {
	s := newServer(t, "exec env -i PATH=$PATH PS1='$ ' TERM=screen HOME=/ sh")
	p := newPerson(t, Size{80, 24}, false)
	at := attachTmux(t, s, p, Direct, "xterm-256color")
	eventually(t, "prompt", shows(p, Size{80, 24}, "$"))
	for i := 0; at.Stats().Shown < 100<<10; i++ {
		// Each round fills the screen, and is seen before the next begins.
		word := fmt.Sprintf("%x", md5.Sum(fmt.Append(nil, i)))
		p.types(fmt.Sprintf("clear; r=10; while [ $r -lt 30 ]; do echo $r %s%s; r=$((r+1)); done\r", word, word))
		eventually(t, "round "+word, contains(p.screen, "29 "+word+word))
	}
	eventually(t, "the same", func() error {
		captured := s.must("capture-pane", "-p", "-t", "work")
		mine, _ := screenText(t, p.screen(), Size{80, 24})
		if md5.Sum([]byte(trimRows(captured))) != md5.Sum([]byte(trimRows(mine))) {
			return fmt.Errorf("tmux shows\n%s\nthe person sees\n%s", captured, mine)
		}
		return nil
	})
}

func trimRows(s string) string {
	rows := strings.Split(s, "\n")
	for i, r := range rows {
		rows[i] = strings.TrimRight(r, " \r")
	}
	return strings.TrimRight(strings.Join(rows, "\n"), "\n ")
}

// A guest's terminal under each TERM: what tmux draws passes the filter whole,
// so the guest sees what tmux shows.
func TestRealTmuxGuestSeesTheSame(t *testing.T) {
	for _, term := range []string{"xterm-256color", "screen-256color", "tmux-256color", "linux", "vt100", "rxvt"} {
		t.Run(term, func(t *testing.T) {
			s := newServer(t, "exec env -i PATH=$PATH PS1='$ ' TERM=screen-256color HOME=/ sh")
			s.must("set-option", "-g", "status", "on")
			s.must("set-option", "-g", "status-right", "")
			p := newPerson(t, Size{80, 24}, false)
			at := attachTmux(t, s, p, Watch, term, "-r")
			eventually(t, "prompt", shows(p, Size{80, 24}, "$"))
			s.types(`clear; printf '\033[1;31mred\033[0m \033[4mline\033[0m \033[7mrev\033[0m\n'; for i in 1 2 3 4 5 6 7 8 9; do seq 1 30; done; echo END-"OF"-IT`)
			eventually(t, "the end", shows(p, Size{80, 24}, "END-OF-IT"))
			s.must("split-window", "-h", "-t", "work", "exec sleep 100")
			eventually(t, "the same", func() error {
				text, _ := screenText(t, p.screen(), Size{80, 24})
				left := s.must("capture-pane", "-p", "-t", "work:0.0")
				for _, row := range strings.Split(strings.TrimSpace(left), "\n") {
					if !strings.Contains(text, row) {
						return fmt.Errorf("%q is missing in\n%s", row, text)
					}
				}
				return nil
			})
			most := uint64(3) // ?7727h, xterm's title stack, ED 3 of clear(1)
			v, err := tmux.ParseVersion(strings.TrimSpace(s.must("display-message", "-p", "#{version}")))
			if err != nil {
				t.Fatal(err)
			}
			if v.AtLeast(tmux.Version{Major: 3, Minor: 4}) {
				most += 7 // it asks for colours and, from 3.6 on, for themes and sizes in pixels: nothing of it draws
			}
			if d := at.Stats().Dropped; d.Sequences+d.Strings+d.Runes > most {
				t.Errorf("the filter dropped %+v of what tmux draws for %s", d, term)
			}
			if err := attachtest.Judge(withoutPush(p.screen())); err != nil {
				t.Errorf("reached the person: %v", err)
			}
			p.types("\x02d")
			if err := at.wait(); !errors.Is(err, ErrDetached) {
				t.Error(err)
			}
			p.untouched("detached")
		})
	}
}

func withoutPush(p []byte) []byte { return bytes.TrimSuffix(p, []byte("\x18\x1b\\")) }

// RE-07: odd sizes, and a change of size while much is drawn.
func TestRealTmuxAtOddSizes(t *testing.T) {
	s := newServer(t, "exec env -i PATH=$PATH TERM=screen sh -c 'while :; do seq 1 200; sleep 0.02; done'")
	p := newPerson(t, Size{80, 24}, false)
	at := attachTmux(t, s, p, Direct, "xterm-256color")
	for _, size := range []Size{{0, 0}, {1, 1}, {3, 1}, {1, 500}, {1000, 500}, {65535, 65535}, {80, 24}} {
		p.rawSize(uint16(size.Cols), uint16(size.Rows))
		at.Resize()
		want := size.Clamp()
		eventually(t, fmt.Sprint(size), func() error {
			got := strings.TrimSpace(s.must("list-clients", "-F", "#{client_width}x#{client_height}"))
			if got != fmt.Sprintf("%dx%d", want.Cols, want.Rows) {
				return fmt.Errorf("tmux has %s", got)
			}
			return nil
		})
	}
	if err := at.Stop(context.Background(), "enough"); err != nil {
		t.Error(err)
	}
	p.untouched("odd sizes")
}

// A person who was behind sees the present as soon as they read again, and
// the picture is right although frames are missing.
func TestRealTmuxRedrawsForWhoComesBack(t *testing.T) {
	s := newServer(t, "exec env -i PATH=$PATH PS1='$ ' TERM=screen-256color HOME=/ sh")
	p := newPerson(t, Size{80, 24}, true)
	at := attachTmux(t, s, p, Watch, "xterm-256color", "-r")
	s.types(`while [ ! -e ` + s.sock + `.stop ]; do printf '\033[3%dm%s' 1 'flood flood flood'; done; clear; echo PRE"SENT"`)
	eventually(t, "frames are lost", func() error {
		if at.Stats().Lags == 0 {
			return errors.New("none")
		}
		return nil
	})
	if err := os.WriteFile(s.sock+".stop", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the flood ends", func() error {
		if !strings.Contains(s.must("capture-pane", "-p", "-t", "work"), "PRESENT") {
			return errors.New("no")
		}
		return nil
	})
	p.resume()
	eventually(t, "the present", func() error {
		text, alt := screenText(t, p.screen(), Size{80, 24})
		if !alt || strings.Contains(text, "flood") || !strings.Contains(text, "PRESENT") {
			return fmt.Errorf("alternate %v:\n%s", alt, text)
		}
		return nil
	})
}
