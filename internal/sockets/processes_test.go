package sockets

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// crowdOf makes a /proc of processes that all name a socket.
func crowdOf(t *testing.T, n int) *looker {
	t.Helper()
	proc := t.TempDir()
	for pid := 1; pid <= n; pid++ {
		dir := fmt.Sprint(proc, "/", pid)
		for name, text := range map[string]string{
			"stat":    fmt.Sprintf("%d (sh) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %d 0 0\n", pid, pid),
			"auxv":    "",
			"environ": fmt.Sprintf("TMUX=/srv/%d,1,0\x00", pid),
		} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(dir+"/"+name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	l := newLooker(Options{})
	l.proc, l.patience = proc, 100*time.Millisecond
	return l
}

// heldBy has who reads some of the processes be held up, and nobody else be taken for that, as who
// only has to wait for a processor.
func heldBy(l *looker, who func(pid int) bool, hold func()) {
	var mu sync.Mutex
	when := map[string]time.Time{}
	l.holdUp = func(pid int) {
		if !who(pid) {
			return
		}
		mu.Lock()
		when[fmt.Sprint(pid)] = time.Now()
		mu.Unlock()
		hold()
	}
	l.late = func(pid string, since time.Time) bool {
		mu.Lock()
		defer mu.Unlock()
		at, held := when[pid]
		return held && !since.After(at) // who reads the rest of it has begun later
	}
}

// TestProcessesThatHoldUp: whose memory lets its reader wait without end keeps nobody from
// seeing the others, is seen itself but for what it said as it began, and is told of.
func TestProcessesThatHoldUp(t *testing.T) {
	l := crowdOf(t, 40)
	end := make(chan struct{})
	defer close(end)
	heldBy(l, func(pid int) bool { return pid%10 == 3 }, func() { <-end })
	found, err := l.processes(t.Context())
	if err == nil || !strings.Contains(err.Error(), "13") || !strings.Contains(err.Error(), "does not let it be read") {
		t.Errorf("it is not told: %v", err)
	}
	if len(found) != 40 {
		t.Errorf("%d processes are seen", len(found))
	}
	for _, p := range found {
		want := fmt.Sprintf("/srv/%d", p.pid)
		if p.pid%10 == 3 {
			want = ""
		}
		if p.tmux != want {
			t.Errorf("process %d: %q", p.pid, p.tmux)
		}
	}
	for range maxMute + 1 {
		if path, _ := l.vouched(process{pid: 13, uid: 7}); path != "" {
			t.Errorf("asked for more it says %q", path)
		}
	}
	if told := l.silent(); len(told) != 1 || l.mute[7] != maxMute {
		t.Errorf("told %+v, %d were waited for", told, l.mute[7])
	}
}

// TestProcessesHeldBefore: who looks again and again waits once for a process that does not
// let its memory be read, and tells of it each time.
func TestProcessesHeldBefore(t *testing.T) {
	l := crowdOf(t, 20)
	l.opt.mute = &hanging{on: map[string]bool{}}
	end := make(chan struct{})
	defer close(end)
	var waits atomic.Int32
	heldBy(l, func(pid int) bool { return pid == 13 }, func() { waits.Add(1); <-end })
	for range 3 {
		found, err := l.processes(t.Context())
		if len(found) != 20 || err == nil || !strings.Contains(err.Error(), "process 13 is not known") {
			t.Errorf("%d processes are seen, %v", len(found), err)
		}
	}
	if n := waits.Load(); n != 1 {
		t.Errorf("%d wait for it", n)
	}
	for i := range maxHeld {
		l.opt.mute.begin(fmt.Sprint("another ", i))
	}
	if found, err := l.processes(t.Context()); len(found) != 20 || err == nil || waits.Load() != 1 {
		t.Errorf("beside too many: %d processes, %v", len(found), err)
	}
}

// TestProcessesThatLetGo: whose memory lets its reader go when others have given it up hides
// nobody behind that: what such a reader would have read next is read.
func TestProcessesThatLetGo(t *testing.T) {
	l := crowdOf(t, 400)
	l.patience = 40 * time.Millisecond
	// One is let go as soon as more are held up than there are readers: it was left by then.
	var mu sync.Mutex
	var held []chan struct{}
	heldBy(l, func(pid int) bool { return pid%40 == 3 }, func() {
		let := make(chan struct{})
		mu.Lock()
		if held = append(held, let); len(held) > runtime.GOMAXPROCS(0) {
			close(held[0])
			held = held[1:]
		}
		mu.Unlock()
		<-let
	})
	defer func() {
		mu.Lock()
		defer mu.Unlock()
		for _, let := range held {
			close(let)
		}
	}()
	found, _ := l.processes(t.Context())
	unread := 0
	for _, p := range found {
		if p.tmux == "" && p.pid%40 != 3 {
			unread++
		}
	}
	if len(found) != 400 || unread > 0 {
		t.Errorf("%d processes are seen, and of %d others nothing is known", len(found), unread)
	}
}

// TestTooManyHoldUp: those who want to hold up everything end the look, which says so.
func TestTooManyHoldUp(t *testing.T) {
	l := crowdOf(t, 3*maxHeld)
	l.patience = 20 * time.Millisecond
	end := make(chan struct{})
	defer close(end)
	l.holdUp = func(int) { <-end }
	_, err := l.processes(t.Context())
	if err == nil || !strings.Contains(err.Error(), "not all processes were looked at") {
		t.Errorf("it is not told: %v", err)
	}
}
