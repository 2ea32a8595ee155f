package sockets

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/identity"
)

// quarantine is the directory, inside a directory of sockets, that takes what
// was found dead.
const quarantine = ".muxward-quarantine"

// join puts the sides together: who listens at which socket, what is at the
// paths of servers, whose locks are held.
func (l *looker) join(ctx context.Context, processes []process, s *Scan) {
	w := l.newWorld(ctx, processes)
	for i := range s.Sockets {
		w.listener(&s.Sockets[i])
	}
	s.Sockets = slices.DeleteFunc(s.Sockets, func(k Socket) bool { return k.Dir == "" && !tmuxProgram(k.Program) && !l.named[naming{k.Path, k.UID}] })
	if data, err := readFile(l.proc+"/locks", maxProcList); err == nil {
		w.lockers(parseLocks(data), s)
	}
	accounts := l.accountsKnown(ctx)
	up := sinceBoot()
	servers := w.servers(processes)
	w.lookAtPaths(servers)
	for _, one := range servers {
		p := one.p
		srv := Server{PID: p.pid, Start: p.start, UID: p.uid, GID: p.gid, Known: p.known, Program: p.program, Exe: Path(p.exe),
			ExeGone: p.exeGone, Age: age(p.start, up), Stopped: p.stopped, Apart: p.apart, Secrets: p.secrets,
			Ready: handles(p.catches, unix.SIGUSR1), NoAccount: accounts != nil && !accounts(p.uid),
			LoggedOut: w.logind && loggedOut(p.uid)}
		wanted := false
		for _, e := range one.bound {
			wanted = wanted || l.wanted(e.name)
			b, skip := w.bound(p, e)
			b.Clients, b.ClientsUnknown = w.clients(ctx, p, e)
			srv.Sockets = append(srv.Sockets, b)
			if skip != nil {
				s.Skipped = append(s.Skipped, *skip)
			}
		}
		if wanted && w.still(p) {
			s.Servers = append(s.Servers, srv)
		}
	}
}

// listening is a process and the sockets that it listens at.
type listening struct {
	p     process
	bound []*entry
}

// servers picks those that are a server. A client listens at nothing, and into some
// we may not see. What a server is about to start is a copy of it until then.
func (w *world) servers(processes []process) []listening {
	var out []listening
	for _, p := range processes {
		if !tmuxProgram(p.program) {
			continue
		}
		if bound := w.l.listening(w.ctx, p); len(bound) > 0 && !w.copied(p, bound[0].inode) {
			out = append(out, listening{p, bound})
		}
	}
	return out
}

func tmuxProgram(program string) bool { return program == "tmux" || program == "tmate" }

// world is what joining looks things up in.
type world struct {
	l      *looker
	byPID  map[int]process
	ctx    context.Context
	holds  map[uint64]int          // socket inode → who holds it, of tmux and muxward
	others map[uint64]int          // and of others; nil until that is asked
	rest   []int                   // those that were not looked into yet
	sets   map[int]map[uint64]bool // the sockets of who has children
	paths  map[naming]seen         // what is at the paths of servers
	logind bool
	// rootMuxward: a muxward of root's runs, as far as that can be seen.
	rootMuxward bool
	// blind: who looks is not root, and does not see what others hold.
	blind bool
}

// naming is a path that the environment of an account's process calls tmux's.
// Of sockets of others that means nothing.
type naming struct {
	path Path
	uid  uint32
}

func (l *looker) newWorld(ctx context.Context, processes []process) *world {
	w := &world{l: l, ctx: ctx, byPID: map[int]process{}, holds: map[uint64]int{}, sets: map[int]map[uint64]bool{}, paths: map[naming]seen{}, blind: os.Geteuid() != 0}
	for _, p := range processes {
		w.byPID[p.pid] = p
	}
	for _, p := range processes {
		w.rootMuxward = w.rootMuxward || p.roots()
		w.logind = w.logind || p.logins
		for _, ino := range p.inodes {
			if holder := w.byPID[w.holds[ino]]; tmuxProgram(p.program) && !w.copied(p, ino) || holder.pid == 0 {
				w.holds[ino] = p.pid
			}
		}
	}
	return w
}

// copied reports whether a process has a socket from the tmux that started it.
func (w *world) copied(p process, ino uint64) bool {
	parent := w.byPID[p.parent]
	if len(parent.inodes) == 0 || !tmuxProgram(parent.program) {
		return false
	}
	set := w.sets[parent.pid]
	if set == nil {
		set = make(map[uint64]bool, len(parent.inodes))
		for _, i := range parent.inodes {
			set[i] = true
		}
		w.sets[parent.pid] = set
	}
	return set[ino]
}

// listener fills in who listens: who holds it by now, which need not be who made it
// listen.
func (w *world) listener(s *Socket) {
	if e := w.l.list.listens(&s.File, string(s.Path)); e != nil {
		pid := w.holds[e.inode]
		if pid == 0 {
			pid = w.elsewhere(e.inode)
		}
		s.PID = cmp.Or(pid, s.PID)
	}
	if s.PID == 0 {
		return
	}
	if p := w.byPID[s.PID]; p.program != "" {
		s.Program = p.program
	} else if p.pid != 0 {
		s.Program = "other"
	}
}

// elsewhere finds who holds a socket that nobody was seen to hold: only if that is asked,
// at each process once, on all processors, and no further than to who holds it. Among them
// are tmux and muxward: what they had when they were looked into is older than the list. Who
// listens has mostly been there for longer than who came to it: old ones come first.
func (w *world) elsewhere(ino uint64) int {
	if w.others == nil {
		w.others = map[uint64]int{}
		for _, p := range w.byPID {
			w.rest = append(w.rest, p.pid)
		}
		slices.SortFunc(w.rest, w.byAge)
	}
	var mu sync.Mutex
	for w.others[ino] == 0 && len(w.rest) > 0 {
		some := w.rest[:min(len(w.rest), atOnce)]
		w.rest = w.rest[len(some):]
		each(some, func(pid int) []seen {
			if w.ctx.Err() != nil {
				return nil
			}
			inodes, _ := socketsOf(w.l.proc + "/" + strconv.Itoa(pid))
			mu.Lock()
			defer mu.Unlock()
			for _, i := range inodes {
				if e := w.l.list.get(i); e != nil && e.state == stateListen && (w.others[i] == 0 || w.byAge(pid, w.others[i]) < 0) {
					w.others[i] = pid
				}
			}
			return nil
		})
	}
	return w.others[ino]
}

// byAge compares two processes by when they began: the numbers begin again when they have
// been used up.
func (w *world) byAge(a, b int) int {
	return cmp.Or(cmp.Compare(w.byPID[a].start, w.byPID[b].start), cmp.Compare(a, b))
}

// atOnce is how many processes are looked into before it is seen whether that will do.
const atOnce = 128

// bound tells what is at the path of a server's socket now.
func (w *world) bound(p process, e *entry) (Bound, *Skipped) {
	b := Bound{Path: Path(e.name), Inode: e.inode}
	if b.Place = elsewhereBound(p, e); b.Place != "" {
		return b, nil
	}
	at := w.paths[naming{Path(e.name), p.uid}]
	if at.skip != nil || at.at == nil {
		b.Place = Unseen
		return b, at.skip
	}
	now := *at.at
	b.Above = now.above
	w.listener(&now.sock)
	if b.Place = w.place(p, e, now); b.Place == Here {
		b.File = &now.sock.File
		b.Emptied = w.l.emptied(b.Path, p)
	}
	return b, nil
}

// elsewhereBound reports whether the path of a socket means nothing here, or the
// wrong thing.
func elsewhereBound(p process, e *entry) Place {
	switch {
	case !filepath.IsAbs(e.name), under(e.name, "/proc"):
		return NoPlace
	case p.otherFiles():
		return Unseen
	}
	return ""
}

// lookAtPaths looks at the paths of all servers, side by side, and at each once.
func (w *world) lookAtPaths(servers []listening) {
	uids := map[string][]uint32{}
	var paths []string
	for _, one := range servers {
		for _, e := range one.bound {
			if elsewhereBound(one.p, e) == "" && !slices.Contains(uids[e.name], one.p.uid) {
				if uids[e.name] == nil {
					paths = append(paths, e.name)
				}
				uids[e.name] = append(uids[e.name], one.p.uid)
			}
		}
	}
	for _, found := range each(paths, func(path string) []seen {
		found := w.l.watched(w.ctx, path, func(path string, give func(seen) bool) {
			for _, uid := range uids[path] {
				if !w.l.atPath(path, uid, give) {
					return
				}
			}
		})
		for i := range found {
			found[i].path = Path(path)
		}
		return found
	}) {
		if found.skip == nil {
			w.paths[naming{found.path, found.at.uid}] = found
			continue
		}
		for _, uid := range uids[string(found.path)] {
			if n := (naming{found.path, uid}); w.paths[n].at == nil {
				w.paths[n] = found
			}
		}
	}
}

// pathNow is what is at a path.
type pathNow struct {
	uid   uint32 // of whose server that was asked
	above *File
	sock  Socket // its Path is empty if it could not be looked at
	gone  bool
	// inside: the file system tells people the device that the kernel has inside.
	inside bool
	kept   File  // where muxward keeps the sockets of its servers
	base   *File // that the directory is in: of doors, muxward's
}

// atPath looks at what is at the path of a server's socket.
func (l *looker) atPath(path string, uid uint32, give func(seen) bool) bool {
	at := l.pathNow(path, uid)
	return give(seen{at: &at})
}

func (l *looker) pathNow(path string, uid uint32) (at pathNow) {
	at.uid = uid
	if pin, err := pinAt(unix.AT_FDCWD, filepath.Dir(path)+"/."); err == nil {
		if above, err := statPinned(pin); err == nil {
			at.above = &above
		}
		_ = pin.Close()
	}
	if pin, err := pinAt(unix.AT_FDCWD, filepath.Dir(filepath.Dir(path))+"/."); err == nil {
		if base, err := statFD(int(pin.Fd())); err == nil {
			at.base = &base
		}
		_ = pin.Close()
	}
	if pin, err := pinAt(unix.AT_FDCWD, guardedAt(path)); err == nil {
		at.kept, _ = statPinned(pin) // the zero File is no socket
		_ = pin.Close()
	}
	pin, err := pinAt(unix.AT_FDCWD, path)
	if err != nil {
		at.gone = errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)
		return at
	}
	defer pin.Close()
	if f, err := statPinned(pin); err == nil {
		at.sock, at.inside = Socket{Path: Path(path), File: f}, devicesInside(int(pin.Fd()))
		l.life(&at.sock, int(pin.Fd()), uid, nil)
	}
	return at
}

// guardedAt is where muxward has moved the socket of a server that it has started
// at path, DOORS/in-ID/s. Of other paths it is nowhere.
func guardedAt(path string) string {
	dir, name := filepath.Split(path)
	doors, in := filepath.Split(filepath.Clean(dir))
	id, ok := strings.CutPrefix(in, "in-")
	if !ok || name != "s" {
		return ""
	}
	return filepath.Join(doors, "run", "servers", id, name)
}

// doors reports whether a directory may be one of muxward's in which doors are. Where
// root's muxward runs it is root's: nobody makes one of their own.
func (w *world) doors(base *File, uid uint32) bool {
	return base != nil && base.Mode&0o022 == 0 && (base.UID == 0 || base.UID == uid && !w.rootMuxward)
}

// place compares what a server listens at with what is at its path.
func (w *world) place(p process, e *entry, now pathNow) Place {
	at := now.sock
	doors := w.doors(now.base, p.uid)
	switch {
	case doors && e.hasFile && now.kept.Kind == "socket" && now.kept.UID == p.uid && e.ino == uint32(now.kept.Ino) && at.Kind != "socket":
		return Door // the door is not there now; the server is where muxward keeps it
	case now.gone:
		return Gone
	case at.Path == "":
		return Unseen
	case at.Kind != "socket":
		return Taken
	case e.hasFile && e.ino == uint32(at.Ino) && (!now.inside || e.dev == kernelDev(at.Dev)), !e.hasFile && at.PID == p.pid:
		return Here
	case !e.hasFile && at.PID == 0:
		return Unseen
	case doors && at.Life != Live && now.above != nil && now.above.UID == p.uid && now.above.Mode&0o200 == 0:
		return Door // closed even for its account, as doors are, also when muxward has ended
	}
	switch {
	case w.ours(at.PID, p.uid):
		return Door
	case w.blind && at.Life == Live && at.PID == 0 && at.UID == p.uid:
		return Unseen // its account's, and held by one of another: as root's muxward does
	}
	return Taken
}

// devicesInside reports whether the file system of what is held, wherever links to it
// led, tells people the same device as the kernel has inside. Numbers of inodes are small
// and alike on them all, so where it can be, the device is compared, too; others tell
// another one.
func devicesInside(fd int) bool {
	var st unix.Statfs_t
	if unix.Fstatfs(fd, &st) != nil {
		return false
	}
	return slices.Contains([]int64{unix.TMPFS_MAGIC, unix.RAMFS_MAGIC, unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC}, int64(st.Type))
}

// lockers fills in whose locks are held on files beside sockets.
func (w *world) lockers(locks map[fileID][]int, s *Scan) {
	for i := range s.Others {
		o := &s.Others[i]
		for _, pid := range locks[o.id()] {
			if p, ok := w.byPID[pid]; ok {
				o.Lockers = append(o.Lockers, p.uid)
			}
		}
		slices.Sort(o.Lockers)
		o.Lockers = slices.Compact(o.Lockers)
	}
}

// still reports whether the process is the one that it was: who ends takes its
// socket along, and that is no finding.
func (w *world) still(p process) bool {
	st, err := readStat(w.l.proc + "/" + strconv.Itoa(p.pid))
	return err == nil && st.Start == p.start && !st.Ended()
}

// accountsKnown gives a function that tells whether a uid has an account, or nil
// where that is not known: accounts may come from a directory service, which is
// not asked.
func (l *looker) accountsKnown(ctx context.Context) func(uid uint32) bool {
	conf, err := os.ReadFile("/etc/nsswitch.conf")
	if err == nil && !onlyFiles(string(conf)) || err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return func(uid uint32) bool {
		_, err := l.accounts.ByUID(ctx, uid)
		return !errors.Is(err, identity.ErrNoAccount) || uid >= firstDynamic
	}
}

// firstDynamic is where the uids begin that systemd gives out by itself.
const firstDynamic = 60_001

// onlyFiles reports whether accounts come from files of this host alone.
func onlyFiles(nsswitch string) bool {
	for line := range strings.Lines(nsswitch) {
		sources, ok := strings.CutPrefix(strings.TrimSpace(line), "passwd:")
		if !ok {
			continue
		}
		for _, word := range strings.Fields(sources) {
			if word != "files" && word != "systemd" { // "compat" may ask a directory service, too
				return false
			}
		}
	}
	return true
}

// loggedOut asks what the login manager has written down: it has a file for each
// account that is logged in or lingers. Accounts of the system never log in.
func loggedOut(uid uint32) bool {
	if uid < 1000 || uid >= 65534 {
		return false
	}
	_, err := os.Stat("/run/systemd/users/" + strconv.FormatUint(uint64(uid), 10))
	return errors.Is(err, os.ErrNotExist)
}
