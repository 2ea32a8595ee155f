package sockets

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// A process can have whoever reads its memory, where its environment lies, wait without
// end: the kernel makes them wait for each other, and it may wait for a file system of its
// account's own. So nobody waits for the reader of one process for longer than this, and
// such a process is read once more without its memory.
const (
	procPatience = 3 * time.Second
	maxHeld      = 64 // readers that are held up; beyond that no more processes are read
	maxMute      = 4  // of one account's processes, beyond which no more of these are asked for more
)

// reader reads processes one after the other. Who is held up is left behind.
type reader struct {
	at     int  // what is read, of the round's names; for who reads alone
	memory bool // of that one: what lies in its memory, too
	doing  atomic.Pointer[task]
}

// task is what a reader does: nil while it reads nothing, or nobody waits for it any more.
// Whoever takes it away decides about that: the reader, which has done it, or who has waited
// for too long. A reader whose task was taken away gives nothing and does nothing more.
type task struct {
	at    int
	since time.Time
}

// looked is a process that was read, or with at < 0 that a reader has no more to read.
type looked struct {
	at int
	p  process
	ok bool
}

// round reads all processes once.
type round struct {
	l       *looker
	names   []string
	next    atomic.Int64
	got     chan looked
	over    chan struct{} // closed when nobody collects any more
	readers []*reader
	active  int
	held    []string // what held readers up
	known   []string // what holds those of earlier looks up
}

// processes reads all processes, on all processors. What cannot be read of one is
// left empty: it may have ended, or be another account's.
func (l *looker) processes(ctx context.Context) ([]process, error) {
	dir, err := os.Open(l.proc)
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(maxProcesses)
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	l.ours = namespaces(l.proc + "/self")
	r := &round{l: l, names: names, got: make(chan looked, 64), over: make(chan struct{})}
	defer close(r.over)
	for range runtime.GOMAXPROCS(0) {
		r.begin(ctx, int(r.next.Add(1)-1), true)
	}
	found := r.collect(ctx)
	if ctx.Err() != nil || len(names) == maxProcesses || len(r.held) >= maxHeld {
		err = errors.New("not all processes were looked at: it took too long, or there are too many")
	}
	if mute := slices.Concat(r.held, r.known); len(mute) > 0 {
		err = errors.Join(err, fmt.Errorf("the environment of process %s is not known: it does not let it be read", some(mute)))
	}
	return found, errors.Join(err, l.budget.err())
}

// begin has one more reader read from at on; that one with its memory or without.
func (r *round) begin(ctx context.Context, at int, memory bool) {
	by := &reader{at: at, memory: memory}
	r.readers = append(r.readers, by)
	r.active++
	go r.read(ctx, by)
}

func (r *round) read(ctx context.Context, by *reader) {
	buf := make([]byte, procRoom)
	for ; by.at < len(r.names) && ctx.Err() == nil; by.at, by.memory = int(r.next.Add(1)-1), true {
		does := &task{by.at, time.Now()}
		by.doing.Store(does)
		x := looked{at: by.at}
		if pid, err := strconv.Atoi(r.names[by.at]); err == nil {
			x.p, x.ok = r.l.process(pid, r.l.ours, buf, by.memory)
		}
		if !by.doing.CompareAndSwap(does, nil) || x.ok && !r.give(x) {
			return
		}
	}
	r.give(looked{at: -1})
}

// give reports whether somebody still collects.
func (r *round) give(x looked) bool {
	select {
	case r.got <- x:
		return true
	case <-r.over:
		return false
	}
}

// collect gives what is read, in the order of the names.
func (r *round) collect(ctx context.Context) []process {
	found := make([]process, len(r.names)) // those that are not there have no pid
	look := time.NewTicker(r.l.patience / 4)
	defer look.Stop()
	for r.active > 0 {
		select {
		case x := <-r.got:
			if x.at < 0 {
				r.active--
			} else {
				found[x.at] = x.p
				if x.p.held {
					r.known = append(r.known, r.names[x.at])
				}
			}
		case <-look.C:
			r.leave(ctx)
		}
	}
	return slices.DeleteFunc(found, func(p process) bool { return p.pid == 0 })
}

// leave leaves readers behind that are held up, and has others go on.
func (r *round) leave(ctx context.Context) {
	for _, by := range r.readers {
		does := by.doing.Load()
		if does == nil || !r.late(does) || !by.doing.CompareAndSwap(does, nil) {
			continue
		}
		at := does.at
		r.active--
		again := !slices.Contains(r.held, r.names[at])
		if again {
			r.held = append(r.held, r.names[at])
		}
		switch {
		case len(r.held) >= maxHeld: // those that are not held up go on
		case again:
			r.begin(ctx, at, false)
		default: // it cannot be read without its memory either
			r.begin(ctx, int(r.next.Add(1)-1), true)
		}
	}
}

// late reports whether who reads a process is held up.
func (r *round) late(does *task) bool {
	if r.l.late != nil {
		return r.l.late(r.names[does.at], does.since)
	}
	return time.Since(does.since) >= r.l.patience
}

// vouched is vouches, for which nobody waits too long.
func (l *looker) vouched(p process) (path string, uid uint32) {
	if p.program != "" || p.tmpdir != "" {
		return p.tmux, p.uid
	}
	if l.mute[p.uid] >= maxMute || len(l.mute) >= maxHeld {
		return "", 0
	}
	type said struct {
		path string
		uid  uint32
	}
	done := make(chan said, 1)
	go func() {
		path, uid := l.vouches(p)
		done <- said{path, uid}
	}()
	limit := time.NewTimer(l.patience)
	defer limit.Stop()
	select {
	case s := <-done:
		return s.path, s.uid
	case <-limit.C:
		l.mute[p.uid]++
		return "", 0
	}
}

// silent tells of whom too little is known as their processes do not answer.
func (l *looker) silent() (out []Skipped) {
	for _, uid := range slices.Sorted(maps.Keys(l.mute)) {
		out = append(out, Skipped{Path: Path(l.proc), Others: true,
			Reason: fmt.Sprintf("processes of uid %d do not let their environment be read: sockets that these name may be missing", uid)})
	}
	return out
}
