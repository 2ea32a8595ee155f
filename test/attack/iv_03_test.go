package attack

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Mallory has the code of an invite with which one knocks. She comes with it, and again
// while she waits, and says yes to herself and to bob, whom alice says no to; bob says yes
// to her. Nobody comes in whom alice did not let in. In the control run a code is enough.
func TestIV03Knock(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_knock", restless: true, gains: 2, attack: func(w *world) {
		w.Must(owner, "new-session", "-d", "-s", "iv", "cat")
		_, code := w.share("--role", "typist", "-t", "iv", "--uses", "9", "--approve")
		m, b := knocker{world: w, who: stranger}, knocker{world: w, who: viewer}
		m.knock(code)
		if w.control {
			b.knock(code)
			return
		}
		if r := w.Muxward(stranger, "join", code); r.Code == 0 || !strings.Contains(r.Err, "you have knocked with this code already") {
			w.t.Errorf("she knocks twice: %+v", r)
		}
		if r := w.Muxward(stranger, "approve", m.id); r.Code == 0 {
			w.gain("mallory lets herself in: %+v", r)
		}
		m.in("she waits")
		b.knock(code)
		if r := w.Muxward(stranger, "approve", b.id); r.Code == 0 {
			w.gain("mallory lets bob in: %+v", r)
		}
		if r := w.Muxward(owner, "deny", b.id); r.Code != 0 {
			w.t.Errorf("alice says no: %+v", r)
		}
		b.ends()
		if r := w.Muxward(viewer, "approve", m.id); r.Code == 0 {
			w.gain("bob lets mallory in: %+v", r)
		}
		b.in("alice said no")
		m.in("alice said no to bob")
		if r := w.Muxward(owner, "approve", m.id); r.Code != 0 {
			w.t.Errorf("alice lets mallory in: %+v", r)
		}
		m.ends()
		if r := w.Tmux(stranger, "has-session", "-t", "mwalice/iv"); r.Code != 0 {
			w.t.Errorf("mallory was let in: %+v", r)
		}
		b.in("alice let mallory in")
	}}.run(t)
}

// knocker is somebody who comes with a code.
type knocker struct {
	*world
	who, id string
	out     bytes.Buffer
	cmd     *exec.Cmd
	done    chan struct{}
}

// knock comes with a code until that waits for an answer, or they are in.
func (k *knocker) knock(code string) {
	k.t.Helper()
	k.cmd = tmuxtest.As(k.t, k.who).Command(k.Bin(), "join", code)
	k.cmd.Env = k.Env(k.who)
	k.cmd.Stdout, k.cmd.Stderr = &k.out, &k.out
	if err := k.cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	k.done = make(chan struct{})
	go func() {
		defer close(k.done)
		_ = k.cmd.Wait() // its exit code is asked for
	}()
	k.t.Cleanup(func() { _ = k.cmd.Process.Kill(); <-k.done })
	tmuxtest.Eventually(k.t, func() bool {
		select {
		case <-k.done:
			return true
		default:
		}
		for line := range strings.Lines(k.Muxward(owner, "approvals").Out) {
			if id, rest, _ := strings.Cut(line, "\t"); strings.HasPrefix(rest, k.who+"\t") {
				k.id = id
				return true
			}
		}
		return false
	}, k.who+" knocks")
	k.in("nobody has answered")
}

// in tells whether somebody is in who was not let in.
func (k *knocker) in(when string) {
	k.t.Helper()
	if k.Tmux(k.who, "has-session", "-t", "mwalice/iv").Code == 0 {
		k.gain("%s is in while %s", k.who, when)
	}
}

// ends waits until the knock has come to something.
func (k *knocker) ends() {
	k.t.Helper()
	tmuxtest.Eventually(k.t, func() bool {
		select {
		case <-k.done:
			return true
		default:
			return false
		}
	}, k.who+" hears the answer")
}
