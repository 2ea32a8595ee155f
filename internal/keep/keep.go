package keep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/pane"
	"github.com/muxward/muxward/internal/procfs"
	"github.com/muxward/muxward/internal/trusted"
)

// Options say where and how servers are kept. None of them comes from a caller.
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
	// Account looks an account up that a caller has named, or whose server is to be
	// adopted, and refuses those that are to have neither a server nor a door: whoever
	// has a server started can do what its account can. Root needs it; else nil means
	// [Listed].
	Account func(ctx context.Context, name string, uid uint32) (accounts.Account, error)
	// Isolated are the servers of nobody, by their names. Launcher is muxward-pane, absolute,
	// which opens their panes; "" means the one beside our program.
	Isolated map[string]config.Isolated
	Launcher string
	// Self is the account that muxward itself runs as, where that is not root's: nothing of an
	// isolated server runs as it.
	Self uint32
	// Program is muxward itself, absolute, which reaches for people besides tmux; "" has
	// nothing reached.
	Program string
	// Profiles reads root's file of session profiles, each of which has an isolated server;
	// nil: there are none.
	Profiles func() (map[string]config.Profile, error)
	pam      map[string]*pane.Rules // of those that PAM has a word in
	// profilesPAM is the same for the servers of profiles, nil where it has none.
	profilesPAM *pane.Rules
	// unasked is where PAM would have a word, and cannot be asked.
	unasked []string
	// Now gives wall-clock time; nil means time.Now.
	Now func() time.Time
	// Every is how often everything is looked at without being woken; 0 means 4 s,
	// and 5 s is the most.
	Every time.Duration
}

// Listed gives the account that has this name and this uid in the account files.
func Listed(_ context.Context, name string, uid uint32) (accounts.Account, error) {
	return accounts.System().Named(name, uid)
}

// Keep keeps the servers and doors of one host. Make one with New. It is guard.Hands:
// what each method promises stands there.
type Keep struct {
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
	events  queue
	failing failing
	turn    chan struct{} // holds one token: who adopts
	slow    time.Time     // since when a directory is known not to answer, zero if it is not; turn is held
	memory  procfs.Memory
	reaches *reaches

	profiles profiles

	mu      sync.Mutex
	closed  bool
	begun   bool               // to make servers and doors: what lies about is not an earlier one's any more
	finding bool               // what lies about
	found   []string           // nil: not yet
	gone    []string           // servers of which it was told that their profiles have gone
	held    map[string]*server // by id
	byOwner map[string]*server // nil: one is being started or adopted
	// sessions of panes, by the names of their servers
	sessions map[string]*atomic.Int32

	bounding sync.Mutex // who asks which bounds hold
}

// New makes the directories ready, locks them against a second muxward, and
// begins to watch.
func New(opt Options) (*Keep, error) {
	if err := opt.fill(); err != nil {
		return nil, err
	}
	k := &Keep{opt: opt, wake: make(chan struct{}, 1), mounts: map[string]bool{}, events: queue{more: make(chan struct{}, 1)},
		turn: make(chan struct{}, 1), held: map[string]*server{}, byOwner: map[string]*server{},
		reaches: newReaches()}
	if err := k.firstProfiles(); err != nil {
		return nil, err
	}
	if err := k.openRoots(); err != nil {
		k.release()
		return nil, err
	}
	k.ctx, k.stop = context.WithCancel(context.Background())
	k.startWatch()
	for _, text := range k.opt.unasked {
		k.tell(LevelAlarm, nil, text)
	}
	return k, nil
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
		up, err := trusted.Us().Way(filepath.Dir(filepath.Clean(*p)), trusted.Through)
		err = aboveSaid(err)
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
	if err := errors.Join(o.checkIsolated(), o.settlePAM()); err != nil {
		return err
	}
	if o.Launcher != "" && !filepath.IsAbs(o.Launcher) {
		return fmt.Errorf("the program of panes %q: give an absolute path", o.Launcher)
	}
	if o.Account == nil {
		if o.Root {
			return errors.New("running servers for other accounts needs to be told for which: set Account")
		}
		o.Account = Listed
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Every <= 0 || o.Every > 5*time.Second {
		o.Every = 4 * time.Second
	}
	if o.Umask == 0 {
		o.Umask = 0o022
		if !o.Root {
			o.Umask = ownUmask()
		}
	}
	return nil
}

// topMode is the mode of RUN: accounts reach their own directory within, but
// cannot list it.
func (k *Keep) topMode() uint32 {
	if k.opt.Root {
		return 0o711
	}
	return 0o700
}

func (k *Keep) doorsMode() uint32 {
	if k.opt.Root {
		return 0o755
	}
	return 0o700
}

func (k *Keep) openRoots() error {
	run, err := makeRoot(k.opt.Run, k.topMode())
	if err != nil {
		return err
	}
	defer run.Close()
	if k.servers, err = subdir(run, "servers", k.topMode()); err != nil {
		return err
	}
	doors, err := makeRoot(k.opt.Doors, k.doorsMode())
	if err != nil {
		return err
	}
	k.doors = &root{path: k.opt.Doors, mode: k.doorsMode(), dir: doors, tell: func(s string) { k.tell(LevelDoor, nil, s) }}
	a, errA := statFile(k.servers)
	b, errB := statFile(doors)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	if a.Dev != b.Dev {
		return fmt.Errorf("%s and %s are on different file systems; sockets are moved between them, so put them on one", k.opt.Run, k.opt.Doors)
	}
	for _, p := range slices.Compact([]string{k.opt.Run, k.opt.Doors}) {
		l, err := LockDirectory(p)
		if err != nil {
			return err
		}
		k.locks = append(k.locks, l)
	}
	return nil
}

func (k *Keep) release() {
	if k.servers != nil {
		_ = k.servers.Close()
	}
	if k.doors != nil {
		_ = k.doors.dir.Close()
	}
	for _, l := range k.locks {
		_ = l.Close()
	}
}

// begin lets a request in: its context ends with us, too, and Close waits for it.
func (k *Keep) begin(ctx context.Context) (_ context.Context, end func(), err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, nil, ErrClosed
	}
	k.wg.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(k.ctx, cancel)
	return ctx, func() { stop(); cancel(); k.wg.Done() }, nil
}

// beginFind lets what an earlier one has left be looked for, once, before there is anything
// of ours: what is found and not written down as a server's is cleared away. It gives what was
// found before.
func (k *Keep) beginFind() (before []string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.finding || k.begun {
		return nil, fmt.Errorf("look for what was left: that is asked before all else: %w", ErrRefused)
	}
	if k.found != nil {
		return slices.Clone(k.found), nil
	}
	k.finding = true
	return nil, nil
}

// endFind ends that. If it could not be done it may be asked again, and what was found is the
// answer once more to whoever has not heard it.
func (k *Keep) endFind(found []string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.finding = false; err == nil {
		k.found = append([]string{}, found...) // not nil
	}
}

// beginOurs says that something of ours is to come.
func (k *Keep) beginOurs() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.finding {
		return fmt.Errorf("what was left is being looked for: %w", ErrBusy)
	}
	k.begun = true
	return nil
}

// Close closes all doors and lets go of the servers, which go on.
func (k *Keep) Close() error {
	k.mu.Lock()
	if k.closed {
		k.mu.Unlock()
		return nil
	}
	k.closed = true
	k.mu.Unlock()
	k.stop()
	k.wg.Wait()
	for _, s := range k.list() {
		s.close()
	}
	var err error
	for _, d := range k.doors.list() {
		err = errors.Join(err, d.close())
	}
	k.release()
	k.events.close()
	return err
}

// list gives the servers that are held, by owner.
func (k *Keep) list() []*server {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []*server
	for _, s := range k.held {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b *server) int { return strings.Compare(a.rec.Owner, b.rec.Owner) })
	return out
}

// server gives one that is held.
func (k *Keep) server(id string) (*server, error) {
	if !validID(id) {
		return nil, fmt.Errorf("%.20q is no server's id: %w", id, ErrRefused)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.held[id]
	if s == nil {
		return nil, fmt.Errorf("the tmux server %s: %w", id, ErrEnded)
	}
	return s, nil
}

// reserve takes an owner's place for a server that is to come.
func (k *Keep) reserve(owner string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, taken := k.byOwner[owner]; taken {
		return fmt.Errorf("%s has another one already: %w", owner, ErrRefused)
	}
	if k.events.full() {
		return fmt.Errorf("the ends of %d tmux servers were told and not fetched: %w", maxEnds/2, ErrBusy)
	}
	if len(k.byOwner) >= MaxServers {
		return fmt.Errorf("there are %d tmux servers already, which is the most: %w", len(k.byOwner), ErrRefused)
	}
	k.byOwner[owner] = nil
	return nil
}

// settle puts the server into the place that was reserved, or gives that up.
func (k *Keep) settle(owner string, s *server) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s == nil {
		delete(k.byOwner, owner)
		return
	}
	k.byOwner[owner], k.held[s.rec.ID] = s, s
}

// drop makes a server unknown.
func (k *Keep) drop(s *server) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.held[s.rec.ID] == s {
		delete(k.held, s.rec.ID)
		delete(k.byOwner, s.rec.Owner)
	}
}

// Doors is the directory to export as TMUX_TMPDIR.
func (k *Keep) Doors() string { return k.doors.path }

// nudge makes the watch look now.
func (k *Keep) nudge() {
	select {
	case k.wake <- struct{}{}:
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
