package attack

import (
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// A module hangs, stops its process, or crashes. Such a login fails, soon, and others come
// in meanwhile. (Mallory wants to keep them out, and has more such logins than there are
// processors.)
func TestF21Modules(t *testing.T) {
	t.Parallel()
	row{pam: toyStack(t), sshMore: "pam_wait: 8s", teeth: "teeth_pam", unlogged: true, attack: func(w *world) {
		deeds := []string{"hang", "hang", "hang", "stop", "stop", "segv", "exit"}
		failed := make(chan string, len(deeds))
		for i, deed := range deeds {
			go func() {
				w.deed(stranger, fmt.Sprintf("127.0.6.%d", i+1), deed)
				failed <- deed
			}()
		}
		w.comeMeanwhile()
		patience := time.After(2 * host.Patience)
		if w.control {
			patience = time.After(15 * time.Second) // they hang for good
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
