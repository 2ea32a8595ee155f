package keep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// calm is the least time between two looks, however much happens.
const calm = 50 * time.Millisecond

// lookAfter is how long after something happened it is looked at.
const lookAfter = 20 * time.Millisecond

// startWatch begins to look after everything on disk.
func (k *Keep) startWatch() {
	events, err := newInotify()
	if err != nil {
		k.tellDeaf(err)
	}
	if events != nil {
		k.wg.Go(func() { k.listen(events) })
	}
	k.wg.Go(func() { k.watch(events) })
}

// tellDeaf tells that only the look at every tick is left.
func (k *Keep) tellDeaf(err error) {
	k.tell(LevelAlarm, nil, fmt.Sprintf("changes to doors and sockets are noticed within %v, not at once: %v", k.opt.Every, err))
}

func newInotify() (*os.File, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch directories: %w", err)
	}
	return os.NewFile(uintptr(fd), "inotify"), nil
}

// listen turns events into looks. What they say does not matter, so neither
// does an overflow.
func (k *Keep) listen(events *os.File) {
	buf := make([]byte, 16<<10)
	for {
		if _, err := events.Read(buf); err != nil {
			return // closed by watch
		}
		k.nudge()
	}
}

func (k *Keep) watch(events *os.File) {
	if events != nil {
		defer events.Close()
	}
	tick := time.NewTicker(k.opt.Every)
	defer tick.Stop()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select { // not more often than that
		case <-pause.C:
		case <-k.ctx.Done():
			return
		}
		all := false
		select {
		case <-k.wake:
			if !k.letPass() {
				return
			}
		case <-tick.C:
			all = true
		case <-k.ctx.Done():
			return
		}
		k.checkFiles()
		k.subscribe(events)
		if all {
			k.checkMounts()
			k.checkGone()
		}
		pause.Reset(calm)
	}
}

// letPass waits a moment before a look, and reports whether to go on. tmux
// changes its socket's mode whenever the first client attaches, and whoever that
// is should not wait while everything is looked at.
func (k *Keep) letPass() bool {
	t := time.NewTimer(lookAfter)
	defer t.Stop()
	select {
	case <-t.C:
	case <-k.ctx.Done():
		return false
	}
	select {
	case <-k.wake: // the look is for that, too
	default:
	}
	return true
}

// subscribe watches every directory that matters. Those that are watched
// already stay so (inotify(7)).
func (k *Keep) subscribe(events *os.File) {
	if events == nil {
		return
	}
	const mask = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_ATTRIB |
		unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
	var none error
	add := func(f *os.File) { // no lock of a server or a door is taken: its account could have us wait
		// What just went away, or is closed, is noticed by its absence.
		raw, err := f.SyscallConn()
		if err == nil {
			err2 := raw.Control(func(fd uintptr) { err = addWatch(events, "/proc/self/fd/"+strconv.Itoa(int(fd)), mask) })
			err = errors.Join(err, err2)
		}
		if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.ENOMEM) {
			none = err
		}
	}
	defer func() {
		if none != nil && !k.deaf {
			k.tellDeaf(fmt.Errorf("watch directories: %w (see fs.inotify.max_user_watches)", none))
		}
		k.deaf = none != nil
	}()
	add(k.servers)
	add(k.doors.dir)
	for _, d := range k.doors.list() {
		if dir := d.dir.Load(); dir != nil {
			add(dir)
		}
	}
	for _, s := range k.list() {
		add(s.dir) // which is what it is since the server is listed
	}
}

func addWatch(events *os.File, path string, mask uint32) error {
	raw, err := events.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	err = raw.Control(func(fd uintptr) { _, inner = unix.InotifyAddWatch(int(fd), path, mask) })
	return errors.Join(err, inner)
}

// checkFiles compares everything on disk with what it should be and puts it
// right. What is a server's is looked at beside: it can have us wait for it.
func (k *Keep) checkFiles() {
	k.checkRoots()
	for _, s := range k.list() {
		s.checkBeside()
	}
	for _, d := range k.doors.list() {
		if d.place.Server != "" {
			continue
		}
		wrong, err := d.checkFree()
		k.report(LevelDoor, nil, "the door "+d.path(), wrong, err)
	}
}

// checkBeside has the server's files looked at. If that is under way, it is done once more
// after it.
func (s *server) checkBeside() {
	if s.asked.Add(1) > 1 {
		return
	}
	s.k.wg.Go(func() {
		for s.k.ctx.Err() == nil {
			n := s.asked.Load()
			s.check(s.k.ctx)
			if s.asked.CompareAndSwap(n, 0) {
				return
			}
		}
	})
}

// check compares the server's files and its inner door with what they should be, and puts
// them right. What was wrong is told before anybody else may look: what is told last of a
// server is its end.
func (s *server) check(ctx context.Context) {
	s.look.Lock()
	defer s.look.Unlock()
	s.saveLost()
	wrong, err := s.checkSocket(ctx)
	s.k.report(LevelAlarm, s, "the guarded socket of "+s.rec.Owner, wrong, err)
	s.k.report(LevelServer, s, "the log of the server of "+s.rec.Owner, s.k.boundLog(s.rec.ID), nil)
	if d := s.inner; d != nil && !s.ended() {
		wrong, err := d.check()
		s.k.report(LevelDoor, nil, "the door "+d.path(), wrong, err)
	}
}

// failing is what could not be put right when it was looked at last, in the words that were told: it is
// tried every few seconds.
type failing struct {
	mu   sync.Mutex
	told map[string]string
}

// is notes how it went, "" if it did not fail, and reports whether that is to be told: what went well always is.
func (f *failing) is(what, fails string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fails == "" {
		delete(f.told, what)
		return true
	}
	if f.told == nil {
		f.told = map[string]string{}
	}
	known := f.told[what] == fails
	f.told[what] = fails
	return !known
}

func (k *Keep) report(level Level, s *server, what string, wrong []string, err error) {
	outcome := "it was put right"
	if err != nil {
		level, outcome = LevelAlarm, fmt.Sprintf("it could not be put right: %v; it is tried again", err)
	}
	text, fails := strings.Join(append(slices.Clone(wrong), outcome), "; "), ""
	if err != nil {
		fails = text
	}
	key := what
	if s != nil { // an owner may have several
		key += " " + s.rec.ID
	}
	if k.failing.is(key, fails) && (err != nil || len(wrong) > 0) {
		k.tell(level, s, what+": "+text)
	}
}

// checkRoots makes our top directories again if they are gone, and puts their
// modes right.
func (k *Keep) checkRoots() {
	if k.moved(k.servers, k.opt.Run+"/servers") {
		k.remake(k.servers, func() (*os.File, error) {
			run, err := makeRoot(k.opt.Run, k.topMode())
			if err != nil {
				return nil, err
			}
			defer run.Close()
			return subdir(run, "servers", k.topMode())
		}, k.opt.Run+"/servers")
		for _, s := range k.list() { // the next muxward must find them
			s.lost.Store(true)
		}
	}
	if k.moved(k.doors.dir, k.doors.path) {
		k.remake(k.doors.dir, func() (*os.File, error) { return makeRoot(k.doors.path, k.doors.mode) }, k.doors.path)
	}
	for _, c := range []struct {
		f    *os.File
		path string
		mode uint32
	}{{k.servers, k.opt.Run + "/servers", k.topMode()}, {k.doors.dir, k.doors.path, k.doors.mode}} {
		if k.moved(c.f, c.path) {
			continue // it could not be made again, which was told
		}
		st, err := statFile(c.f)
		wrong := []string(nil)
		if err == nil {
			wrong = putRight(c.f, "it", st, wantFile{c.mode, uint32(os.Geteuid()), 0})
		}
		k.report(LevelAlarm, nil, "the directory "+c.f.Name(), wrong, err)
	}
}

// saveLost writes down again what was lost with the directory of all servers.
func (s *server) saveLost() {
	if !s.lost.CompareAndSwap(true, false) {
		return
	}
	err := error(nil)
	s.mu.Lock()
	if !s.ended() { // or it would be there again after all was cleared away
		err = s.rec.save(s.k.servers)
	}
	s.mu.Unlock()
	if err != nil {
		s.lost.Store(true)
		s.k.report(LevelAlarm, s, "the record of the server of "+s.rec.Owner, []string{"it was removed"}, err)
		return
	}
	s.k.report(LevelAlarm, s, "the record of the server of "+s.rec.Owner, nil, nil) // that it fails once more is news
}

// moved reports whether path does not lead to the directory f any more.
func (k *Keep) moved(f *os.File, path string) bool {
	var is unix.Stat_t
	was, err := statFile(f)
	return err != nil || unix.Lstat(path, &is) != nil || !sameFile(was, is)
}

// become makes the open file f be the file from, which is closed. Whoever
// uses f meanwhile has the one or the other.
func become(f, from *os.File) error {
	return errors.Join(unix.Dup3(int(from.Fd()), int(f.Fd()), unix.O_CLOEXEC), from.Close())
}

// remake makes a directory of ours anew, and takes its lock again.
func (k *Keep) remake(f *os.File, build func() (*os.File, error), path string) {
	dir, err := build()
	if err == nil {
		err = become(f, dir)
	}
	if err == nil {
		var lock io.Closer
		if lock, err = LockDirectory(strings.TrimSuffix(path, "/servers")); err == nil {
			k.locks = append(k.locks, lock)
		} else if errors.Is(err, ErrInUse) {
			err = nil // by us: only a part of it was replaced
		}
	}
	k.report(LevelAlarm, nil, "the directory "+path, []string{"it was removed or replaced"}, err)
}

// checkSocket compares the server's directory and socket with what they should
// be. Modes, owners and access lists are put right on the spot; a socket that
// is gone, replaced or has other names is given up for a new one.
func (s *server) checkSocket(ctx context.Context) ([]string, error) {
	if s.ended() || s.givenUp() {
		return nil, nil
	}
	now := s.k.opt.Now()
	wrong, lost, err := s.compareSocket()
	if err == nil && lost {
		err = s.rescue(ctx)
	}
	who := ""
	if len(wrong) > 0 { // after it was put right: nobody else comes now
		who = s.connected()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if text := s.strays.news(s.dir, "s"); text != "" {
		s.k.tell(LevelAlarm, s, "the directory of the guarded socket of "+s.rec.Owner+text)
	}
	if len(wrong) > 0 && !s.seen.IsZero() {
		wrong = append(wrong, "who could connect meanwhile: accounts that this let in, since "+s.seen.UTC().Format(time.RFC3339), who)
	}
	if err == nil || s.seen.IsZero() { // else they still can
		s.seen = now
	}
	if s.ended() {
		return nil, nil
	}
	return wrong, err
}

// compareSocket says what was wrong, and whether the socket is lost.
func (s *server) compareSocket() (wrong []string, lost bool, err error) {
	moved, err := s.checkDir()
	wrong = append(wrong, moved...)
	if err != nil {
		return wrong, false, err
	}
	if s.boundAnew() {
		if err := s.fetchSocket(); err != nil {
			return wrong, false, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := statFile(s.dir)
	if err != nil {
		return wrong, false, err
	}
	wrong = append(wrong, putRight(s.dir, "its directory", st, wantFile{0o700, s.rec.Account.UID, 0})...)
	is, err := statAt(s.dir, "s")
	if err != nil && !notThere(err) {
		return wrong, false, err
	}
	if err != nil || s.sock == nil {
		return append(wrong, "it is gone"), true, nil
	}
	was, err := statFile(s.sock)
	if err != nil || !sameFile(was, is) {
		return append(wrong, "it was replaced"), true, nil
	}
	switch { // what is another account's, or has another place, is left as it is
	case was.Uid != s.rec.Account.UID:
		return append(wrong, fmt.Sprintf("it belonged to uid %d", was.Uid)), true, nil
	case was.Nlink > 1:
		return append(wrong, fmt.Sprintf("it has %d more names (hard links)", was.Nlink-1)), true, nil
	}
	return append(wrong, putRight(s.sock, "it", was, wantFile{0o600, s.rec.Account.UID, 0})...), false, nil
}

// checkDir makes the server's directory again if it is gone, and takes the
// socket along if that is still in the old one.
func (s *server) checkDir() ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, err := statFile(s.dir)
	if err != nil {
		return nil, err
	}
	is, err := statAt(s.k.servers, s.rec.ID)
	if err == nil && sameFile(was, is) || err != nil && !notThere(err) {
		return nil, err
	}
	wrong := []string{"its directory was removed or replaced"}
	old, err := swapIn(s.k.servers, s.rec.ID, func(tmp string) error {
		if s.rec.Account.UID == uint32(os.Geteuid()) {
			return nil
		}
		return unix.Fchownat(int(s.k.servers.Fd()), tmp, int(s.rec.Account.UID), int(s.rec.Account.GID), unix.AT_SYMLINK_NOFOLLOW)
	})
	if err != nil {
		return wrong, err
	}
	dir, err := openDirAt(int(s.k.servers.Fd()), s.rec.ID)
	if err != nil {
		return wrong, err
	}
	_ = unix.Renameat(int(s.dir.Fd()), "s", int(dir.Fd()), "s") // else it is found to be gone
	if err := become(s.dir, dir); err != nil {
		return wrong, err
	}
	s.k.nudge() // it is to be watched
	if old != "" {
		if err := clearDir(s.k.servers, old); err != nil {
			wrong = append(wrong, fmt.Sprintf("what was in its place is now %s/servers/%s", s.k.opt.Run, old))
		}
	}
	return wrong, nil
}

// boundAnew reports whether something else than our door is at the place where
// tmux believes its socket to be. Asking who listens there is left for that
// case, as the asking is a connection too.
func (s *server) boundAnew() bool {
	s.mu.Lock()
	d := s.inner
	s.mu.Unlock()
	if d == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	was, err := statFile(d.now.sock)
	if err != nil {
		return false
	}
	is, err := statAt(d.root.dir, d.dirName+"/"+d.sockName) // neither a link nor a mount leads us elsewhere
	return err == nil && !sameFile(was, is)
}
