package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

// Options say where and how servers are kept.
type Options struct {
	// Run holds the servers' sockets and our state; Doors holds the doors.
	// Both are absolute paths on one file system, ours alone, and short:
	// with 20 bytes more they must fit a socket address (107 bytes).
	Run, Doors string
	// Tmux is the tmux program, absolute.
	Tmux string
	// Root: we are root and run each server as its account. Otherwise all
	// servers are our own account's.
	Root bool
	// Config are the configuration files of every server; nil means those
	// that tmux reads by itself.
	Config []string
	// Umask is the servers' umask; 0 means 022 as root, else our own.
	Umask uint32
	// Notify hears what people should know. It must not block; nil drops.
	Notify func(Notice)
	// OnServer hears of a server whose inner door is open, before the
	// server reads its configuration, which may already run tmux commands
	// through that door: so serve [Server.InnerDoor] from here on. It must
	// not block; nil means nobody serves inner doors.
	OnServer func(*Server)
	// OurClient tells our own clients of a server from others; nil takes
	// those that state our process id.
	OurClient func(s *Server, pid int, name string) bool
	// Now gives wall-clock time; nil means time.Now.
	Now func() time.Time
	// Every is how often the watch looks at everything without being
	// woken; 0 means 4 s, and 5 s is the most.
	Every time.Duration
	// Settle is how long after a server is ready what appears in it counts
	// as its configuration, which may go on in the background; 0 means 10 s.
	Settle time.Duration
}

// Guard keeps the servers and doors of one host. Make one with New.
type Guard struct {
	opt     Options
	doors   *root
	servers *os.File // RUN/servers
	locks   []io.Closer
	wake    chan struct{}
	stop    context.CancelFunc
	ctx     context.Context
	wg      sync.WaitGroup
	mounts  map[string]bool // reported; of the watch alone
	deaf    bool            // that there are no watches was told; of the watch alone

	mu       sync.Mutex
	closed   bool
	adopted  bool // Adopt has looked at all that was left running
	byOwner  map[string]*Server
	starting map[string]*startCall
	left     map[string]string // servers that could not be adopted, by id, and why
}

type startCall struct {
	done chan struct{}
	err  error
}

// New makes the directories ready, locks them against a second muxward, and
// begins to watch. Call Adopt next.
func New(opt Options) (*Guard, error) {
	if err := opt.fill(); err != nil {
		return nil, err
	}
	g := &Guard{opt: opt, wake: make(chan struct{}, 1), mounts: map[string]bool{},
		byOwner: map[string]*Server{}, starting: map[string]*startCall{}, left: map[string]string{}}
	if err := g.openRoots(); err != nil {
		g.release()
		return nil, err
	}
	g.ctx, g.stop = context.WithCancel(context.Background())
	if err := g.startWatch(); err != nil {
		g.stop()
		g.release()
		return nil, err
	}
	return g, nil
}

// A door's longest name in its directory is "/tmux-4294967295/default".
const longestDoor = len("/tmux-4294967295/default")

// maxSocketPath is what fits sun_path with its final NUL (unix(7)).
const maxSocketPath = 107

func (o *Options) fill() error {
	for _, p := range []*string{&o.Run, &o.Doors} {
		if !filepath.IsAbs(*p) {
			return fmt.Errorf("%q: give an absolute path", *p)
		}
		// Links above are resolved once, now; later none is followed.
		up, err := filepath.EvalSymlinks(filepath.Dir(filepath.Clean(*p)))
		if err == nil {
			*p = filepath.Join(up, filepath.Base(*p))
		} else if !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if len(o.Doors)+longestDoor > maxSocketPath {
		return fmt.Errorf("the doors directory %s is too long: a socket's path has at most %d bytes, and tmux adds %d", o.Doors, maxSocketPath, longestDoor)
	}
	if !filepath.IsAbs(o.Tmux) {
		return fmt.Errorf("the tmux program %q: give an absolute path", o.Tmux)
	}
	if o.Root && os.Geteuid() != 0 {
		return errors.New("running servers for other accounts needs root")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Every <= 0 || o.Every > 5*time.Second {
		o.Every = 4 * time.Second
	}
	if o.Settle <= 0 {
		o.Settle = 10 * time.Second
	}
	if o.Umask == 0 {
		o.Umask = 0o022
		if !o.Root {
			o.Umask = ownUmask()
		}
	}
	if o.OurClient == nil {
		o.OurClient = func(_ *Server, pid int, _ string) bool { return pid == os.Getpid() }
	}
	return nil
}

// topMode is the mode of RUN: accounts reach their own directory within, but
// cannot list it.
func (g *Guard) topMode() uint32 {
	if g.opt.Root {
		return 0o711
	}
	return 0o700
}

func (g *Guard) doorsMode() uint32 {
	if g.opt.Root {
		return 0o755
	}
	return 0o700
}

func (g *Guard) openRoots() error {
	run, err := makeRoot(g.opt.Run, g.topMode())
	if err != nil {
		return err
	}
	defer run.Close()
	if g.servers, err = subdir(run, "servers", g.topMode()); err != nil {
		return err
	}
	doors, err := makeRoot(g.opt.Doors, g.doorsMode())
	if err != nil {
		return err
	}
	g.doors = &root{path: g.opt.Doors, mode: g.doorsMode(), dir: doors, tell: func(s string) { g.tell(access.EventDoor, nil, s) }}
	a, errA := statFile(g.servers)
	b, errB := statFile(doors)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	if a.Dev != b.Dev {
		return fmt.Errorf("%s and %s are on different file systems; sockets are moved between them, so put them on one", g.opt.Run, g.opt.Doors)
	}
	for _, p := range slices.Compact([]string{g.opt.Run, g.opt.Doors}) {
		l, err := LockDirectory(p)
		if err != nil {
			return err
		}
		g.locks = append(g.locks, l)
	}
	return nil
}

func (g *Guard) release() {
	if g.servers != nil {
		_ = g.servers.Close()
	}
	if g.doors != nil {
		_ = g.doors.dir.Close()
	}
	for _, l := range g.locks {
		_ = l.Close()
	}
}

// Close closes all doors and lets go of the servers, which go on.
func (g *Guard) Close() error {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return nil
	}
	g.closed = true
	list := g.list()
	g.mu.Unlock()
	g.stop()
	for _, s := range list {
		s.letGo()
	}
	g.wg.Wait()
	var err error
	for _, d := range g.doors.list() {
		err = errors.Join(err, d.Close())
	}
	g.release()
	return err
}

func (g *Guard) list() []*Server {
	var out []*Server
	for _, s := range g.byOwner {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b *Server) int { return compare(a.rec.Owner, b.rec.Owner) })
	return out
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Servers lists the servers that run, by owner.
func (g *Guard) Servers() []*Server {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.list()
}

// Lookup gives the server of a person, whether it has read its configuration
// yet or not.
func (g *Guard) Lookup(owner string) (*Server, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s, ok := g.byOwner[owner]
	return s, ok
}

// AllKnown reports whether [Guard.Lookup] finds every server that runs, also those that an
// earlier muxward has started: whoever has none there has none.
func (g *Guard) AllKnown() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.adopted && !g.closed && len(g.left) == 0
}

// OpenDoor opens the door at which the account's plain tmux looks:
// DOORS/tmux-UID/default.
func (g *Guard) OpenDoor(a identity.Account) (*Door, error) {
	if !g.opt.Root && a.UID != uint32(os.Geteuid()) {
		return nil, fmt.Errorf("open a door for uid %d: only root can do that for another account", a.UID)
	}
	dir, sock := accountDoor(a.UID)
	d, err := g.doors.openDoor(dir, sock, a.UID, a.GID, 0)
	g.nudge()
	return d, err
}

// Doors is the directory to export as TMUX_TMPDIR.
func (g *Guard) Doors() string { return g.doors.path }

func (g *Guard) tell(kind access.EventKind, s *Server, text string) {
	if g.opt.Notify == nil {
		return
	}
	n := Notice{Time: g.opt.Now(), Kind: kind, Text: text}
	if s != nil {
		n.Owner, n.Incarnation = s.rec.Owner, s.Incarnation()
	}
	g.opt.Notify(n)
}

// nudge makes the watch look now.
func (g *Guard) nudge() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// ownUmask reads our umask without changing it, which would be seen by every
// thread.
func ownUmask() uint32 {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0o077
	}
	var mask uint32
	for line := range lines(data) {
		if _, err := fmt.Sscanf(line, "Umask:\t%o", &mask); err == nil {
			return mask
		}
	}
	return 0o077
}
