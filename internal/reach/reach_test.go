package reach

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/passed"
)

// pair starts the process's side in a goroutine, as far as that can be told from a process.
func pair(t *testing.T) *Line {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(os.NewFile(uintptr(fds[0]), "ours"))
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := Open(os.NewFile(uintptr(fds[1]), "theirs"))
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		defer theirs.Close()
		p := &process{line: theirs.conn, tidy: func() {}}
		defer p.over()
		_ = p.serve() // its errors are told over the line
	}()
	t.Cleanup(func() { _ = l.Close(); <-over })
	return l
}

func TestConnect(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).AddrPort().Port()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ask := Ask{Kind: Connect, Host: "localhost", Port: port}
	line := pair(t)
	found, err := line.Look(ctx, ask)
	if err != nil || len(found.Addrs) != 1 || found.Addrs[0] != netip.MustParseAddr("127.0.0.1") {
		t.Fatalf("%+v %v", found, err)
	}
	r, err := line.Go(ctx, ask, found.Addrs)
	if err != nil || r.Conn.RemoteAddr().String() != l.Addr().String() {
		t.Fatalf("%+v %v", r, err)
	}
	r.Close()
	// What was not decided is not connected to.
	line = pair(t)
	if _, err = line.Look(ctx, ask); err != nil {
		t.Fatal(err)
	}
	if r, err := line.Go(ctx, ask, []netip.Addr{netip.MustParseAddr("127.0.0.2")}); err == nil {
		t.Errorf("another address: %+v", r)
	}
	// What is handed over is compared with what was decided.
	other := &Reached{}
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	f, err := c.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.take(ask, []netip.Addr{netip.MustParseAddr("192.0.2.1")}, []*os.File{f}); err == nil {
		t.Error("a connection elsewhere is taken")
	}
	other.Close()
	passed.Close([]*os.File{f})
	_ = c.Close()
}

func TestSockets(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	at := filepath.Join(dir, "s")
	ask := Ask{Kind: Listen, Path: at}
	line := pair(t)
	if found, err := line.Look(ctx, ask); err != nil || found.Path != at {
		t.Fatalf("%+v %v", found, err)
	}
	listener, err := line.Go(ctx, ask, nil)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(at); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v %v", st, err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(at, link); err != nil {
		t.Fatal(err)
	}
	to := pair(t)
	if found, err := to.Look(ctx, Ask{Kind: Connect, Path: link}); err != nil || found.Path != at {
		t.Errorf("a link leads to %+v (%v), and not to %s", found, err, at)
	}
	again := pair(t)
	if _, err := again.Look(ctx, ask); err != nil {
		t.Fatal(err)
	}
	if _, err := again.Go(ctx, ask, nil); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("what is there already: %v", err)
	}
	listener.Close()
	if err := line.End(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(at); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket stays: %v", err)
	}
}

func FuzzAsk(f *testing.F) {
	f.Add([]byte(`{"kind":"connect","host":"x","port":1}`))
	f.Add([]byte(`{"kind":"listen","addr":"::1","port":1}`))
	f.Add([]byte(`{"kind":"subsystem","argv":["/x"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var a Ask
		if decode(data, &a) != nil || a.valid() != nil {
			return
		}
		if a.Path != "" && a.Path[0] != '/' || len(a.Argv) > 0 && a.Argv[0][0] != '/' {
			t.Errorf("%+v is valid", a)
		}
	})
}

func TestOwnSFTP(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ask := Ask{Kind: Subsystem}
	line := pair(t) // which knows of no server
	if _, err := line.Look(ctx, ask); err != nil {
		t.Fatal(err)
	}
	r, err := line.Go(ctx, ask, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Path != "" {
		t.Errorf("it is served by %q", r.Path)
	}
	c, err := sftp.NewClientPipe(r.Conn, r.Conn)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "f")
	f, err := c.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	_, werr := f.Write([]byte("written"))
	if err := errors.Join(werr, f.Close(), c.Close()); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "written" {
		t.Errorf("%q %v", got, err)
	}
	if code, err := line.Exit(ctx); err != nil || code != 0 {
		t.Errorf("it ends with %d %v", code, err)
	}
}

// What a subsystem has started ends with the line.
func TestSubsystemEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	pids := filepath.Join(t.TempDir(), "pids")
	ask := Ask{Kind: Subsystem, Argv: []string{"/bin/sh", "-c", "setsid -f sleep 1000; (setsid sleep 1001 & echo $! >" + pids + "); echo ready; cat"}}
	line := pair(t)
	if _, err := line.Look(ctx, ask); err != nil {
		t.Fatal(err)
	}
	r, err := line.Go(ctx, ask, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Path != "/bin/sh" {
		t.Errorf("its program is %q", r.Path)
	}
	buf := make([]byte, 6)
	if _, err := io.ReadFull(r.Conn, buf); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if err := line.End(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(pid, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("process %d goes on: %v", pid, err)
	}
}

// A line that ends without a word that all is over is no sign that it is.
func TestUnsure(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(os.NewFile(uintptr(fds[0]), "ours"))
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Close(fds[1]); err != nil {
		t.Fatal(err)
	}
	if err := l.End(); !errors.Is(err, ErrUnsure) {
		t.Errorf("the process was killed, and the end is %v", err)
	}
}

// A process becomes no account that is not well said, and never root.
func TestIdentity(t *testing.T) {
	for text, good := range map[string]bool{"1000:100:": true, "1000:100:4,27": true, "0:0:": false, "": false, "1000:100": false,
		"1000:x:": false, "1000:1:a": false, "-1:1:": false, "4294967295:1:": false, "1:4294967295:": false} {
		if _, _, _, err := identity(text); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// What a loss of power left of agents in a home is removed with the next one, and nothing else:
// neither of this boot, nor of another host with the same home, nor what somebody has put there.
func TestLeftAgents(t *testing.T) {
	home := t.TempDir()
	if err := os.Chmod(home, 0o700); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	t.Setenv("XDG_RUNTIME_DIR", "")
	of := func(host, boot string) string { return home + "/.muxward-agent-" + host + "-" + boot + "-1" }
	left, full := of(thisHost(), "00000000"), of(thisHost(), "00000001")
	stays := []string{full, of(thisHost(), thisBoot()), of("00000000", "00000000"), home + "/.muxward-agent-x"}
	for _, dir := range append([]string{left}, stays...) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir+"/agent", nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(full+"/mine", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := &process{tidy: func() {}}
	files, path, err := p.agent()
	if err != nil {
		t.Fatal(err)
	}
	passed.Close(files)
	if !strings.HasPrefix(path, home+"/.muxward-agent-"+thisHost()+"-"+thisBoot()+"-") {
		t.Errorf("the socket is at %s", path)
	}
	if _, err := os.Lstat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is left: %v", err)
	}
	for _, dir := range stays {
		if _, err := os.Lstat(dir); err != nil {
			t.Error(err)
		}
	}
	p.tidy()
	if _, err := os.Lstat(filepath.Dir(path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its own is left: %v", err)
	}
}

// Where the kernel lists no children they are found among all processes.
func TestChildrenOfUs(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	if pids := childrenOfUs(); !slices.Contains(pids, cmd.Process.Pid) || slices.Contains(pids, os.Getpid()) {
		t.Errorf("%d is not among %v", cmd.Process.Pid, pids)
	}
}
