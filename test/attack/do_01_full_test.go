package attack

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// fullEach is how many connections each of many people has.
const fullEach = 20

// fullKiB bounds what a connection holds, some times what is measured. Go gives back bit
// by bit what was unused for two minutes: shrinkTime is how long that may take.
const (
	fullKiB    = 384
	shrinkTime = 5 * time.Minute
)

// Mallory has a key and comes as often as she can, each time with a list before her that
// changes, while a hundred others come twenty times each. Of one person's connections
// few are kept; those of many are served, in bounded memory; whoever is attached types as
// before; and when all have gone muxward is as it was.
func TestDO01FullConnections(t *testing.T) {
	t.Parallel()
	guests := soak.N(100, 3)
	people := standardPeople
	for i := range guests {
		people += fmt.Sprintf("  p%d: {}\n", i)
	}
	row{ssh: true, teeth: "teeth_ssh", unlogged: true, people: people, attack: func(w *world) {
		w.anyInput = true // the owner types
		x := w.attachSSH(owner, tmuxtest.TerminalConfig{}, "shared@127.0.0.1")
		x.WaitFor("[shared]")
		keys := w.guests(guests)
		idle := w.ownersKeys(x, soak.N(500, 20))
		before := w.measure()
		var open []*ssh.Client
		mine := 0
		for range 60 {
			if c := w.looksOn(w.signerOf(stranger), 1); c != nil {
				open = append(open, c)
				mine++
			}
		}
		if mine > 32 {
			w.gain("%d connections of one person", mine)
		}
		came := make(chan *ssh.Client, guests*fullEach)
		var crowd sync.WaitGroup
		for from := range 4 {
			crowd.Go(func() {
				for i := from; i < guests*fullEach; i += 4 {
					if c := w.looksOn(keys[i%guests], 2+from); c != nil {
						came <- c
					}
				}
			})
		}
		coming := w.ownersKeys(x, soak.N(500, 20))
		crowd.Wait()
		close(came)
		for c := range came {
			open = append(open, c)
		}
		if n := len(open) - mine; n < guests*fullEach {
			t.Errorf("of %d connections of others only %d came", guests*fullEach, n)
		}
		staying := w.ownersKeys(x, soak.N(500, 20))
		grown := (w.measure().rss - before.rss) / len(open) // KiB
		t.Logf("%d connections, %d KiB each; the owner's keys: %v before, %v while they come, %v while they stay",
			len(open), grown, idle, coming, staying)
		if worst := max(coming.bound(), staying.bound()); worst > host.Bounded(roundTrip) {
			t.Errorf("the owner's keys took %v", worst)
		}
		if grown > fullKiB {
			t.Errorf("memory has grown by %d KiB for each connection", grown)
		}
		for _, c := range open {
			_ = c.Close()
		}
		leave(x)
		if !w.control && soak.Full() { // where this is not enough, the oracle of all rows says so
			within(shrinkTime, func() bool { return w.measure().rss <= w.base.rss+slackRSS })
		}
	}}.run(t)
}

// guests gives people p0, p1 … keys, and waits until those are taken.
func (w *world) guests(n int) (keys []ssh.Signer) {
	w.t.Helper()
	for i := range n {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			w.t.Fatal(err)
		}
		key, err := ssh.NewSignerFromKey(private)
		if err != nil {
			w.t.Fatal(err)
		}
		keys = append(keys, key)
		w.WriteSSH(fmt.Sprintf("keys/p%d.keys", i), string(ssh.MarshalAuthorizedKey(key.PublicKey())))
	}
	w.Signal(syscall.SIGHUP)
	last := keys[n-1]
	tmuxtest.Eventually(w.t, func() bool {
		c, err := w.dialSSHAs(last, 50)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, "the people's keys are taken")
	return keys
}

// looksOn has somebody come and stay before the list; nil if they are not let.
func (w *world) looksOn(key ssh.Signer, from int) *ssh.Client {
	w.t.Helper()
	c, err := w.dialSSHAs(key, from)
	if err != nil {
		return nil
	}
	ch, requests, ok := session(c)
	if !ok {
		_ = c.Close()
		return nil
	}
	go ssh.DiscardRequests(requests)
	shown := make(chan bool, 1)
	go func() {
		n, _ := ch.Read(make([]byte, 1))
		shown <- n == 1
		_, _ = io.Copy(io.Discard, ch)
	}()
	for _, r := range []struct {
		name    string
		payload []byte
	}{{"pty-req", ssh.Marshal(ptyRequest{Term: "xterm", Cols: 80, Rows: 24})}, {"shell", nil}} {
		if ok, err := ch.SendRequest(r.name, true, r.payload); !ok || err != nil {
			_ = c.Close()
			return nil
		}
	}
	select {
	case ok := <-shown:
		if ok {
			return c
		}
	case <-time.After(tmuxtest.Patience):
	}
	_ = c.Close()
	return nil
}

// session opens a session. The library waits for ever for the answer of a connection that
// is closed just then.
func session(c *ssh.Client) (ssh.Channel, <-chan *ssh.Request, bool) {
	type opened struct {
		ch       ssh.Channel
		requests <-chan *ssh.Request
		err      error
	}
	done := make(chan opened, 1)
	go func() {
		ch, requests, err := c.OpenChannel("session", nil)
		done <- opened{ch, requests, err}
	}()
	select {
	case o := <-done:
		return o.ch, o.requests, o.err == nil
	case <-time.After(tmuxtest.Patience):
		return nil, nil, false
	}
}

// keyTimes are how long keys took: half of them, and all but one in a hundred.
type keyTimes struct{ p50, p99 time.Duration }

// bound is what is held to a limit. Of few keys on a machine that others work on, the
// slowest says nothing.
func (k keyTimes) bound() time.Duration {
	if soak.Full() {
		return k.p99
	}
	return k.p50
}

func (k keyTimes) String() string {
	return fmt.Sprintf("p50 %v p99 %v", k.p50.Round(100*time.Microsecond), k.p99.Round(100*time.Microsecond))
}

// ownersKeys gives the time from a key of the owner's to where the program in pane a has
// it.
func (w *world) ownersKeys(x *tmuxtest.Terminal, n int) keyTimes {
	w.t.Helper()
	var took []time.Duration
	for range n {
		want := w.rec.Len() + 1
		began := time.Now()
		x.Type("k")
		for w.rec.Len() < want && time.Since(began) < tmuxtest.Patience {
			<-time.After(time.Millisecond)
		}
		took = append(took, time.Since(began))
	}
	if got := string(w.rec.Bytes()); strings.Trim(got, "k") != "" {
		w.t.Errorf("pane a received %q", clip([]byte(got)))
	}
	slices.Sort(took)
	return keyTimes{took[len(took)/2], took[len(took)*99/100]}
}
