package attack

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// toyStack has people come in by a module that does what they say, and writes whom it is
// asked about.
func toyStack(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("auth required %[1]s $BASE/heard\naccount required %[1]s\n", host.Module(t, "../host/testdata/toy.c"))
}

// Mallory has a password here, and finds modules that can be had to do things: she wants
// to be made somebody else, to have a process of root's outlive her login, to have
// somebody's terminal obey what is asked, to have a path made of her name, or else to take
// the door down for everybody. Each login fails alone, or is hers; carol comes in meanwhile.
func TestHP05Modules(t *testing.T) {
	t.Parallel()
	row{pam: toyStack(t), teeth: "teeth_pam", gains: 4, unlogged: true, attack: func(w *world) {
		deeds := []string{"user " + owner, "user root", "segv", "abort", "exit", "longjmp", "kill", "garbage", "line", "long", "prompts", "escape", "stray"}
		var all sync.WaitGroup
		for i, deed := range deeds {
			all.Go(func() { w.deed(stranger, fmt.Sprintf("127.0.6.%d", i+1), deed) })
		}
		for i, fine := range []string{"good", "streams", "leak"} {
			all.Go(func() {
				c, err := w.DialPassword(carol, &host.Talk{From: fmt.Sprintf("127.0.7.%d", i+1), Answers: []string{fine}})
				if err != nil {
					w.t.Errorf("carol does not come in meanwhile (%s): %v", fine, err)
					return
				}
				_ = c.Close()
			})
		}
		names := []string{"../" + stranger, stranger + "/../root", "-" + stranger, "mw\x00mallory", "mw mallory\n", "\x1b[2J", strings.Repeat("x", 10<<10)}
		for i, name := range names {
			all.Go(func() { w.deed(name, fmt.Sprintf("127.0.8.%d", i+1), "good") })
		}
		all.Wait()
		w.heardByModules()
		tmuxtest.Eventually(w.t, func() bool { return len(w.PAMProcesses()) == 0 }, "no process asks PAM any more")
		for _, what := range []string{"is let in by a module", "a module is asked about", "lives on behind the login", "what is asked has U+001B"} {
			if w.control && !strings.Contains(strings.Join(w.gains, "\n"), what) {
				w.t.Errorf("without the checks nothing %q", what)
			}
		}
	}}.run(t)
}

// Mallory comes to a muxward whose service asks nothing, as it is one that lets in whom root
// is asking for, or everybody. She wants to be who she says she is.
func TestHP05Unasked(t *testing.T) {
	t.Parallel()
	for _, stack := range []string{"auth sufficient pam_rootok.so\nauth required pam_deny.so\naccount required pam_permit.so\n", "auth required pam_permit.so\naccount required pam_permit.so\n"} {
		row{pam: stack, teeth: "teeth_pam", unlogged: true, waits: true, gains: 2, attack: func(w *world) {
			for name, method := range map[string]ssh.AuthMethod{"password": ssh.Password("x"), "keyboard-interactive": ssh.KeyboardInteractive((&host.Talk{}).Answer)} {
				c, err := ssh.Dial("tcp", w.SSHAddr(), &ssh.ClientConfig{User: owner, Timeout: host.Patience, Auth: []ssh.AuthMethod{method}, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
				if err == nil {
					_ = c.Close()
					w.gain("the owner is let in by %s, unasked", name)
				}
			}
		}}.run(t)
	}
}

// deed has somebody come by a name and have the module do something, for which nobody is
// to be let in.
func (w *world) deed(name, from, what string) {
	answers := []string{what}
	for range 200 { // it may ask for more
		answers = append(answers, "more")
	}
	k := &host.Talk{From: from, Answers: answers}
	c, err := w.DialPassword(name, k)
	if err == nil {
		_ = c.Close()
		w.gain("%.20q is let in by a module that did %q", name, what)
	}
	w.obeyed("what is asked", k.Shown())
}

// heardByModules looks at what modules were asked about, and at what they left.
func (w *world) heardByModules() {
	w.t.Helper()
	data, err := os.ReadFile(w.Base + "/heard")
	if err != nil {
		w.t.Fatal(err)
	}
	strays := 0
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		if number, is := strings.CutPrefix(line, "stray "); is {
			strays++
			w.outlived(number)
			continue
		}
		switch line {
		case stranger, carol, "no_such_account":
		default:
			w.gain("a module is asked about %.40q", line)
		}
	}
	if strays == 0 {
		w.t.Error("the module started nothing: nothing was tried")
	}
}

// outlived sees whether a process lives that a login had started.
func (w *world) outlived(number string) {
	w.t.Helper()
	pid, err := strconv.Atoi(number)
	if err != nil {
		w.t.Fatal(err)
	}
	if within(time.Second, func() bool { return doomed(w.t, pid) }) {
		return
	}
	w.gain("process %d lives on behind the login", pid)
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

// doomed reports whether a process has ended, or has nothing left to do but that: until then
// it waits for a processor as others do.
func doomed(t *testing.T, pid int) bool {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil || strings.Contains(string(status), "\nState:\tZ") {
		return true
	}
	for line := range strings.Lines(string(status)) {
		if mask, is := strings.CutPrefix(line, "SigPnd:"); is {
			pending, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			return pending&(1<<(syscall.SIGKILL-1)) != 0
		}
	}
	return false
}
