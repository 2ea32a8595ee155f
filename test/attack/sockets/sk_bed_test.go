package sockets

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/sockets"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// cage is a directory that is to muxward sockets what /tmp is on a host: it holds
// tmux-UID directories, and nothing else of this machine is looked at.
type cage struct {
	t       *testing.T
	base    string
	root    string // that servers are started in
	program string // that is their tmux; empty is the one of PATH
	servers []*server
}

func newCage(t *testing.T) *cage {
	tmuxtest.As(t, owner) // skips where there are no accounts
	return &cage{t: t, base: tmuxtest.Dir(t, tmuxtest.Account{})}
}

// account is one of the tests', or the one that runs them.
func (z *cage) account(who string) tmuxtest.Account {
	z.t.Helper()
	if who == root {
		return tmuxtest.Account{}
	}
	return tmuxtest.As(z.t, who)
}

func (z *cage) must(err error) {
	z.t.Helper()
	if err != nil {
		z.t.Fatal(err)
	}
}

// dir makes the directory of an account's sockets.
func (z *cage) dir(who string, mode uint32) string {
	z.t.Helper()
	a := z.account(who)
	path := fmt.Sprintf("%s/tmux-%d", z.base, a.UID)
	z.must(unix.Mkdir(path, 0o700))
	z.must(unix.Chown(path, int(a.UID), int(a.GID)))
	z.must(unix.Chmod(path, mode))
	return path
}

// socket makes a socket at which nobody listens any more, however long its path
// and whatever its name.
func (z *cage) socket(path, who string, mode uint32) string {
	z.t.Helper()
	fd := z.bind(path, who, mode)
	z.must(unix.Close(fd))
	return path
}

// listening is a socket at which this process listens, which is no tmux.
func (z *cage) listening(path, who string, mode uint32) string {
	z.t.Helper()
	fd := z.bind(path, who, mode)
	z.must(unix.Listen(fd, 4))
	z.t.Cleanup(func() { _ = unix.Close(fd) })
	return path
}

func (z *cage) bind(path, who string, mode uint32) int {
	z.t.Helper()
	a := z.account(who)
	dir, err := os.Open(filepath.Dir(path))
	z.must(err)
	defer dir.Close()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	z.must(err)
	short := fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))
	if len(short) > 107 {
		tmp := fmt.Sprintf("/proc/self/fd/%d/t", dir.Fd())
		z.must(unix.Bind(fd, &unix.SockaddrUnix{Name: tmp}))
		z.must(os.Rename(filepath.Dir(path)+"/t", path))
	} else {
		z.must(unix.Bind(fd, &unix.SockaddrUnix{Name: short}))
	}
	z.must(unix.Lchown(path, int(a.UID), int(a.GID)))
	z.must(unix.Chmod(path, mode))
	return fd
}

// server is a tmux server of the cage.
type server struct {
	z    *cage
	as   tmuxtest.Account
	path string
	cmd  *exec.Cmd
	end  chan struct{}
}

// server starts a tmux server of an account at a path, in new namespaces if
// flags say so, and waits until it listens.
func (z *cage) server(who, path string, flags uintptr) *server {
	z.t.Helper()
	s := &server{z: z, as: z.account(who), path: path, end: make(chan struct{})}
	before := statOf(path)
	s.cmd = s.as.Command(cmp.Or(z.program, "tmux"), "-D", "-f", "/dev/null", "-S", path)
	s.cmd.SysProcAttr.Cloneflags, s.cmd.SysProcAttr.Chroot = flags, z.root
	s.cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	started := make(chan error)
	go func() {
		// The server is killed with the thread that started it: this one stays.
		runtime.LockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			_ = s.cmd.Wait() // killed
		}
		close(s.end)
	}()
	z.must(<-started)
	z.t.Cleanup(s.kill)
	tmuxtest.Eventually(z.t, func() bool { return statOf(path) != before && connects(path) }, "the server listens at %q", path)
	z.servers = append(z.servers, s)
	if flags == 0 {
		s.tmux("new-session", "-d", "-s", "kept", "cat")
		// Until then the pane is a copy of the server, and holds its sockets.
		tmuxtest.Eventually(z.t, func() bool {
			now := s.tmux("display-message", "-p", "-t", "kept", "#{pane_current_command}")
			return now != "\n" && !strings.HasPrefix(now, "tmux")
		}, "the pane runs its program")
	}
	return s
}

func (s *server) pid() int { return s.cmd.Process.Pid }

func (s *server) kill() {
	_ = s.cmd.Process.Kill() // it may have ended
	<-s.end
}

func (s *server) alive() bool {
	select {
	case <-s.end:
		return false
	default:
		return true
	}
}

func (s *server) tmux(args ...string) string {
	s.z.t.Helper()
	out, err := tmuxtest.Output(s.as.Command("tmux", append([]string{"-S", s.path}, args...)...))
	s.z.must(err)
	return out
}

// statOf names what is at a path: device, inode and when it was made there. An
// inode number alone may be given out again at once.
func statOf(path string) [3]uint64 {
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil {
		return [3]uint64{}
	}
	return [3]uint64{st.Dev, st.Ino, uint64(st.Ctim.Nano())}
}

func connects(path string) bool {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
	return err == nil || errors.Is(err, unix.EAGAIN)
}

// looked is what `sockets scan --json` prints, as far as tests look at it.
type looked struct {
	Complete bool
	Findings []struct {
		ID   string
		Path sockets.Path
		Auto bool
	}
	Scan struct {
		Sockets []struct {
			Path sockets.Path
			Life sockets.Life
		}
		Servers []struct {
			PID     int
			Program string
			Sockets []struct{ Path sockets.Path }
			Asked   *sockets.Asked
		}
		Skipped []sockets.Skipped
	}
}

// muxward runs muxward sockets as an account, in the cage alone. What was just
// made may be dead at once there.
func (z *cage) muxward(who string, args ...string) host.Result {
	z.t.Helper()
	cmd := z.account(who).Command(host.Build(z.t, ""), append([]string{"sockets"}, args...)...)
	cmd.Dir = "/"
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &errs, host.Patience
	ctx, cancel := context.WithTimeout(context.Background(), host.Patience)
	defer cancel()
	z.must(cmd.Start())
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		z.t.Fatal(err)
	}
	return host.Result{Out: out.String(), Err: errs.String(), Code: cmd.ProcessState.ExitCode()}
}

func (z *cage) scan(who string, more ...string) looked {
	z.t.Helper()
	r := z.muxward(who, append([]string{"scan", "--json", "--settle", "1ns", "--only", z.base}, more...)...)
	var l looked
	if err := json.Unmarshal([]byte(r.Out), &l); err != nil {
		z.t.Fatalf("scan: exit %d, %v\n%s%s", r.Code, err, r.Out, r.Err)
	}
	return l
}

func (z *cage) fix(who string, ids ...string) host.Result {
	z.t.Helper()
	return z.muxward(who, append([]string{"fix", "--yes", "--settle", "1ns", "--only", z.base, "--state", z.state(who)}, ids...)...)
}

func (z *cage) state(who string) string {
	if who == root {
		return z.base + "/state"
	}
	return tmuxtest.As(z.t, who).Home + "/state"
}

// found gives the ids of the findings about a path, in order.
func (l looked) found(path string) string {
	var out []string
	for _, f := range l.Findings {
		if string(f.Path) == path {
			out = append(out, strings.TrimPrefix(f.ID, "MW-"))
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func (l looked) life(path string) sockets.Life {
	for _, s := range l.Scan.Sockets {
		if string(s.Path) == path {
			return s.Life
		}
	}
	return ""
}

// steps looks at the cage from within the test and plans, so that something can
// happen between a plan and its doing.
func (z *cage) steps(ids ...string) []sockets.Step {
	z.t.Helper()
	s, err := sockets.Look(context.Background(), sockets.Options{Only: z.base, Settle: 1})
	z.must(err)
	steps, _ := sockets.Plan(sockets.Judge(s, sockets.DefaultLimits()), ids, 0)
	return steps
}

// mend does a step as muxward does.
func (z *cage) mend(s sockets.Step) sockets.Done {
	z.t.Helper()
	return z.mender().Mend(context.Background(), s)
}

func (z *cage) mender() sockets.Mender {
	z.t.Helper()
	return sockets.Mender{Argv: []string{host.Build(z.t, ""), "sockets", "errand"}}
}

// listing is everything below the cage, with kind, owner, mode and inode, but for
// what only says when.
func (z *cage) listing(path string) map[string]string {
	z.t.Helper()
	out := map[string]string{}
	z.must(filepath.WalkDir(path, func(p string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil {
			return err
		}
		out[p] = fmt.Sprintf("%o %d:%d %d", st.Mode, st.Uid, st.Gid, st.Ino)
		return nil
	}))
	return out
}
