package identity

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/passed"
	"github.com/muxward/muxward/internal/procfs"
)

// Peer is the process at the other end of a Unix socket, as the kernel saw it
// when it connected. It is held by a pidfd, so that no later process with the
// same id can be taken for it. The holder closes it.
type Peer struct {
	uid, gid uint32
	gids     []uint32
	pid      int
	lost     []string

	pidfd *os.File // nil on kernels that have none
	start uint64   // start time of the process, for those kernels
	gone  chan struct{}
	stop  chan struct{}
	once  sync.Once
	wg    sync.WaitGroup

	ending sync.Mutex
	why    error // once gone is closed
	told   func(error)
	leave  func() // is told of Close; nil if nobody is

	overdue atomic.Bool // it was told of that it is served still after its end
}

// UID is the peer's effective uid.
func (p *Peer) UID() uint32 { return p.uid }

// GID is the peer's effective gid.
func (p *Peer) GID() uint32 { return p.gid }

// GIDs are the effective and the supplementary groups of the peer.
func (p *Peer) GIDs() []uint32 { return slices.Clone(p.gids) }

// PID is the peer's process id. It may be somebody else's once Gone is closed.
func (p *Peer) PID() int { return p.pid }

// Lost names the promises that this kernel cannot give, for people.
func (p *Peer) Lost() []string { return slices.Clone(p.lost) }

// Gone is closed when the process that connected has ended, whoever holds its
// descriptor now, or when what it came with is not taken any more: the connection then
// speaks for nobody and must be dropped.
func (p *Peer) Gone() <-chan struct{} { return p.gone }

// Cause is why Gone was closed.
func (p *Peer) Cause() error {
	select {
	case <-p.gone:
		return p.why
	default:
		return nil
	}
}

// WhenGone has f told the cause once Gone is closed, in the goroutine that closes it: f must not
// wait for anything. It is called once, for one f.
func (p *Peer) WhenGone(f func(cause error)) {
	p.ending.Lock()
	p.told = f
	why := p.why
	p.ending.Unlock()
	if why != nil {
		f(why)
	}
}

func (p *Peer) end(why error) {
	p.ending.Lock()
	if p.why != nil {
		p.ending.Unlock()
		return
	}
	p.why = why
	close(p.gone)
	told := p.told
	p.ending.Unlock()
	if told != nil {
		told(why)
	}
}

// Close lets go of the process. Gone stays as it is.
func (p *Peer) Close() error {
	var err error
	p.once.Do(func() {
		close(p.stop)
		if p.leave != nil {
			p.leave()
		}
		if p.pidfd != nil {
			err = p.pidfd.Close()
		}
	})
	p.wg.Wait()
	return err
}

// kernel says what the running kernel has; tests take things away.
type kernel struct{ noPeerPIDFD, noPIDFD bool }

// ErrPeerGone is the error of a connection whose maker has ended already.
var ErrPeerGone = errors.New("the process that connected has ended")

// newPeer asks the kernel who is at the other end.
func newPeer(conn *net.UnixConn, k kernel) (*Peer, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("look at the connection: %w", err)
	}
	p := &Peer{gone: make(chan struct{}), stop: make(chan struct{})}
	var inner error
	pidfd := -1
	err = raw.Control(func(fd uintptr) { pidfd, inner = p.ask(int(fd), k) })
	if err = errors.Join(err, inner); err != nil {
		return nil, fmt.Errorf("ask the kernel who connected: %w", err)
	}
	if err := p.hold(pidfd); err != nil {
		return nil, err
	}
	return p, nil
}

// ask fills in the credentials and gives the pidfd, or -1 where the kernel
// has none.
func (p *Peer) ask(fd int, k kernel) (int, error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return -1, err
	}
	if cred.Pid <= 0 {
		return -1, errors.New("the peer's process cannot be seen from here (another pid namespace)")
	}
	p.uid, p.gid, p.pid = cred.Uid, cred.Gid, int(cred.Pid)
	groups, err := peerGroups(fd)
	if err != nil {
		return -1, err
	}
	p.gids = append(p.gids, cred.Gid)
	for _, g := range groups {
		if !slices.Contains(p.gids, g) {
			p.gids = append(p.gids, g)
		}
	}
	return p.askPIDFD(fd, k)
}

func (p *Peer) askPIDFD(fd int, k kernel) (int, error) {
	if !k.noPeerPIDFD {
		pidfd, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PEERPIDFD)
		if err == nil {
			return pidfd, nil
		}
		if passed.Starved(err) {
			return -1, err
		}
		if !errors.Is(err, unix.ENOPROTOOPT) {
			return -1, fmt.Errorf("%w (%w)", ErrPeerGone, err)
		}
	}
	p.lost = append(p.lost, "this kernel has no SO_PEERPIDFD (Linux 6.5): a process that took the peer's id between connecting and this check would be taken for it")
	if !k.noPIDFD {
		pidfd, err := unix.PidfdOpen(p.pid, 0)
		if err == nil {
			return pidfd, nil
		}
		if errors.Is(err, unix.ESRCH) {
			return -1, ErrPeerGone
		}
		if passed.Starved(err) { // it is no reason to do without
			return -1, err
		}
	}
	p.lost = append(p.lost, "this kernel has no pidfd (Linux 5.3): the end of the peer is noticed within a second, not at once")
	return -1, nil
}

// hold takes the pidfd, or the start time, and begins to watch the process.
func (p *Peer) hold(pidfd int) error {
	if pidfd < 0 {
		st, err := procfs.ReadStat(p.pid)
		if err != nil {
			return fmt.Errorf("%w (%w)", ErrPeerGone, err)
		}
		p.start = st.Start
		p.wg.Go(p.watchStart)
		return nil
	}
	unix.CloseOnExec(pidfd)
	// Without O_NONBLOCK the runtime would not wait for it with epoll, and a
	// wait would cost a thread per connection.
	if err := unix.SetNonblock(pidfd, true); err != nil {
		_ = unix.Close(pidfd)
		return fmt.Errorf("watch the process that connected: %w", err)
	}
	p.pidfd = os.NewFile(uintptr(pidfd), "pidfd")
	raw, err := p.pidfd.SyscallConn()
	if err != nil {
		_ = p.pidfd.Close()
		return fmt.Errorf("watch the process that connected: %w", err)
	}
	p.wg.Go(func() {
		ended := false
		// An error here is Close: nobody listens any more.
		_ = raw.Read(func(fd uintptr) bool {
			ended = pidfdEnded(int(fd))
			return ended
		})
		if ended {
			p.end(ErrPeerGone)
		}
	})
	return nil
}

func (p *Peer) watchStart() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-tick.C:
			if !p.Alive() {
				p.end(ErrPeerGone)
				return
			}
		}
	}
}

// Alive asks the kernel now whether the process that connected still lives; Gone
// may be a moment behind. Once that is closed it speaks for nobody, alive or not.
func (p *Peer) Alive() bool {
	if p.Cause() != nil {
		return false
	}
	if p.pidfd == nil {
		st, err := procfs.ReadStat(p.pid)
		return err == nil && st.Start == p.start && st.State != 'Z' && st.State != 'X'
	}
	raw, err := p.pidfd.SyscallConn()
	if err != nil {
		return false
	}
	alive := false
	err = raw.Control(func(fd uintptr) { alive = !pidfdEnded(int(fd)) })
	return err == nil && alive
}

func pidfdEnded(fd int) bool {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		if err == unix.EINTR {
			continue
		}
		return err != nil || n > 0
	}
}

// peerGroups reads SO_PEERGROUPS, which package unix does not wrap.
func peerGroups(fd int) ([]uint32, error) {
	size := uint32(64 * 4)
	for range 3 { // the size given back by ERANGE is the right one
		buf := make([]uint32, size/4+1)
		size = uint32(len(buf) * 4)
		_, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch e {
		case 0:
			return buf[:min(int(size/4), len(buf))], nil
		case unix.ERANGE:
			continue
		case unix.ENODATA:
			return nil, nil
		}
		return nil, fmt.Errorf("the peer's groups: %w", e)
	}
	return nil, errors.New("the peer's groups: they do not stay the same")
}
