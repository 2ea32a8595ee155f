package sockets

import (
	"fmt"
	"os"
	"strings"
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

// TestProcessesThatHoldUp: whose memory lets its reader wait without end keeps nobody from
// seeing the others, is seen itself but for what it said as it began, and is told of.
func TestProcessesThatHoldUp(t *testing.T) {
	l := crowdOf(t, 40)
	end := make(chan struct{})
	defer close(end)
	l.holdUp = func(pid int) {
		if pid%10 == 3 {
			<-end
		}
	}
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
	if path, _ := l.vouched(process{pid: 13}); path != "" || l.mute.Load() != 1 {
		t.Errorf("asked for more it says %q", path)
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
