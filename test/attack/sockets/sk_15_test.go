package sockets

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/sockets"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// The attacker wants root's tidy-up to stand still, or to end, before it comes to
// others. Between root's look and root's step she mounts a file system over her
// directory that takes questions and never answers, and stops whatever of root's
// she may signal. Her own step fails after a while; what is alice's is mended. That
// her signal hits something is the control run.
func TestSK15HoldingUpRoot(t *testing.T) {
	z := newCage(t)
	hers := z.dir(stranger, 0o755)
	dead := z.socket(z.dir(owner, 0o700)+"/dead", owner, 0o600)
	steps := z.steps("MW-S001", "MW-S005")
	if len(steps) != 2 {
		t.Fatalf("%d steps", len(steps))
	}
	z.unanswering(hers)
	done := make(chan sockets.Done)
	go func() {
		for _, s := range steps {
			if s.Finding.UID == tmuxtest.As(t, stranger).UID {
				m := z.mender()
				m.Time = time.Duration(soak.N(10, 2)) * time.Second
				done <- m.Mend(t.Context(), s)
			}
		}
	}()
	began, hit := time.Now(), false
	tmuxtest.Eventually(t, func() bool {
		hit = hit || z.stops(stranger)
		select {
		case d := <-done:
			if d.Outcome != sockets.Failed || !strings.Contains(d.Reason, "no answer") {
				t.Errorf("hers: %+v", d)
			}
			return true
		default:
			return false
		}
	}, "her step ends")
	host.InTime(t, began, 15*time.Second, "her step is given up")
	if !hit {
		t.Error("control run: she could signal nobody")
	}
	for _, s := range steps {
		if s.Finding.UID == tmuxtest.As(t, owner).UID {
			if d := z.mend(s); d.Outcome != sockets.Mended || statOf(dead) != [3]uint64{} {
				t.Errorf("alice's: %+v", d)
			}
		}
	}
}

// unanswering mounts a file system that reads each question and answers none but
// the first, which is about the mount itself: not even a signal ends who asks then.
func (z *cage) unanswering(path string) {
	z.t.Helper()
	fd, release := z.fuse(path)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buf := make([]byte, 1<<20)
		for {
			n, err := unix.Read(fd, buf)
			if err != nil && err != unix.EINTR {
				return
			}
			const asks, header, begin = 40, 16, 26 // bytes of a question's and an answer's header, and the first question
			ne := binary.NativeEndian
			if n < asks || ne.Uint32(buf[4:]) != begin {
				continue
			}
			answer := make([]byte, header+64)
			ne.PutUint32(answer, uint32(len(answer)))
			ne.PutUint64(answer[8:], ne.Uint64(buf[8:]))
			for i, v := range []uint32{7, 31, 0, 0, 0, 4096, 1} { // version, and what may be written at once
				ne.PutUint32(answer[header+4*i:], v)
			}
			_, _ = unix.Write(fd, answer) // else nobody gets as far as to wait
		}
	}()
	z.t.Cleanup(func() {
		release()
		<-ended
	})
}

// stops has an account send SIGSTOP to every thread and child of this process, and
// reports whether one took it.
func (z *cage) stops(who string) bool {
	z.t.Helper()
	tasks, _ := filepath.Glob("/proc/self/task/*")
	var ids []string
	for _, task := range tasks {
		children, _ := os.ReadFile(task + "/children") // it may have ended
		ids = append(append(ids, filepath.Base(task)), strings.Fields(string(children))...)
	}
	script := `s=1; for id; do kill -STOP "$id" 2>/dev/null && s=0; done; exit $s`
	return tmuxtest.As(z.t, who).Command("sh", append([]string{"-c", script, "sh"}, ids...)...).Run() == nil
}
