package sockets

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

const (
	watchEvery = 30 * time.Second       // when nothing tells of a change
	watchIdle  = 1000                   // how many times as long as a look kept us busy, then, up to
	watchMost  = 5 * time.Minute        // this
	watchLook  = time.Minute            // for a look
	watchSoon  = time.Second            // after what is to be tried, or looked at, again
	watchQuiet = 100 * time.Millisecond // until a series of changes is looked at
	watchRest  = 4                      // how many times as long as a look kept us busy, at least, until the next
	maxWatched = 4096                   // directories, and servers

	watchRestMost = 10 * time.Minute // until another process looks, where the last ones gave no answer
)

// sentry looks, hands over what it saw, and looks again whenever something may have
// changed: a directory of sockets or a server's end. Every look is a whole one, so that
// nothing that was missed in between matters. If hand gives true the next one comes
// soon, and later each time that it does so again. It returns when ctx ends or hand
// fails.
func sentry(ctx context.Context, opt Options, hand func(Scan) (again bool, err error)) error {
	w := &watch{opt: opt, wake: make(chan struct{}, 1), servers: map[serverID]*os.File{}, added: map[string]fileID{}}
	defer w.close()
	if fs, err := fsnotify.NewWatcher(); err == nil { // else the timer remains
		w.dirs = fs
		w.wg.Go(w.listen)
	}
	w.opt.hung, w.opt.mute = &hanging{on: map[string]bool{}}, &hanging{on: map[string]bool{}}
	soon := watchSoon
	for {
		before := busy()
		s, err := w.look(ctx)
		took := busy() - before
		if err != nil {
			return err
		}
		again, err := hand(s)
		if err != nil {
			return err
		}
		later := next(s, took)
		if again || !s.Complete() {
			later, soon = min(later, soon), min(2*soon, watchEvery)
		} else {
			soon = watchSoon
		}
		w.follow(s)
		if !w.pause(ctx, took, later) {
			return nil
		}
	}
}

// next is when to look again although nothing tells of a change: soon, if what was
// too new to be called dead may be so by then; and later where a look costs much, so
// that who watches is idle.
func next(s Scan, took time.Duration) time.Duration {
	for _, k := range s.Sockets {
		if k.Life == Unknown && s.Time.Sub(k.Changed) < s.Settle {
			return s.Settle
		}
	}
	return min(max(watchEvery, watchIdle*took), watchMost)
}

type serverID struct {
	pid   int
	start uint64
}

// watch is what a sentry holds.
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
	ctx, cancel := context.WithTimeout(ctx, watchLook)
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

// busy is for how long this process has had a processor: who only waits, for a
// directory that does not answer, need not rest.
func busy() time.Duration {
	var use unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &use) != nil {
		return 0 // it never is
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
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
	rest := time.NewTimer(min(max(watchQuiet, watchRest*took), watchEvery))
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
