package attack

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Carol comes by ssh over a network on which each packet takes its time, one in twenty is
// lost, others overtake each other, and none may be large; then nothing comes through for a
// while, and at last nothing any more. What she types arrives once and in order, what is
// printed is shown to her, and others notice nothing. Behind the hole she goes on, or
// her connection has ended; when nothing comes through any more it ends by itself.
// The control run is the count of what was lost and late, and how long a key took.
func TestF30BadNetwork(t *testing.T) {
	t.Parallel()
	net := newBadNet(t)
	b := lay(t, host.Config{SSH: []string{typist}, SSHListen: "0.0.0.0:0", Change: func(cmd *exec.Cmd) {
		args := net.at(0, append([]string{cmd.Path}, cmd.Args[1:]...)...)
		path, err := exec.LookPath(args[0])
		if err != nil {
			t.Fatal(err)
		}
		cmd.Path, cmd.Args = path, args
	}})
	attach := func() *tmuxtest.Terminal {
		args := net.at(1, append([]string{"ssh"}, append(b.SSHArgs(b.KeyOf(typist)), "-tt", owner+"/shared@"+nearAddr)...)...)
		x := tmuxtest.Open(t, tmuxtest.TerminalConfig{Env: []string{"LANG=C.UTF-8"}}, args[0], args[1:]...)
		x.WaitFor("recording")
		return x
	}
	x := attach()
	var typed strings.Builder
	press := func(keys string) {
		typed.WriteString(keys)
		x.Type(keys)
	}
	bad := weather{delay: 150 * time.Millisecond, loss: 0.05, reorder: 0.1}
	net.be(bad)
	for i := range soak.N(200, 10) {
		began := time.Now()
		press(string(rune('a' + i%26)))
		b.arrivedWhole(typed.String())
		if took := time.Since(began); took < bad.delay {
			t.Errorf("control run: a key takes %v on this network", took)
		}
	}
	lost, late := net.counts()
	for range 1000 { // with so few packets it may need some more
		if lost > 0 && late > 0 {
			break
		}
		press("-")
		b.arrivedWhole(typed.String())
		lost, late = net.counts()
	}
	t.Logf("%d packets lost, %d late", lost, late)

	// A hole.
	net.be(weather{hole: true})
	press("in the hole")
	hole := time.Duration(soak.N(60, 2)) * time.Second
	for began := time.Now(); time.Since(began) < hole; pause(100 * time.Millisecond) {
		swift(t, "the owner's command meanwhile", func() { b.Must(owner, "display-message", "-p", "-t", "shared", "here") })
	}
	net.be(weather{})
	tmuxtest.Eventually(t, func() bool { return x.Exited() || string(b.rec.Bytes()) == typed.String() },
		"behind the hole it goes on or has ended; the pane got %q of %q", lateBytes{b}, typed.String())
	if x.Exited() {
		if got := string(b.rec.Bytes()); !strings.HasPrefix(typed.String(), got) {
			t.Errorf("typed %q, the pane got %q", typed.String(), got)
		}
		return
	}
	net.be(bad)
	press("and on")
	b.arrivedWhole(typed.String())
	if soak.Full() { // it takes its time, whatever the counts
		net.be(weather{hole: true})
		began := time.Now()
		b.Must(owner, "send-keys", "-t", "shared:0.1", "-l", "x")
		for b.attachedBySSH() && time.Since(began) < 3*time.Minute {
			pause(time.Second)
		}
		host.InTime(t, began, 100*time.Second, "a connection that nothing comes through any more has ended")
	}
	b.kept()
	b.VerifyAudit()
}

// arrivedWhole waits until the pane has got just that; a retransmission takes a while.
func (b *bed) arrivedWhole(keys string) {
	b.t.Helper()
	began := time.Now()
	for string(b.rec.Bytes()) != keys && time.Since(began) < 3*tmuxtest.Patience {
		pause(5 * time.Millisecond)
	}
	if got := string(b.rec.Bytes()); got != keys {
		b.t.Fatalf("typed %q, the pane got %q", keys, got)
	}
}

// attachedBySSH reports whether the typist is attached.
func (b *bed) attachedBySSH() bool {
	return strings.Contains(b.Muxward(root, "who").Out, typist)
}

// lateBytes is what the pane has got by the time it is printed.
type lateBytes struct{ b *bed }

func (l lateBytes) String() string { return string(clip(l.b.rec.Bytes())) }
