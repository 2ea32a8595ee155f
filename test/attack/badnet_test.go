package attack

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// badNet is a network between two network namespaces of the test's own, whose packets this
// process carries: late, not in their order, and not all. It stands for netem, which
// not every kernel has; TCP at both ends is the kernel's.
type badNet struct {
	t    *testing.T
	ends [2]*netEnd

	mu     sync.Mutex
	how    weather
	lost   int
	late   int // carried behind others that came later
	closed bool
}

// weather is how a network is.
type weather struct {
	delay         time.Duration // each way
	loss, reorder float64       // of the packets
	hole          bool          // nothing comes through
}

// The addresses of its ends.
const (
	nearAddr = "10.77.0.1" // muxward's
	farAddr  = "10.77.0.2"
)

// netEnd is a namespace that is there as long as a process in it.
type netEnd struct {
	pid int
	tun *os.File
}

// newBadNet makes one in good weather.
func newBadNet(t *testing.T) *badNet {
	t.Helper()
	for _, program := range []string{"ip", "nsenter"} {
		if _, err := exec.LookPath(program); err != nil {
			tmuxtest.Skip(t, "no network of our own: there is no %s", program)
		}
	}
	n := &badNet{t: t}
	for i, addr := range []string{nearAddr, farAddr} {
		n.ends[i] = newNetEnd(t, addr)
	}
	var wg sync.WaitGroup
	for i := range n.ends {
		wg.Go(func() { n.carry(n.ends[i].tun, n.ends[1-i].tun) })
	}
	t.Cleanup(func() {
		n.mu.Lock()
		n.closed = true
		n.mu.Unlock()
		for _, e := range n.ends {
			_ = e.tun.Close()
		}
		wg.Wait()
	})
	return n
}

// newNetEnd makes a namespace with an address, on packets as small as may be.
func newNetEnd(t *testing.T, addr string) *netEnd {
	t.Helper()
	cmd := exec.Command("sh", "-c", "ip link set lo up && ip tuntap add dev bad0 mode tun && ip addr add "+addr+
		"/24 dev bad0 && ip link set bad0 mtu 576 up && echo ready && exec cat")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	cmd.Stderr = &said
	started := make(chan error)
	go func() { // the process is killed with the thread that started it
		runtime.LockOSThread()
		started <- cmd.Start()
		<-started
	}()
	if err := <-started; err != nil {
		close(started)
		tmuxtest.Skip(t, "no network of our own: %v", err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait() // it ends with its input
		close(started)
	})
	ready := make([]byte, 6)
	if _, err := io.ReadFull(out, ready); err != nil {
		_ = cmd.Wait() // for what it said
		tmuxtest.Skip(t, "no network of our own: %v, %s", err, said.String())
	}
	tun, err := tunIn(cmd.Process.Pid)
	if err != nil {
		tmuxtest.Skip(t, "no network of our own: %v", err)
	}
	return &netEnd{pid: cmd.Process.Pid, tun: tun}
}

// tunIn opens the device of a process's network.
func tunIn(pid int) (tun *os.File, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and not given back: the thread ends in the other network
		var ns int
		if ns, err = unix.Open(fmt.Sprintf("/proc/%d/ns/net", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return
		}
		defer unix.Close(ns)
		if err = unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
			return
		}
		var fd int
		if fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0); err != nil {
			return
		}
		var req *unix.Ifreq
		if req, err = unix.NewIfreq("bad0"); err == nil {
			req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
			err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
		}
		if err != nil {
			_ = unix.Close(fd)
			return
		}
		tun = os.NewFile(uintptr(fd), "tun")
	}()
	<-done
	return tun, err
}

// be changes the weather.
func (n *badNet) be(how weather) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.how = how
}

// counts are how many packets were lost and late until now.
func (n *badNet) counts() (lost, late int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lost, n.late
}

// carry carries packets one way.
func (n *badNet) carry(from, to *os.File) {
	buf := make([]byte, 2048)
	for {
		k, err := from.Read(buf)
		if err != nil {
			n.mu.Lock()
			closed := n.closed
			n.mu.Unlock()
			if !closed && !errors.Is(err, os.ErrClosed) {
				n.t.Errorf("the network ends: %v", err)
			}
			return
		}
		packet := append([]byte(nil), buf[:k]...)
		if wait, ok := n.fate(); ok {
			time.AfterFunc(wait, func() { _, _ = to.Write(packet) }) // one that does not arrive is lost
		}
	}
}

// fate is what comes of a packet.
func (n *badNet) fate() (wait time.Duration, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.how.hole || rand.Float64() < n.how.loss {
		n.lost++
		return 0, false
	}
	wait = n.how.delay
	if rand.Float64() < n.how.reorder {
		n.late++
		wait += n.how.delay / 2
	}
	return wait, true
}

// at gives the command line that runs a program at an end of the network.
func (n *badNet) at(end int, args ...string) []string {
	return append([]string{"nsenter", fmt.Sprintf("--net=/proc/%d/ns/net", n.ends[end].pid), "--"}, args...)
}
