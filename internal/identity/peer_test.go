package identity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// childMark makes the test binary play another process: its first argument.
const childMark = "identity-test-child:"

// child is what the other processes do. It returns the exit code.
func child(what string, args []string) int {
	switch what {
	case "connect": // connect, say so, and wait until stdin closes
		conn, err := net.Dial("unix", args[0])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer conn.Close()
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "pass": // connect, hand the descriptor to the holder, and end
		conn, err := net.Dial("unix", args[0])
		if err != nil {
			return 1
		}
		to, err := net.Dial("unix", args[1])
		if err != nil {
			return 1
		}
		f, _ := conn.(*net.UnixConn).File()
		_, _, err = to.(*net.UnixConn).WriteMsgUnix([]byte("x"), unix.UnixRights(int(f.Fd())), nil)
		if err != nil {
			return 1
		}
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "parent", "parent-listens", "parent-apart": // a child that connects: for ancestry
		if what == "parent-listens" {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return 1
			}
			defer l.Close()
		}
		cmd := exec.Command("/proc/self/exe", childMark+"connect", args[0])
		if what == "parent-apart" { // one whose child connects, in a session of its own
			cmd = exec.Command("/proc/self/exe", childMark+"parent", args[0])
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		}
		cmd.Stdin = os.Stdin
		if cmd.Run() != nil {
			return 1
		}
	}
	return 0
}

// directory is a Directory of (uid, account) pairs: both must be right.
type directory map[uint32][2]string

func (d directory) PersonOf(uid uint32, account string) (string, error) {
	e, ok := d[uid]
	if !ok || e[0] != account {
		return "", fmt.Errorf("uid %d with account %q is in no people file", uid, account)
	}
	return e[1], nil
}

func listen(t *testing.T) *net.UnixListener {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "mwid")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	return l
}

// peerProcess is a child that has connected.
type peerProcess struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	conn *net.UnixConn
}

func (p *peerProcess) end() {
	_ = p.in.Close()
	_ = p.cmd.Wait()
}

// start runs cmd, which connects to l, and accepts it.
func start(t *testing.T, l *net.UnixListener, cmd *exec.Cmd) *peerProcess {
	t.Helper()
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	conn, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	p := &peerProcess{cmd, in, conn}
	t.Cleanup(func() { _ = conn.Close(); p.end() })
	return p
}

// program copies the test binary to where every account can run it.
func program(t *testing.T, uid, gid int, mode os.FileMode) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "mwid")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	data, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "prog")
	err = errors.Join(os.Chmod(dir, 0o755), tmuxtest.WriteProgram(path, data, 0o755), os.Chown(path, uid, gid), os.Chmod(path, mode))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func as(uid, gid uint32, groups []uint32, prog string, args ...string) *exec.Cmd {
	cmd := exec.Command(prog, args...)
	cmd.Env = []string{"SUDO_UID=4711", "SUDO_USER=bad\nname", "OTHER=x"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid, Groups: groups}}
	return cmd
}

func needRoot(t *testing.T) {
	if os.Getuid() != 0 {
		tmuxtest.Skip(t, "needs root to be other accounts")
	}
}

func noAccounts() *Accounts {
	return newAccounts(func(uid uint32) (Account, error) {
		return Account{Name: "u" + strconv.Itoa(int(uid)), UID: uid}, nil
	}, func() string { return "" })
}

func TestFromPeerOtherAccount(t *testing.T) {
	needRoot(t)
	l := listen(t)
	p := start(t, l, as(23451, 23452, []uint32{23453, 23454}, program(t, 0, 0, 0o755), childMark+"connect", l.Addr().String()))
	prover := NewProver(directory{23451: {"u23451", "alice"}}, WithAccounts(noAccounts()))
	id, peer, err := prover.FromPeer(t.Context(), p.conn, "tmux")
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	if len(peer.Lost()) != 0 {
		t.Logf("this kernel: %v", peer.Lost())
	}
	uid, proved := id.UID()
	if id.Person() != "alice" || id.Account() != "u23451" || uid != 23451 || !proved || id.Door() != "tmux" || id.PID() != p.cmd.Process.Pid || id.Serial() == 0 || id.IsNobody() {
		t.Errorf("%+v", id.Subject())
	}
	if !slices.Equal(id.GIDs(), []uint32{23452, 23453, 23454}) {
		t.Errorf("groups %v", id.GIDs())
	}
	if c := id.Claims(); len(c) != 1 || c["SUDO_UID"] != "4711" {
		t.Errorf("claims %v", c)
	}
	select {
	case <-peer.Gone():
		t.Error("gone while it lives")
	default:
	}
	told := make(chan error, 2)
	heard := func() error {
		select {
		case cause := <-told:
			return cause
		case <-time.After(tmuxtest.Patience):
			return errors.New("nothing")
		}
	}
	peer.WhenGone(func(cause error) { told <- cause })
	p.end()
	<-peer.Gone()
	if cause := heard(); !errors.Is(cause, ErrPeerGone) || peer.Cause() == nil {
		t.Errorf("told %v, and the cause is %v", cause, peer.Cause())
	}
	peer.WhenGone(func(cause error) { told <- cause }) // too late to be told by the end itself
	if cause := heard(); !errors.Is(cause, ErrPeerGone) {
		t.Errorf("told %v afterwards", cause)
	}
}

// A peer in a user namespace of its own is root there and itself here.
func TestFromPeerUserNamespace(t *testing.T) {
	needRoot(t)
	l := listen(t)
	prog := program(t, 0, 0, 0o755)
	cmd := as(23451, 23452, nil, "/usr/bin/unshare", "-Ur", prog, childMark+"connect", l.Addr().String())
	p := start(t, l, cmd)
	who := directory{0: {"root", "root"}, 23451: {"u23451", "alice"}}
	if _, _, err := NewProver(who, WithAccounts(noAccounts())).FromPeer(t.Context(), p.conn, "tmux"); err == nil || !strings.Contains(err.Error(), "another user namespace (user:[") {
		t.Errorf("nobody has let it in: %v", err)
	}
	may := WithNamespaces(func(account string) bool { return account != "bob" })
	id, peer, err := NewProver(who, WithAccounts(noAccounts()), may).FromPeer(t.Context(), p.conn, "tmux")
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	if id.Person() != "alice" {
		t.Errorf("root of its own namespace is %+v here", id.Subject())
	}
}

func TestFromPeerOverflow(t *testing.T) {
	needRoot(t)
	l := listen(t)
	p := start(t, l, as(65534, 65534, nil, program(t, 0, 0, 0o755), childMark+"connect", l.Addr().String()))
	id, _, err := NewProver(directory{65534: {"u65534", "nobody"}}, WithAccounts(noAccounts())).FromPeer(t.Context(), p.conn, "tmux")
	if err == nil || !id.IsNobody() {
		t.Errorf("taken as %+v", id.Subject())
	}
}

// A set-group-id program has that group because the kernel says so; a
// set-user-id one is its file's owner.
func TestFromPeerSetID(t *testing.T) {
	needRoot(t)
	for _, c := range []struct {
		mode os.FileMode
		uid  uint32
		gids []uint32
	}{
		{0o755 | os.ModeSetgid, 23451, []uint32{23460, 23453}},
		{0o755 | os.ModeSetuid, 23461, []uint32{23452, 23453}},
	} {
		l := listen(t)
		prog := program(t, 23461, 23460, c.mode)
		p := start(t, l, as(23451, 23452, []uint32{23453}, prog, childMark+"connect", l.Addr().String()))
		id, peer, err := NewProver(everybody{}, WithAccounts(noAccounts())).FromPeer(t.Context(), p.conn, "tmux")
		if err != nil {
			t.Fatal(err)
		}
		if uid, _ := id.UID(); uid != c.uid || !slices.Equal(id.GIDs(), c.gids) {
			t.Errorf("%v: uid %d groups %v", c.mode, uid, id.GIDs())
		}
		_ = peer.Close()
	}
}

type everybody struct{}

func (everybody) PersonOf(uint32, string) (string, error) { return "anybody", nil }

// The uid of a deleted account, and the name of one with another uid, are not
// the person.
func TestFromPeerReusedUID(t *testing.T) {
	l := listen(t)
	p := start(t, l, exec.Command("/proc/self/exe", childMark+"connect", l.Addr().String()))
	uid := uint32(os.Getuid())
	for _, c := range []struct {
		account string
		err     error
		person  string
	}{
		{"alice", nil, "alice"},
		{"mallory", nil, ""},
		{"", ErrNoAccount, ""},
		{"alice", errors.New("database on fire"), ""},
	} {
		acc := newAccounts(func(uint32) (Account, error) { return Account{Name: c.account}, c.err }, func() string { return "" })
		id, peer, err := NewProver(directory{uid: {"alice", "alice"}}, WithAccounts(acc)).FromPeer(t.Context(), p.conn, "tmux")
		if id.Person() != c.person || (err == nil) != (c.person != "") {
			t.Errorf("%q %v: %q, %v", c.account, c.err, id.Person(), err)
		}
		if peer != nil {
			_ = peer.Close()
		}
	}
}

func TestFromPeerBadPerson(t *testing.T) {
	l := listen(t)
	p := start(t, l, exec.Command("/proc/self/exe", childMark+"connect", l.Addr().String()))
	for _, name := range []string{"", "Alice", `User::"x"`, "a/b"} {
		dir := directory{uint32(os.Getuid()): {"u" + strconv.Itoa(os.Getuid()), name}}
		if id, _, err := NewProver(dir, WithAccounts(noAccounts())).FromPeer(t.Context(), p.conn, "tmux"); err == nil {
			t.Errorf("%q was taken: %+v", name, id.Subject())
		}
	}
}

// The maker of the connection passes it on and ends: whoever holds it now
// speaks for nobody. Before the proof it is refused, after it Gone tells.
func TestPassedDescriptor(t *testing.T) {
	for _, k := range []kernel{{}, {noPeerPIDFD: true}, {noPeerPIDFD: true, noPIDFD: true}} {
		t.Run(fmt.Sprintf("%+v", k), func(t *testing.T) {
			l, holder := listen(t), listen(t)
			p := start(t, l, exec.Command("/proc/self/exe", childMark+"pass", l.Addr().String(), holder.Addr().String()))
			held := receive(t, holder)
			defer unix.Close(held)
			prover := NewProver(everybody{}, WithAccounts(noAccounts()))
			prover.kernel = k
			_, peer, err := prover.FromPeer(t.Context(), p.conn, "tmux")
			if err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
			lost := 0
			if k.noPeerPIDFD {
				lost++
			}
			if k.noPIDFD {
				lost++
			}
			if len(peer.Lost()) != lost {
				t.Errorf("promises gone: %q", peer.Lost())
			}
			p.end()
			<-peer.Gone()
			if _, err := unix.Write(held, []byte("x")); err != nil {
				t.Fatalf("the holder lost the connection: %v", err)
			}
			if id, _, err := prover.FromPeer(t.Context(), p.conn, "tmux"); !errors.Is(err, ErrPeerGone) || !id.IsNobody() {
				t.Errorf("the holder is taken for %+v (%v)", id.Subject(), err)
			}
		})
	}
}

func receive(t *testing.T, l *net.UnixListener) int {
	t.Helper()
	conn, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	oob := make([]byte, 128)
	_, n, _, _, err := conn.ReadMsgUnix(make([]byte, 1), oob)
	if err != nil {
		t.Fatal(err)
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(msgs) != 1 {
		t.Fatal(err, len(msgs))
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil {
		t.Fatal(err)
	}
	return fds[0]
}

// Nothing stays open, whichever way a proof ends.
func TestNoDescriptorsLeft(t *testing.T) {
	l := listen(t)
	p := start(t, l, exec.Command("/proc/self/exe", childMark+"connect", l.Addr().String()))
	round := func() {
		_, peer, err := NewProver(everybody{}, WithAccounts(noAccounts())).FromPeer(t.Context(), p.conn, "x")
		if err != nil {
			t.Fatal(err)
		}
		if err := peer.Close(); err != nil {
			t.Fatal(err)
		}
		_ = peer.Close()
		if _, _, err := NewProver(directory{}).FromPeer(t.Context(), p.conn, "x"); err == nil {
			t.Fatal("an unknown uid was taken")
		}
	}
	round()
	tmuxtest.Collected(t)
	before := openFDs(t)
	for range 50 {
		round()
	}
	if after := openFDs(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func openFDs(t *testing.T) int {
	t.Helper()
	ents, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(ents)
}

func TestZeroIsNobody(t *testing.T) {
	var id Identity
	uid, proved := id.UID()
	if !id.IsNobody() || id.Person() != "" || id.Account() != "" || proved || uid != 0 || id.GIDs() != nil || id.PID() != 0 ||
		id.Door() != "" || id.Inside() != "" || id.Serial() != 0 || id.Claims() != nil {
		t.Error("the zero Identity says something")
	}
	if id.Subject() != (Subject{UID: -1}) {
		t.Errorf("its subject is %+v", id.Subject())
	}
}

// What an Identity gives away cannot change it.
func TestImmutable(t *testing.T) {
	id := Identity{&proof{gids: []uint32{1}, claims: map[string]string{"SUDO_UID": "1"}}}
	id.GIDs()[0] = 7
	id.Claims()["SUDO_UID"] = "7"
	if id.GIDs()[0] != 1 || id.Claims()["SUDO_UID"] != "1" {
		t.Error("changed from outside")
	}
}

func TestInsideByAncestry(t *testing.T) {
	l := listen(t)
	p := start(t, l, exec.Command("/proc/self/exe", childMark+"parent", l.Addr().String()))
	pid, nobodys := p.cmd.Process.Pid, 1<<22
	panes := func(list ...PaneProc) Option {
		return WithPanes(func(context.Context) ([]PaneProc, error) {
			return append([]PaneProc{{Owner: "bob", Pane: "%9", PID: 1}, {Owner: "bob", PID: nobodys + 1}}, list...), nil
		})
	}
	for _, c := range []struct {
		panes []PaneProc
		want  string
	}{
		{[]PaneProc{{Owner: "alice", Pane: "%3", PID: pid}, {Owner: "alice", PID: os.Getpid()}}, "alice/%3"},
		{[]PaneProc{{Owner: "alice", PID: pid}}, "alice/server"},
		{[]PaneProc{{Owner: "alice", Pane: "%3", PID: nobodys}, {Owner: "alice", PID: os.Getpid()}}, "alice/server"},
		{[]PaneProc{{Owner: "alice", Pane: "%3", PID: nobodys}, {Owner: "alice", PID: nobodys}}, ""},
		// What bob's server says of others is nothing.
		{[]PaneProc{{Owner: "bob", Pane: "%8", PID: pid}}, ""},
		{[]PaneProc{{Owner: "bob", Pane: "%8", PID: pid}, {Owner: "alice", Pane: "%3", PID: pid}, {Owner: "alice", PID: os.Getpid()}}, "alice/%3"},
	} {
		id, peer, err := NewProver(everybody{}, WithAccounts(noAccounts()), panes(c.panes...)).FromPeer(t.Context(), p.conn, "tmux")
		if err != nil {
			t.Fatal(err)
		}
		if id.Inside() != c.want || id.Subject().Inside != c.want {
			t.Errorf("inside %q, want %q", id.Inside(), c.want)
		}
		_ = peer.Close()
	}
	failing := WithPanes(func(context.Context) ([]PaneProc, error) { return nil, errors.New("tmux is stopped") })
	if _, _, err := NewProver(everybody{}, WithAccounts(noAccounts()), failing).FromPeer(t.Context(), p.conn, "tmux"); err == nil {
		t.Error("taken without knowing whether it is inside")
	}
}

// onTerminal has a process begin a session on a new terminal.
func onTerminal(t *testing.T, cmd *exec.Cmd) (tty string) {
	t.Helper()
	master, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(master) })
	n, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	tty = "/dev/pts/" + strconv.Itoa(n)
	slave, err := os.OpenFile(tty, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = slave.Close() })
	cmd.ExtraFiles = []*os.File{slave}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	return tty
}

// What runs in a pane of an isolated server is inside also when it has left the terminal, as on one of its
// own (script, su, another tmux), and when it was met before the pane was known.
func TestInsideBehindTerminal(t *testing.T) {
	l := listen(t)
	cmd := exec.Command("/proc/self/exe", childMark+"parent-apart", l.Addr().String())
	tty := onTerminal(t, cmd)
	p := start(t, l, cmd)
	var panes []PaneProc
	prover := NewProver(everybody{}, WithAccounts(noAccounts()),
		WithPanes(func(context.Context) ([]PaneProc, error) { return panes, nil }))
	server := PaneProc{Owner: "alice", PID: 1 << 22}
	pane := PaneProc{Owner: "alice", Pane: "%3", PID: 1 << 22, TTY: tty, Apart: true}
	said := pane
	said.Apart = false
	for _, c := range []struct {
		panes []PaneProc
		want  string
	}{{[]PaneProc{server}, ""}, {[]PaneProc{pane, server}, "alice/%3"}, {[]PaneProc{said, server}, ""}} {
		panes = c.panes
		id, peer, err := prover.FromPeer(t.Context(), p.conn, "tmux")
		if err != nil {
			t.Fatal(err)
		}
		if id.Inside() != c.want {
			t.Errorf("%+v: inside %q, want %q", panes, id.Inside(), c.want)
		}
		_ = peer.Close()
	}
}

// A process that left its parents still has the pane's terminal.
func TestInsideByTerminal(t *testing.T) {
	l := listen(t)
	cmd := exec.Command("/proc/self/exe", childMark+"connect", l.Addr().String())
	tty := onTerminal(t, cmd)
	p := start(t, l, cmd)
	const nobodys = 1 << 22
	for _, c := range []struct {
		tty    string
		server int
		apart  bool
		want   string
	}{
		{tty, os.Getpid(), false, "alice/%3"},
		{"/dev/pts/999999", os.Getpid(), false, "alice/server"},
		{tty, nobodys, true, "alice/%3"},
		// The server says so, and the kernel does not.
		{tty, nobodys, false, ""},
		{"/dev/pts/999999", nobodys, true, ""}, {"/dev/null", nobodys, true, ""}, {"", nobodys, true, ""}, {"/dev/pts/x", nobodys, true, ""},
	} {
		opt := WithPanes(func(context.Context) ([]PaneProc, error) {
			return []PaneProc{{Owner: "bob", Pane: "%8", PID: nobodys, TTY: c.tty}, {Owner: "bob", PID: nobodys + 1},
				{Owner: "alice", Pane: "%3", PID: nobodys, TTY: c.tty, Apart: c.apart}, {Owner: "alice", PID: c.server}}, nil
		})
		id, peer, err := NewProver(everybody{}, WithAccounts(noAccounts()), opt).FromPeer(t.Context(), p.conn, "tmux")
		if err != nil {
			t.Fatal(err)
		}
		if id.Inside() != c.want {
			t.Errorf("tty %q, server %d: inside %q, want %q", c.tty, c.server, id.Inside(), c.want)
		}
		if id.Detached() {
			t.Error("it has a terminal and a parent, and is said to have none")
		}
		_ = peer.Close()
	}
}

// A process that has left all terminals may come from any.
func TestDetached(t *testing.T) {
	l := listen(t)
	cmd := exec.Command("/proc/self/exe", childMark+"connect", l.Addr().String())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	p := start(t, l, cmd)
	id, peer, err := NewProver(everybody{}, WithAccounts(noAccounts())).FromPeer(t.Context(), p.conn, "tmux")
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	if !id.Detached() || !(Identity{}).Detached() {
		t.Error("it has no terminal, and is said to have one")
	}
}

func TestTTYDevice(t *testing.T) {
	if dev, ok := ttyDevice("/dev/pts/300"); !ok || dev != 300&0xff|136<<8|(300&^0xff)<<12 {
		t.Errorf("pts/300 is %x", dev)
	}
}
