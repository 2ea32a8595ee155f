package sockets

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/identity"
)

// Options say where to look. The zero Options look at the whole host.
type Options struct {
	// Dirs are more directories in which tmux-UID directories may be, beside
	// those that the host and its processes name.
	Dirs []string
	// Far are directories that other hosts, or virtual machines, have as well.
	Far []string
	// Only leaves out everything that is not below this directory.
	Only string
	// Settle is how old a socket has to be before it is called dead: a server
	// that starts binds first and listens next. 0 means 2 s.
	Settle time.Duration
	// Patience is how long a directory may take to give the next of what is
	// in it; then it is skipped. 0 means 2 s.
	Patience time.Duration
	// Locks: look at what the host sets about session locks, too.
	Locks bool

	noDiag bool     // for tests: a kernel without sock_diag
	hung   *hanging // places that earlier looks wait for
	mute   *hanging // and processes
	near   bool     // as of knockers
}

const (
	defaultSettle   = 2 * time.Second
	defaultPatience = 2 * time.Second
	maxBases        = 4096
	maxBasesOf      = 64 // named by processes of one account
	maxWorkers      = 64
	maxStuck        = 256 // places that do not answer, and
	maxStuckOn      = 8   // those on one mount, until no more of them are looked at
)

// looker is one look at the host.
type looker struct {
	opt    Options
	proc   string
	now    time.Time
	mounts mounts
	// exports are directories that other hosts have, too.
	exports []string
	list    *kernelList
	lists   map[string]*kernelList // of other network namespaces
	stuck   *stuck
	budget  *budget
	// patience is for reading one process, and mute are those of which that was not enough.
	patience time.Duration
	mute     map[uint32]int // by their accounts
	holdUp   func(pid int)  // for tests: what the memory of a process has its reader wait for
	// late says, for tests, which reader is held up; else it is by patience.
	late func(pid string, since time.Time) bool
	// running are the accounts that run something: their directories come first
	// where there are too many.
	running map[uint32]bool
	// ours are our namespaces, and named the sockets that processes' TMUX names and that
	// no directory of sockets holds.
	ours  map[string]string
	named map[naming]bool
	// accounts are those of the files of this host.
	accounts *identity.Accounts
	knockers knockers
	// cleaners and spared are those of this host, read when they are asked for.
	readCleaners sync.Once
	cleaners     []cleaner
	spared       []spare
}

// refuseSetuid refuses to work with rights that whoever started this program does not
// have.
func refuseSetuid() error {
	if os.Getuid() != os.Geteuid() || os.Getgid() != os.Getegid() || os.Getuid() != 0 && secure() {
		return errors.New("this program is installed setuid, setgid or with capabilities: its caller would see, and have done, what is not theirs; take that off")
	}
	return nil
}

// secure reports whether the kernel says that this program has more rights than who
// started it.
func secure() bool {
	words, err := unix.Auxv()
	return err == nil && slices.ContainsFunc(words, func(w [2]uintptr) bool { return w[0] == atSecure && w[1] != 0 })
}

func newLooker(opt Options) *looker {
	return &looker{opt: opt, proc: "/proc", patience: procPatience, mute: map[uint32]int{}, now: time.Now(), lists: map[string]*kernelList{}, named: map[naming]bool{}, accounts: identity.NewAccounts(), stuck: &stuck{on: map[string]int{}},
		budget: &budget{used: map[uint32]int{}, over: map[uint32]bool{}}}
}

// Look looks at the host, with the rights of who runs it and no others, and
// sends nothing to anybody.
func Look(ctx context.Context, opt Options) (Scan, error) {
	if err := refuseSetuid(); err != nil {
		return Scan{}, err
	}
	if opt.Only != "" && !filepath.IsAbs(opt.Only) {
		return Scan{}, fmt.Errorf("%s: give an absolute path", Path(opt.Only))
	}
	opt.Settle = cmp.Or(opt.Settle, defaultSettle)
	opt.Patience = cmp.Or(opt.Patience, defaultPatience)
	l := newLooker(opt)
	l.knockers.near = opt.near
	defer l.knockers.end()
	s := Scan{Schema: Schema, Time: l.now, UID: uint32(os.Geteuid()), Settle: opt.Settle}
	if err := l.readMounts(); err != nil {
		return Scan{}, err
	}
	listed := make(chan string, 1)
	go func() { listed <- l.listSockets() }() // which keeps one processor busy
	processes, err := l.processesInHalf(ctx)
	s.List = <-listed
	if err != nil {
		s.Skipped = append(s.Skipped, Skipped{Path: Path(l.proc), Reason: err.Error(), Others: true})
	}
	l.layers(ctx, processes)
	for _, p := range processes {
		if tmuxProgram(p.program) && slices.Contains(p.apart, "net") && !slices.Contains(p.apart, "mnt") {
			l.list.lend(l.apart(ctx, p))
		}
	}
	l.walk(ctx, processes, &s)
	l.join(ctx, processes, &s)
	s.Skipped = append(s.Skipped, l.silent()...)
	l.lookAgain(ctx, &s)
	if opt.Locks {
		s.Locks = readLocks("")
	}
	for i := range s.Skipped {
		// What root is refused is not refused for being another's.
		s.Skipped[i].Denied = s.Skipped[i].Denied && s.UID != 0
	}
	s.sort()
	return s, nil
}

// processesInHalf leaves half of the time for what is to be looked at after it.
func (l *looker) processesInHalf(ctx context.Context) ([]process, error) {
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/2)
		defer cancel()
	}
	return l.processes(ctx)
}

// pendingPause is how long a connection may wait to be accepted by a server that does.
const pendingPause = 100 * time.Millisecond

// lookAgain drops what was only so at the moment of the first look: connections that
// were about to be accepted.
func (l *looker) lookAgain(ctx context.Context, s *Scan) {
	if !slices.ContainsFunc(s.Sockets, func(k Socket) bool { return k.Pending > 0 }) {
		return
	}
	pause := time.NewTimer(pendingPause)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
		return
	}
	if all, err := diagSockets(); err == nil {
		stillPending(s.Sockets, newKernelList(fromDiag, all))
	}
}

// stillPending keeps of the connections that wait those that a later list has, too.
func stillPending(all []Socket, later *kernelList) {
	for i := range all {
		k := &all[i]
		e := later.listens(&k.File, string(k.Path))
		if e == nil {
			k.Pending = 0
		} else {
			k.Pending = min(k.Pending, e.pending)
		}
	}
}

// Where a list of sockets comes from.
const (
	fromDiag    = "sock_diag"
	fromProc    = "/proc/net/unix"
	fromNowhere = "none"
)

// listSockets asks for the kernel's list, in the best way that there is.
func (l *looker) listSockets() string {
	if !l.opt.noDiag {
		if all, err := diagSockets(); err == nil {
			l.list = newKernelList(fromDiag, all)
			return fromDiag
		}
	}
	if data, err := readFile(l.proc+"/net/unix", maxProcList); err == nil && len(data) < maxProcList {
		if all := parseProcUnix(data); len(all) < maxList { // else it is not the whole list
			l.list = newKernelList(fromProc, all)
			return fromProc
		}
	}
	l.list = newKernelList(fromNowhere, nil)
	return fromNowhere
}

// kernelList is the kernel's list, by what it is asked for.
type kernelList struct {
	from    string
	why     string // what a socket's life rests on that the list has, and
	whyNot  string // its death that the list does not have
	byInode map[uint64]*entry
	byFile  map[uint32][]*entry
	byName  map[string][]*entry // those whose file is not known
	names   map[string]bool     // at which somebody listens, as they were bound
	apart   map[string]bool     // names that are bound in another network namespace
}

func newKernelList(from string, all []entry) *kernelList {
	k := &kernelList{from, "the kernel lists who listens (" + from + ")", "connections are refused, and the kernel lists nobody who listens (" + from + ")",
		make(map[uint64]*entry, len(all)), make(map[uint32][]*entry, len(all)), map[string][]*entry{}, make(map[string]bool, len(all)), map[string]bool{}}
	for i := range all {
		e := &all[i]
		k.byInode[e.inode] = e
		if e.state == stateListen && e.name != "" {
			k.names[e.name] = true
		}
		if e.hasFile {
			k.byFile[e.ino] = append(k.byFile[e.ino], e)
		} else if e.name != "" {
			k.byName[e.name] = append(k.byName[e.name], e)
		}
	}
	return k
}

// get gives a socket of the list, nil if it does not have it.
func (k *kernelList) get(ino uint64) *entry {
	if k == nil || ino == 0 {
		return nil
	}
	return k.byInode[ino]
}

// of gives the sockets that are bound to a file, and those accepted there. Some
// file systems tell another device number than the kernel has inside; then the
// name has to be the same. Where the list knows no files, the name is all there is:
// it may be another socket that has it, so that it makes a socket look live, and
// none dead.
func (k *kernelList) of(f *File, path string) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for _, e := range k.byName[path] {
			if !yield(e) {
				return
			}
		}
		for _, e := range k.byFile[uint32(f.Ino)] {
			if (e.dev == kernelDev(f.Dev) || e.name == path) && !yield(e) {
				return
			}
		}
	}
}

// listens gives the one that listens at a file; nil if there is none, or more than
// one by name alone.
func (k *kernelList) listens(f *File, path string) (one *entry) {
	for e := range k.of(f, path) {
		switch {
		case e.state != stateListen:
		case one == nil || e.hasFile && !one.hasFile:
			one = e
		case !e.hasFile && !one.hasFile:
			return nil
		}
	}
	return one
}

// lend adds the sockets of another network namespace, by name: who is in one and has
// the same files may listen at what looks dead.
func (k *kernelList) lend(other *kernelList) {
	if other == nil {
		return
	}
	for name, all := range other.byName {
		for _, e := range all {
			if e.state != stateEstablished {
				k.apart[name] = true
			}
		}
	}
}

// bases lists the directories in which directories of sockets may be: the host's
// own first, and then what processes name, so much of each account's at most that
// nobody pushes others off the list. cut says what was too much.
func (l *looker) bases(processes []process) (out []string, cut []Skipped) {
	seen := map[string]bool{}
	add := func(path string) {
		path = filepath.Clean(path)
		if filepath.IsAbs(path) && !seen[path] && l.wanted(path) && !under(path, "/proc") {
			seen[path] = true
			out = append(out, path)
		}
	}
	add("/tmp")
	for _, dir := range append(slices.Clone(l.opt.Dirs), l.opt.Only, os.Getenv("TMUX_TMPDIR")) {
		add(dir)
	}
	if users, err := os.ReadDir("/run/user"); err == nil {
		for _, u := range users {
			add("/run/user/" + u.Name())
		}
	}
	host, of := len(out), map[uint32]int{}
	for _, p := range processes {
		if dir := filepath.Clean(p.tmpdir); p.tmpdir == "" || seen[dir] || !filepath.IsAbs(dir) || !l.wanted(dir) {
			continue
		} else if of[p.uid]++; of[p.uid] == maxBasesOf+1 || len(out)-host == maxBases {
			cut = append(cut, Skipped{Path: Path(dir), Others: true, Reason: fmt.Sprintf("processes of uid %d name too many directories; this and others were not looked at", p.uid)})
		} else if of[p.uid] <= maxBasesOf && len(out)-host < maxBases {
			add(dir)
		}
	}
	return out, cut
}

// wanted reports whether a path is among what is looked at.
func (l *looker) wanted(path string) bool {
	return l.opt.Only == "" || under(filepath.Clean(path), filepath.Clean(l.opt.Only))
}

// seen is one thing that a walk came upon. The empty one says that it goes on.
type seen struct {
	dir   *Dir
	sock  *Socket
	other *Other
	skip  *Skipped
	at    *pathNow
	path  Path // that was asked about
}

// walk looks at all directories, side by side: one that hangs holds up nobody.
func (l *looker) walk(ctx context.Context, processes []process, s *Scan) {
	l.running = running(processes)
	bases, cut := l.bases(processes)
	s.Skipped = append(s.Skipped, cut...)
	s.add(each(bases, func(path string) []seen { return l.inside(ctx, path) }))
	s.once()
	known := map[Path]bool{}
	for _, sock := range s.Sockets {
		known[sock.Path] = true
	}
	named, more := l.elsewhere(ctx, processes, known)
	if more > 0 {
		s.Skipped = append(s.Skipped, Skipped{Path: "/", Others: true, Reason: fmt.Sprintf("processes name too many sockets; %d were not looked at", more)})
	}
	lone := func(n naming) []seen {
		return l.watched(ctx, string(n.path), func(path string, give func(seen) bool) { l.lone(path, n.uid, give) })
	}
	s.add(each(named, lone))
}

// inside looks at what is in a base: each directory of sockets by itself, so that
// one that hangs hides none beside it.
func (l *looker) inside(ctx context.Context, base string) []seen {
	var out []seen
	var paths []string
	dirs := map[string]Dir{}
	for _, s := range l.watched(ctx, base, l.base) {
		if s.dir == nil {
			out = append(out, s)
			continue
		}
		paths = append(paths, string(s.dir.Path))
		dirs[string(s.dir.Path)] = *s.dir
	}
	return append(out, each(paths, func(path string) []seen {
		return l.watched(ctx, path, func(path string, give func(seen) bool) { l.socketDir(dirs[path], give) })
	})...)
}

// each looks at each of the places, and gives what was found in their order.
func each[T any](places []T, look func(T) []seen) []seen {
	results := make([][]seen, len(places))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(maxWorkers, len(places)) {
		wg.Go(func() {
			for i := range next {
				results[i] = look(places[i])
			}
		})
	}
	for i := range places {
		next <- i
	}
	close(next)
	wg.Wait()
	return slices.Concat(results...)
}

// watched looks at one place until nothing comes from there for too long. What
// hangs in the kernel cannot be called back: its goroutine ends when the kernel
// lets it, or with the program.
func (l *looker) watched(ctx context.Context, place string, look func(string, func(seen) bool)) []seen {
	if m := l.mounts.of(place); m.fs == "autofs" {
		return []seen{{skip: &Skipped{Path: Path(place), Reason: "to look at it would mount it (autofs)"}}}
	}
	if why := l.stuck.refuses(l.mounts.of(place)); why != "" {
		return []seen{{skip: &Skipped{Path: Path(place), Reason: why}}}
	}
	if !l.opt.hung.begin(place) {
		l.stuck.add(l.mounts.of(place))
		return []seen{{skip: &Skipped{Path: Path(place), Reason: "an earlier look at it has not come back"}}}
	}
	g := &gathering{last: time.Now()}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer l.opt.hung.end(place)
		look(place, g.give)
	}()
	late := time.NewTimer(l.opt.Patience)
	defer late.Stop()
	for {
		select {
		case <-ended:
			return g.end()
		case <-late.C:
			if idle := g.idle(); idle < l.opt.Patience {
				late.Reset(l.opt.Patience - idle)
				continue
			}
			l.stuck.add(l.mounts.of(place))
			return append(g.end(), seen{skip: &Skipped{Path: Path(place), Reason: fmt.Sprintf("no answer from its file system (%s) within %s", escape(l.mounts.of(place).fs), l.opt.Patience)}})
		case <-ctx.Done():
			return append(g.end(), seen{skip: &Skipped{Path: Path(place), Reason: "there was no time left"}})
		}
	}
}

// gathering is what a look at one place has come upon so far. Who looks puts it there and
// wakes nobody: there may be much of it.
type gathering struct {
	mu    sync.Mutex
	all   []seen
	last  time.Time // when something came
	ended bool      // nobody waits for more
}

// give adds what was seen; false says that nobody waits for it.
func (g *gathering) give(s seen) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return false
	}
	if s != (seen{}) {
		g.all = append(g.all, s)
	}
	g.last = time.Now()
	return true
}

// idle is for how long nothing has come.
func (g *gathering) idle() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Since(g.last)
}

// end gives what there is. What comes later is nobody's.
func (g *gathering) end() []seen {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
	return g.all
}

// elsewhere lists the sockets that processes name and that no directory of
// sockets holds: those given to tmux with -S. more says how many were too many.
func (l *looker) elsewhere(ctx context.Context, processes []process, known map[Path]bool) (out []naming, more int) {
	seen := map[naming]bool{}
	of := map[uint32]int{}
	outside := func(path string) bool {
		return filepath.IsAbs(path) && !under(filepath.Clean(path), "/proc") && !known[Path(path)] && l.wanted(path)
	}
	add := func(path string, uid uint32) {
		n := naming{Path(path), uid}
		if !outside(path) || seen[n] {
			return
		}
		if seen[n] = true; len(out) >= maxEntries || of[uid] >= maxNamed {
			more++
			return
		}
		of[uid]++
		out = append(out, n)
	}
	for _, p := range processes {
		// Of many in one account's panes one is asked. Whose it is that may not be looked
		// into, as which it looks like root's, is told only by asking.
		if outside(p.tmux) && (p.uid == 0 || !seen[naming{Path(p.tmux), p.uid}]) && ctx.Err() == nil {
			if path, uid := l.vouched(p); path != "" {
				l.named[naming{Path(path), uid}] = true
				add(path, uid)
			}
		}
		if tmuxProgram(p.program) {
			for _, b := range l.listening(ctx, p) {
				add(b.name, p.uid)
			}
		}
	}
	return out, more
}

// listening gives the path sockets at which a process listens.
func (l *looker) listening(ctx context.Context, p process) []*entry {
	list := l.list
	if slices.Contains(p.apart, "net") {
		list = l.apart(ctx, p)
	}
	var out []*entry
	for _, ino := range p.inodes {
		if e := list.get(ino); e != nil && e.state == stateListen && e.typ == unix.SOCK_STREAM && e.name != "" && e.name[0] != 0 {
			out = append(out, e)
		}
	}
	return out
}

// apart is the list of the network namespace of a process, which is read once.
func (l *looker) apart(ctx context.Context, p process) *kernelList {
	if list := l.lists[p.netNS]; list != nil {
		return list
	}
	if ctx.Err() != nil {
		return nil
	}
	data, err := readFile(fmt.Sprintf("%s/%d/net/unix", l.proc, p.pid), maxProcList)
	if err != nil {
		return nil // of this process; another may be there to ask by
	}
	l.lists[p.netNS] = newKernelList(fromProc, parseProcUnix(data))
	return l.lists[p.netNS]
}

// add adds what was seen, the sockets in order: there may be many.
func (s *Scan) add(found []seen) {
	var many []*Socket
	for _, f := range found {
		switch {
		case f.dir != nil:
			s.Dirs = append(s.Dirs, *f.dir)
		case f.sock != nil:
			many = append(many, f.sock)
		case f.other != nil:
			s.Others = append(s.Others, *f.other)
		case f.skip != nil:
			s.Skipped = append(s.Skipped, *f.skip)
		}
	}
	slices.SortFunc(many, func(a, b *Socket) int { return strings.Compare(string(a.Path), string(b.Path)) })
	s.Sockets = slices.Grow(s.Sockets, len(many))
	for _, k := range many {
		s.Sockets = append(s.Sockets, *k)
	}
}

// once drops what was come upon twice: two bases may be one directory.
func (s *Scan) once() {
	s.sort()
	s.Dirs = slices.CompactFunc(s.Dirs, func(a, b Dir) bool { return a.Path == b.Path })
	s.Sockets = slices.CompactFunc(s.Sockets, func(a, b Socket) bool { return a.Path == b.Path })
	s.Others = slices.CompactFunc(s.Others, func(a, b Other) bool { return a.Path == b.Path })
}

func (s *Scan) sort() {
	slices.SortFunc(s.Dirs, func(a, b Dir) int { return strings.Compare(string(a.Path), string(b.Path)) })
	slices.SortFunc(s.Sockets, func(a, b Socket) int { return strings.Compare(string(a.Path), string(b.Path)) })
	slices.SortFunc(s.Others, func(a, b Other) int { return strings.Compare(string(a.Path), string(b.Path)) })
	slices.SortFunc(s.Servers, func(a, b Server) int { return a.PID - b.PID })
	slices.SortStableFunc(s.Skipped, func(a, b Skipped) int { return strings.Compare(string(a.Path), string(b.Path)) })
}
