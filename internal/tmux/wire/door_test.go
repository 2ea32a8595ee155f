package wire

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// door is a socket at which we are the tmux server.
func door(t testing.TB, serve func(ctx context.Context, c *Conn, h *Hello) error) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mw-door")
	if err != nil {
		t.Fatal(err)
	}
	sock := filepath.Join(dir, "s")
	l, err := net.Listen("unix", sock)
	if err != nil {
		t.Fatal(err)
	}
	ctx := testContext(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			c := NewServer(nc.(*net.UnixConn))
			h, err := c.Accept(ctx, nil)
			if err == nil {
				err = errors.Join(serve(ctx, c, h), h.Close(), c.Close())
			}
			if err != nil {
				t.Errorf("at the door: %v", err)
			}
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
		_ = os.RemoveAll(dir)
	})
	return sock
}

// stock runs an unmodified tmux client.
func stock(t testing.TB, bin, in string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.CommandContext(testContext(t), bin, args...)
	cmd.Env = []string{"TERM=xterm", "HOME=/", "LC_ALL=C.UTF-8", "MARK=a=b", "PATH=" + os.Getenv("PATH")}
	cmd.Dir = "/"
	cmd.Stdin = strings.NewReader(in)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return o.String(), e.String(), cmd.ProcessState.ExitCode()
}

func TestStockClientsPrintWhatWeSay(t *testing.T) {
	big := strings.Repeat("a line of output\n", 40_000)
	for _, bin := range tmuxes(t) {
		t.Run(bin, func(t *testing.T) {
			sock := door(t, func(ctx context.Context, c *Conn, h *Hello) error {
				var out, errs string
				exit := &Exit{}
				switch h.Argv[0] {
				case "big":
					out = big
				case "error":
					errs, exit.Code = "no such thing\n", 1
				case "both":
					out, errs, exit.Code = "out\n", "errs\n", 42
				case "message":
					exit.Code, exit.Message = 3, "access not allowed"
				}
				if err := c.Answer(ctx, []byte(out), []byte(errs), exit); err != nil {
					return err
				}
				return c.Linger(ctx)
			})
			for _, tt := range []struct {
				arg, out, errs string
				code           int
			}{
				{"nothing", "", "", 0},
				{"big", big, "", 0},
				{"error", "", "no such thing\n", 1},
				{"both", "out\n", "errs\n", 42},
				{"message", "", "access not allowed\n", 3},
			} {
				out, errs, code := stock(t, bin, "", "-S", sock, tt.arg)
				if out != tt.out || errs != tt.errs || code != tt.code {
					t.Errorf("%s: %d bytes, %q, %d", tt.arg, len(out), errs, code)
				}
			}
		})
	}
}

func TestStockClientsIntroduceThemselves(t *testing.T) {
	for _, bin := range tmuxes(t) {
		t.Run(bin, func(t *testing.T) {
			noLeak(t, func(t *testing.T) {
				var got Hello
				var in, out unix.Stat_t
				var framing Framing
				sock := door(t, func(ctx context.Context, c *Conn, h *Hello) error {
					got, framing = *h, c.Framing()
					err := errors.Join(unix.Fstat(h.Stdin.Int(), &in), unix.Fstat(h.Stdout.Int(), &out))
					return errors.Join(err, c.Answer(ctx, nil, nil, &Exit{}), c.Linger(ctx))
				})
				if _, errs, code := stock(t, bin, "x", "-S", sock, "-u", "-T", "RGB", "display-message", "", "a b"); code != 0 {
					t.Fatal(errs)
				}
				v, err := exec.Command(bin, "-V").Output()
				if err != nil {
					t.Fatal(err)
				}
				if want, err := FramingOf(string(v)); err != nil || framing != want {
					t.Errorf("framing of %s is %s, %v", v, framing, err)
				}
				if strings.Join(got.Argv, "|") != "display-message||a b" || got.Term != "xterm" || got.Cwd != "/" || got.PID == 0 {
					t.Errorf("%+v", got)
				}
				if v, ok := got.Getenv("MARK"); v != "a=b" || !ok {
					t.Errorf("environment: %q", got.Env)
				}
				if got.Flags&^ClientSettable != 0 || !got.Flags.Has(FlagUTF8) || got.Features == 0 {
					t.Errorf("flags %#x, features %#x", got.Flags, got.Features)
				}
				if in.Ino == out.Ino || in.Mode&unix.S_IFMT != unix.S_IFIFO {
					t.Errorf("standard input %o, output %o", in.Mode, out.Mode)
				}
			})
		})
	}
}

func TestStockClientsReadAndWriteFiles(t *testing.T) {
	data := strings.Repeat("some data\x00\xff\n", 30_000)
	for _, bin := range tmuxes(t) {
		t.Run(bin, func(t *testing.T) {
			dir := t.TempDir()
			in, to := filepath.Join(dir, "in"), filepath.Join(dir, "to")
			if err := os.WriteFile(in, []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
			sock := door(t, func(ctx context.Context, c *Conn, h *Hello) error {
				got, err := c.ReadFile(ctx, 3, h.Argv[0], 1<<20)
				if err == nil {
					err = c.WriteFile(ctx, 4, h.Argv[1], unix.O_TRUNC, got)
				}
				exit := &Exit{}
				if err != nil {
					exit = &Exit{Code: 1, Message: err.Error()}
				}
				return errors.Join(c.Answer(ctx, nil, nil, exit), c.Linger(ctx))
			})
			for _, tt := range []struct{ from, to, errs string }{
				{in, to, ""},
				{"-", to, ""},
				{in, "-", ""},
				{filepath.Join(dir, "none"), to, "no such file or directory\n"},
				{in, filepath.Join(dir, "none", "x"), "no such file or directory\n"},
			} {
				_ = os.Remove(to)
				out, errs, code := stock(t, bin, data, "-S", sock, tt.from, tt.to)
				if tt.to == to && tt.errs == "" {
					b, err := os.ReadFile(to)
					if err != nil {
						t.Error(err)
					}
					out = string(b)
				}
				if errs != tt.errs || tt.errs == "" && out != data || (code == 0) != (tt.errs == "") {
					t.Errorf("%s to %s: %d bytes, %q, %d", tt.from, tt.to, len(out), errs, code)
				}
			}
		})
	}
}

func TestStockClientsAttach(t *testing.T) {
	for _, bin := range tmuxes(t) {
		t.Run(bin, func(t *testing.T) {
			for name, tt := range map[string]struct {
				end  Message
				want string
				code int
			}{
				"detach":   {&Detach{Session: "owner/work"}, "[detached (from session owner/work)]", 0},
				"exit":     {&Exit{Code: 2, Message: "you may not see this"}, "[you may not see this]", 2},
				"exited":   {&Exit{}, "[exited]", 0},
				"shutdown": {&Shutdown{}, "[server exited]", 1},
			} {
				out, code := attachStock(t, bin, tt.end)
				if !strings.Contains(out, "HELLO ON YOUR TTY") || !strings.Contains(out, tt.want) || code != tt.code {
					t.Errorf("%s: %q, %d", name, out, code)
				}
			}
		})
	}
}

// attachStock attaches a stock client to a door that writes to its terminal,
// waits for its first resize, and ends it.
func attachStock(t *testing.T, bin string, end Message) (string, int) {
	t.Helper()
	sock := door(t, func(ctx context.Context, c *Conn, h *Hello) error {
		if len(h.Terminfo) < 20 || !strings.HasPrefix(h.TTYName, "/dev/pts/") {
			t.Errorf("terminal %q with %d capabilities", h.TTYName, len(h.Terminfo))
		}
		if _, err := unix.Write(h.Stdin.Int(), []byte("HELLO ON YOUR TTY\r\n")); err != nil {
			return err
		}
		for _, step := range []struct {
			say  Message
			want Type
		}{{&Ready{}, TypeResize}, {end, TypeExiting}} {
			if err := c.WriteMsg(ctx, step.say); err != nil {
				return err
			}
			if m, err := c.ReadMsg(ctx); err != nil || m.Type() != step.want {
				t.Errorf("got %v, %v; want %s", m, err, step.want)
				return err
			}
		}
		return errors.Join(c.WriteMsg(ctx, &Exited{}), c.Linger(ctx))
	})
	p := openPTY(t)
	cmd := exec.CommandContext(testContext(t), bin, "-S", sock, "attach-session")
	cmd.Env = []string{"TERM=xterm", "LC_ALL=C.UTF-8", "PATH=" + os.Getenv("PATH")}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.slave, p.slave, p.slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	return p.drain(), cmd.ProcessState.ExitCode()
}

func TestReadFileHasALimit(t *testing.T) {
	sock := door(t, func(ctx context.Context, c *Conn, h *Hello) error {
		if b, err := c.ReadFile(ctx, 3, "-", 1000); len(b) != 0 || reason(err) != ReasonLimit {
			t.Errorf("%d bytes, %v", len(b), err)
		}
		return nil
	})
	if _, errs, code := stock(t, "tmux", strings.Repeat("x", 1001), "-S", sock, "x"); code != 1 {
		t.Errorf("%q, %d", errs, code)
	}
}
