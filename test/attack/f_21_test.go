package attack

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// A module hangs, stops its process, or crashes. Such a login fails, soon, and others come
// in meanwhile. (Mallory wants to keep them out, and has more such logins than there are
// processors.)
func TestF21Modules(t *testing.T) {
	t.Parallel()
	row{pam: toyStack(t), sshMore: "pam_wait: 8s", teeth: "teeth_pam", unlogged: true, waits: true, attack: func(w *world) {
		deeds := []string{"hang", "hang", "hang", "stop", "stop", "segv", "exit"}
		failed := make(chan string, len(deeds))
		for i, deed := range deeds {
			go func() {
				w.deed(stranger, fmt.Sprintf("127.0.6.%d", i+1), deed)
				failed <- deed
			}()
		}
		w.bare()
		w.comeMeanwhile()
		patience := time.After(2 * host.Patience)
		if w.control {
			patience = time.After(9 * time.Second) // longer than pam_wait: they hang for good
		}
		for left := len(deeds); left > 0; {
			select {
			case <-failed:
				left--
			case <-patience:
				w.gain("%d logins go on whose modules have said nothing", left)
				patience = nil
				for _, pid := range w.PAMProcesses() {
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
			}
		}
		w.comeMeanwhile()
		tmuxtest.Eventually(w.t, func() bool { return len(w.PAMProcesses()) == 0 }, "no process asks PAM any more")
	}}.run(t)
}

// comeMeanwhile has others come in.
func (w *world) comeMeanwhile() {
	w.t.Helper()
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			c, err := w.DialPassword(carol, &host.Talk{From: fmt.Sprintf("127.0.7.%d", i+1), Answers: []string{"good"}})
			if err != nil {
				w.t.Errorf("carol does not come in: %v", err)
				return
			}
			_ = c.Close()
		})
	}
	all.Wait()
}

// bare looks at the processes that ask PAM: they have nothing of muxward's but their line.
func (w *world) bare() {
	w.t.Helper()
	looked := 0
	tmuxtest.Eventually(w.t, func() bool {
		for _, pid := range w.PAMProcesses() {
			proc := fmt.Sprintf("/proc/%d/", pid)
			env, err := os.ReadFile(proc + "environ")
			dir, derr := os.Readlink(proc + "cwd")
			session, serr := unix.Getsid(pid)
			fds, ferr := os.ReadDir(proc + "fd")
			if errors.Join(err, derr, serr, ferr) != nil || len(fds) == 0 || len(env) == 0 {
				continue // it has ended, or just begins: a new program has no environment for a moment
			}
			looked++
			if names := regexp.MustCompile(`=[^\x00]*\x00`).ReplaceAllString(string(env), " "); names != "PATH LC_ALL GOMAXPROCS " || dir != "/" || session != pid {
				w.t.Errorf("it has the environment %q, is in %s and session %d of %d", env, dir, session, pid)
			}
			for _, fd := range fds {
				what, err := os.Readlink(proc + "fd/" + fd.Name())
				n, _ := strconv.Atoi(fd.Name())
				socket := strings.HasPrefix(what, "socket:")
				ok := n < 3 && what == "/dev/null" || n == 3 && socket || n > 3 && !socket && !strings.HasPrefix(what, w.State) // what it opens itself
				if err == nil && !ok {
					w.t.Errorf("it has descriptor %d, %s", n, what)
				}
			}
		}
		return looked > 0
	}, "a process asks PAM")
}
