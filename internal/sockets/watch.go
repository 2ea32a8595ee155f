package sockets

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

const (
	watchEvery = 30 * time.Second       // when nothing tells of a change
	watchSoon  = time.Second            // after what is to be tried, or looked at, again
	watchQuiet = 100 * time.Millisecond // until a series of changes is looked at
	watchRest  = 4                      // how many times as long as a look, at least, until the next
	maxWatched = 4096                   // directories, and servers
)

// Change is what has become different between two looks.
type Change struct {
	Time time.Time `json:"time"`
	New  []Finding `json:"new"`
	Gone []Finding `json:"gone"`
	// Skipped is what could not be looked at this time.
	Skipped []Skipped `json:"skipped,omitempty"`
	// Dark is what could be looked at the last time, and cannot be now. What was
	// wrong there is still said to be so.
	Dark []Skipped `json:"dark,omitempty"`
	// All is everything that is wrong now.
	All []Finding `json:"-"`
}

// Watch looks, tells everything that is wrong as new, and looks again whenever
// something may have changed: a directory of sockets or a server's end. Every look
// is a whole one, so that nothing that was missed in between matters. tell
// is called after each look; if it gives true, the next one comes soon, and later
// each time that it does so again. Watch returns when ctx ends or tell fails.
func Watch(ctx context.Context, opt Options, lim Limits, profile Profile, tell func(Change) (again bool, err error)) error {
	w := &watch{opt: opt, wake: make(chan struct{}, 1), servers: map[serverID]*os.File{}, added: map[string]fileID{}}
	defer w.close()
	if fs, err := fsnotify.NewWatcher(); err == nil { // else the timer remains
		w.dirs = fs
		w.wg.Go(w.listen)
	}
	w.opt.hung = &hanging{on: map[string]bool{}}
	known, dark := map[findingID]Finding{}, map[Path]bool{}
	soon := watchSoon
	for {
		began := time.Now()
		s, err := w.look(ctx)
		if err != nil {
			return err
		}
		found, _ := profile.Apply(Judge(s, lim), s.Time)
		c := compare(known, found, s.Skipped)
		c.Dark = darker(dark, s.Skipped)
		c.Time, c.Skipped, c.All = s.Time, s.Skipped, found
		again, err := tell(c)
		if err != nil {
			return err
		}
		later := next(s)
		if again || !s.Complete() {
			later, soon = min(later, soon), min(2*soon, watchEvery)
		} else {
			soon = watchSoon
		}
		w.follow(s)
		if !w.pause(ctx, time.Since(began), later) {
			return nil
		}
	}
}

// next is when to look again although nothing tells of a change: soon, if what was
// too new to be called dead may be so by then.
func next(s Scan) time.Duration {
	for _, k := range s.Sockets {
		if k.Life == Unknown && s.Time.Sub(k.Changed) < s.Settle {
			return s.Settle
		}
	}
	return watchEvery
}

type findingID struct {
	id   string
	path Path
	pid  int
	uid  uint32
}

// compare makes known what was found now, and says what is new and what is gone.
// What was not looked at is not gone.
func compare(known map[findingID]Finding, found []Finding, skipped []Skipped) Change {
	c := Change{New: []Finding{}, Gone: []Finding{}}
	now := map[findingID]bool{}
	for _, f := range found {
		id := findingID{f.ID, f.Path, f.PID, f.UID}
		if _, old := known[id]; !old && !now[id] {
			c.New = append(c.New, f)
		}
		now[id] = true
		known[id] = f
	}
	for id, f := range known {
		if !now[id] && !slices.ContainsFunc(skipped, func(k Skipped) bool { return k.covers(f.Path) }) {
			c.Gone = append(c.Gone, f)
			delete(known, id)
		}
	}
	return c
}

// darker makes known what was skipped now, and gives what is new of that.
func darker(known map[Path]bool, skipped []Skipped) (out []Skipped) {
	was := maps.Clone(known)
	clear(known)
	for _, k := range skipped {
		if !was[k.Path] && !known[k.Path] && !k.Denied {
			out = append(out, k)
		}
		known[k.Path] = true
	}
	return out
}

type serverID struct {
	pid   int
	start uint64
}

// watch is what a Watch holds.
type watch struct {
	opt  Options
	wake chan struct{}
	dirs *fsnotify.Watcher
	wg   sync.WaitGroup

	servers map[serverID]*os.File // pidfds
	added   map[string]fileID
}

func (w *watch) close() {
	if w.dirs != nil {
		_ = w.dirs.Close()
	}
	for _, f := range w.servers {
		_ = f.Close()
	}
	w.wg.Wait()
}

func (w *watch) nudge() {
	select {
	case w.wake <- struct{}{}:
	default: // it is awake
	}
}

// listen wakes the watch on what happens in a directory of sockets or to one; also
// when there was more than the kernel kept (an error), as every look is a whole one.
func (w *watch) listen() {
	for {
		select {
		case e, open := <-w.dirs.Events:
			if !open {
				return
			}
			_, _, it := dirName(filepath.Base(e.Name))
			_, _, in := dirName(filepath.Base(filepath.Dir(e.Name)))
			if !it && !in {
				continue // of /tmp much else is told
			}
		case _, open := <-w.dirs.Errors:
			if !open {
				return
			}
		}
		w.nudge()
	}
}

func (w *watch) look(ctx context.Context) (Scan, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return Look(ctx, w.opt)
}

// follow watches the directories and servers that were seen, and no others. A
// directory that was replaced is another one, and watched anew.
func (w *watch) follow(s Scan) {
	l := newLooker(w.opt)
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err == nil {
		l.mounts = parseMounts(info)
	}
	want := w.places(l, s.Dirs)
	for path := range w.added {
		if _, ok := want[path]; !ok {
			_ = w.dirs.Remove(path) // it may have gone by itself
			delete(w.added, path)
		}
	}
	for path, id := range want {
		w.add(path, id)
	}
	seen := map[serverID]bool{}
	for _, srv := range s.Servers {
		id := serverID{srv.PID, srv.Start}
		seen[id] = true
		if w.servers[id] == nil && len(w.servers) < maxWatched {
			w.await(id)
		}
	}
	for id, f := range w.servers {
		if !seen[id] {
			_ = f.Close()
			delete(w.servers, id)
		}
	}
}

// places are the directories to watch, at most as many as we may: where others make
// many, those that are in order come first.
func (w *watch) places(l *looker, dirs []Dir) map[string]fileID {
	want := map[string]fileID{}
	add := func(path string, id fileID) {
		if _, ok := want[path]; (ok || len(want) < maxWatched) && l.mounts.far(path) == "" { // else it might not answer
			want[path] = id
		}
	}
	bases, _ := l.bases(nil)
	for _, base := range bases {
		add(base, fileID{}) // also where there is no directory of sockets yet
	}
	for _, inOrder := range []bool{true, false} {
		for _, d := range dirs {
			if orderly(&d) != inOrder {
				continue
			}
			if d.Above != nil {
				add(string(d.AbovePath), d.Above.id())
			}
			if d.Kind == "directory" {
				add(string(d.Path), d.id())
			}
		}
	}
	return want
}

// add watches a directory. What happened in it between the look and now is seen by
// another look.
func (w *watch) add(path string, id fileID) {
	if old, ok := w.added[path]; w.dirs == nil || ok && old == id {
		return
	}
	if w.dirs.Add(path) == nil { // else it is gone, or not for us to see
		w.added[path] = id
		w.nudge()
	}
}

// await wakes the watch when a server ends: that changes no directory.
func (w *watch) await(id serverID) {
	fd, err := unix.PidfdOpen(id.pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		w.nudge() // it has ended
		return
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	raw, err := f.SyscallConn()
	if err != nil {
		_ = f.Close()
		return
	}
	w.servers[id] = f
	w.wg.Go(func() {
		err := raw.Read(func(fd uintptr) bool {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			return n > 0 || err != nil && err != unix.EINTR
		})
		if err == nil { // else it was closed
			w.nudge()
		}
	})
}

// pause waits for a change, or for later. It rests in proportion to what a look
// costs, so that a storm of changes does not keep the machine busy with looking.
func (w *watch) pause(ctx context.Context, took, later time.Duration) bool {
	timer := time.NewTimer(later)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	case <-w.wake:
	}
	rest := time.NewTimer(max(watchQuiet, watchRest*took))
	defer rest.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-rest.C:
		select {
		case <-w.wake: // what came meanwhile is seen by the look that follows
		default:
		}
		return true
	}
}
