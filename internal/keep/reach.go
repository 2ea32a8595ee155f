package keep

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/teeth"
)

// Limits of the processes that reach for people besides tmux.
const (
	maxReaches    = 256
	maxReachesOne = 96
	// keptReaches of them are for accounts with fewer than fewReaches.
	keptReaches = 64
	fewReaches  = 8
)

// ReachWord is the argument with which muxward is what [Keep.Reach] starts, and ReachFD its
// descriptor of the line. With ReachMinded behind the account it starts that, and minds it.
const (
	ReachWord   = "reach"
	ReachMinded = "minded"
	ReachFD     = 3
)

// ReachOver is what is said last over the line: all that was started has ended.
const ReachOver = `{"over":true}`

// Reach starts a process of an account, for what its person asks for besides tmux: a
// connection, a listener, an agent's socket, a subsystem. The process is told by the line
// that is given, and ends with that, with all that it has started. It has the account's rights and no others, and root's
// account has none here: what is reached is reached with the rights of a person.
func (k *Keep) Reach(ctx context.Context, named Account) (*os.File, error) {
	_, end, err := k.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	a, err := k.account(ctx, named)
	switch {
	case err != nil:
		return nil, err
	case !ReachesAs(a.UID):
		return nil, fmt.Errorf("nothing is reached as root: %w", ErrRefused)
	case !filepath.IsAbs(k.opt.Program):
		return nil, fmt.Errorf("it is not known where muxward is: %w", ErrRefused)
	}
	if err := k.reaches.enter(a.UID); err != nil {
		return nil, err
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		k.reaches.leave(a.UID)
		return nil, fmt.Errorf("make a line: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "reach"), os.NewFile(uintptr(fds[1]), "reach")
	defer theirs.Close()
	// A third holds the line open until all has ended.
	held, err := hold(theirs)
	if err != nil {
		k.reaches.leave(a.UID)
		return nil, errors.Join(fmt.Errorf("hold a line: %w", err), ours.Close())
	}
	cmd, by, err := k.startReach(a, theirs)
	if err != nil {
		k.reaches.leave(a.UID)
		return nil, errors.Join(fmt.Errorf("run %s as %s: %w", k.opt.Program, a.Name, err), held.Close(), ours.Close())
	}
	go func() {
		defer k.reaches.leave(a.UID)
		mindReach(cmd, by, held, by.limit())
	}()
	return ours, nil
}

// ReachesAs reports whether anything is reached as an account.
func ReachesAs(uid uint32) bool { return uid != 0 || !unprivileged() }

// unprivileged has what people reach for reached as their own account.
func unprivileged() bool { return !teeth.Out(teeth.ReachAs) }

// reaches counts those processes.
type reaches struct {
	mu  sync.Mutex
	all int
	of  map[uint32]int
}

func newReaches() *reaches { return &reaches{of: map[uint32]int{}} }

func (r *reaches) enter(uid uint32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all >= maxReaches || r.of[uid] >= maxReachesOne || r.of[uid] >= fewReaches && r.all >= maxReaches-keptReaches {
		return fmt.Errorf("too much is reached at once (uid %d: %d, all: %d): %w", uid, r.of[uid], r.all, ErrBusy)
	}
	r.all++
	r.of[uid]++
	return nil
}

func (r *reaches) leave(uid uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all--
	if r.of[uid]--; r.of[uid] == 0 {
		delete(r.of, uid)
	}
}
