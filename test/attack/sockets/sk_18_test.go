package sockets

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// sentry is the process that looks for the watch.
func (w *watching) sentry(t *testing.T) (pid int) {
	t.Helper()
	tmuxtest.Eventually(t, func() bool {
		tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(w.pid) + "/task/*/children")
		for _, task := range tasks {
			children, _ := os.ReadFile(task) // it may have ended
			for _, child := range strings.Fields(string(children)) {
				if words, err := os.ReadFile("/proc/" + child + "/cmdline"); err == nil && strings.HasSuffix(string(words), "\x00sentry\x00") {
					pid, _ = strconv.Atoi(child)
				}
			}
		}
		return pid != 0
	}, "a process looks for the watch")
	return pid
}

// held reports whether a thread of a process waits where nothing ends it.
func held(pid int) bool {
	tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/stat")
	return slices.ContainsFunc(tasks, func(task string) bool {
		stat, _ := os.ReadFile(task) // it may have ended
		i := strings.LastIndexByte(string(stat), ')')
		return i > 0 && strings.HasPrefix(string(stat[i:]), ") D ")
	})
}

// The attacker wants root's watch to stand still, or to be one that nobody can end,
// by a file system over her directory that takes questions and never answers. It
// goes on telling of everything else, and ends when it is told to. The control run is
// the process that looked: it was killed, and is held there.
func TestSK18WatchBesideWhatHangs(t *testing.T) {
	t.Parallel()
	z := newCage(t)
	dir, hers := z.dir(owner, 0o700), z.dir(stranger, 0o755)
	z.unanswering(hers)
	w := z.watch()
	pid := w.sentry(t)
	tmuxtest.Eventually(t, func() bool { return w.blind(hers) }, "it is told that hers does not answer")
	z.socket(dir+"/dead", owner, 0o600)
	tmuxtest.Eventually(t, func() bool { return slices.Contains(w.says(), "MW-S001 "+dir+"/dead") }, "beside it all is told")
	began := time.Now()
	w.end()
	host.InTime(t, began, 2*time.Second, "the watch ends")
	_ = unix.Kill(pid, unix.SIGKILL) // it may have been already
	tmuxtest.Eventually(t, func() bool { return held(pid) }, "who looked is held: else this is no test")
}

// What looks for the watch ends, by the kernel's choice or anybody's. It is said that
// nothing was seen for a while, nothing is told as right again for it, and another
// one looks.
func TestSK18AnotherLooks(t *testing.T) {
	t.Parallel()
	z := newCage(t)
	dir := z.dir(owner, 0o700)
	first, second := "MW-S001 "+z.socket(dir+"/first", owner, 0o600), "MW-S001 "+dir+"/second"
	w := z.watch()
	tmuxtest.Eventually(t, func() bool { return slices.Contains(w.says(), first) }, "the first is told of")
	pid := w.sentry(t)
	z.must(unix.Kill(pid, unix.SIGKILL))
	tmuxtest.Eventually(t, func() bool { return w.blind("/") }, "it is told that nobody looks")
	if !slices.Contains(w.says(), first) {
		t.Error("what nobody looked at is told as right again")
	}
	z.socket(dir+"/second", owner, 0o600)
	tmuxtest.Eventually(t, func() bool { return slices.Equal(w.says(), []string{first, second}) }, "another one looks")
	if again := w.sentry(t); again == pid {
		t.Errorf("process %d looks still", pid)
	}
}
