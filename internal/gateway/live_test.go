package gateway

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
)

// rules is a policy that a test turns on and off.
type rules struct {
	allow atomic.Bool
	gen   atomic.Uint64
	asked atomic.Int64
}

func (r *rules) Decide(access.Question) access.Decision {
	r.asked.Add(1)
	return access.Decision{Allow: r.allow.Load(), Rule: "test"}
}

func (r *rules) Holds(identity.Subject, access.Object, time.Time) access.VerbSet {
	return access.AllVerbs
}

func (r *rules) Covers(identity.Subject, access.VerbSet, access.Object, time.Time) access.Decision {
	return access.Decision{Allow: r.allow.Load(), Rule: "test"}
}
func (r *rules) GivenBy(identity.Subject, string, access.Verb, access.Object, time.Time) (bool, time.Time) {
	return false, time.Time{}
}
func (r *rules) Duties(identity.Subject, access.Object, time.Time) access.Obligations { return 0 }
func (r *rules) Holders(access.Verb, access.Object, time.Time) []string               { return nil }

func (r *rules) Blind(identity.Subject, access.Object, time.Time) bool { return false }
func (r *rules) Generation() uint64                                    { return r.gen.Load() }

func newGateway(t testing.TB, p Policy) *Gateway {
	t.Helper()
	d, err := grants.OpenDenials(filepath.Join(t.TempDir(), "revocations.json"))
	if err != nil {
		t.Fatal(err)
	}
	return New(Parts{Policy: p, Denials: d})
}

// directory says that whoever comes is bob.
type directory struct{}

func (directory) PersonOf(uint32, string) (string, error) { return "bob", nil }

// bob proves himself over a socket, as everybody does: there is no other way
// to an identity.
func bob(t testing.TB) identity.Identity {
	t.Helper()
	dir, err := os.MkdirTemp("", "mwg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dir + "/s", Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	there, err := net.Dial("unix", dir+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	here, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	who, peer, err := identity.NewProver(directory{}).FromPeer(context.Background(), here, "test")
	if err != nil {
		t.Fatal(err)
	}
	if err := peer.Close(); err != nil {
		t.Fatal(err)
	}
	return who
}

// TestEndWaits: when End has returned, no delivery is under way and none
// begins, however many come at the same time.
func TestEndWaits(t *testing.T) {
	r := &rules{}
	r.allow.Store(true)
	g := newGateway(t, r)
	for range 200 {
		l, _ := g.begin(context.Background(), bob(t))
		right := l.Right(Need{Verb: access.Type})
		var ended atomic.Bool
		var late atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 50 {
					err := l.Do(right, func() error {
						if ended.Load() {
							late.Add(1)
						}
						return nil
					})
					if err != nil {
						return
					}
				}
			})
		}
		l.End(ErrEnded)
		ended.Store(true)
		wg.Wait()
		if late.Load() != 0 {
			t.Fatalf("%d deliveries after the end", late.Load())
		}
		l.Release()
	}
}

// TestLossIsSeen: a decision that is remembered does not outlive the policy
// it rests on.
func TestLossIsSeen(t *testing.T) {
	r := &rules{}
	r.allow.Store(true)
	g := newGateway(t, r)
	l, _ := g.begin(context.Background(), bob(t))
	defer l.Release()
	need := l.Right(Need{Verb: access.Type})
	nothing := func() error { return nil }
	for range 10 {
		if err := l.Do(need, nothing); err != nil {
			t.Fatal(err)
		}
	}
	if n := r.asked.Load(); n != 1 {
		t.Errorf("the policy was asked %d times, want once", n)
	}
	r.allow.Store(false)
	r.gen.Add(1)
	var refused *Refused
	if err := l.Do(need, nothing); !errors.As(err, &refused) {
		t.Errorf("after the loss: %v", err)
	}
}

// TestRevocationBeatsPolicy: whatever the policy says.
func TestRevocationBeatsPolicy(t *testing.T) {
	r := &rules{}
	r.allow.Store(true)
	g := newGateway(t, r)
	l, _ := g.begin(context.Background(), bob(t))
	defer l.Release()
	need := Need{Verb: access.View, Object: access.Object{Kind: access.Server, Owner: "alice"}}
	if d := l.Decide(need); !d.Allow {
		t.Fatal(d)
	}
	if err := g.Denials.Add(grants.Denial{Person: "bob", By: "alice", Reason: "enough"}); err != nil {
		t.Fatal(err)
	}
	g.Reconsider(context.Background(), "bob", "")
	if d := l.Decide(need); d.Allow || d.Reason != "revoked by alice: enough" {
		t.Errorf("%+v", d)
	}
}

// TestOldSight: what somebody may see is not shown once their rights have
// changed: a listing that was looked up before is refused, and one that is
// being printed has ended when Reconsider returns.
func TestOldSight(t *testing.T) {
	g := newGateway(t, &rules{})
	who := bob(t)
	l, _ := g.begin(context.Background(), who)
	l.look()
	g.Reconsider(context.Background(), "carol", "")
	if d := l.decide(&Plan{}); !d.Allow {
		t.Errorf("rights of somebody else have changed: %+v", d)
	}
	l.Release()

	for _, on := range []access.Object{{}, {Kind: access.Server, Owner: "alice"}} { // of which they see nothing by now
		l, _ = g.begin(context.Background(), who)
		l.look()
		g.ReconsiderOn(context.Background(), on, func(p string) bool { return p == "bob" }, "")
		if d := l.decide(&Plan{}); d.Allow {
			t.Error("an old sight was shown")
		}
		l.Release()
	}

	l, ctx := g.begin(context.Background(), who)
	l.look()
	if d := l.decide(&Plan{}); !d.Allow {
		t.Fatal(d)
	}
	var over atomic.Bool
	go func() {
		<-ctx.Done()
		over.Store(true)
		l.end()
	}()
	if rep := g.Reconsider(context.Background(), "bob", ""); len(rep.Unconfirmed) > 0 || !over.Load() {
		t.Errorf("%v, over: %v", rep, over.Load())
	}
}

// TestPass: when Pass has returned, what was being delivered has been, and the
// permit goes on.
func TestPass(t *testing.T) {
	r := &rules{}
	r.allow.Store(true)
	g := newGateway(t, r)
	l, _ := g.begin(context.Background(), bob(t))
	defer l.Release()
	right := l.Right(Need{Verb: access.Type})
	begun, goOn := make(chan struct{}), make(chan struct{})
	var delivered atomic.Bool
	go l.Do(right, func() error {
		close(begun)
		<-goOn
		delivered.Store(true)
		return nil
	})
	<-begun
	short, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := l.Pass(short); err == nil || delivered.Load() {
		t.Error("it did not wait")
	}
	close(goOn)
	if err := l.Pass(context.Background()); err != nil || !delivered.Load() {
		t.Errorf("%v, delivered: %v", err, delivered.Load())
	}
	if err := l.Do(right, func() error { return nil }); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestNobody: the zero identity gets nothing, not even what needs no right.
func TestNobody(t *testing.T) {
	r := &rules{}
	r.allow.Store(true)
	g := newGateway(t, r)
	l, _ := g.begin(context.Background(), identity.Identity{})
	defer l.Release()
	if d := l.Decide(Need{}); d.Allow {
		t.Error("nobody was let in")
	}
	if d := l.decide(&Plan{}); d.Allow {
		t.Error("nobody was let in without a need")
	}
}

// TestClockSetBack: whatever the wall clock does, at least as much time has
// passed as really has, so that no right lasts longer.
func TestClockSetBack(t *testing.T) {
	begin := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	var wall, passed time.Duration
	c := &clock{
		wall:   func() time.Time { return begin.Add(wall) },
		passed: func() time.Duration { return passed },
	}
	for i, step := range []struct{ wall, passed, want time.Duration }{
		{0, 0, 0},
		{time.Minute, time.Minute, time.Minute},
		{-time.Hour, 2 * time.Minute, 2 * time.Minute},
		{-time.Hour + time.Second, 2*time.Minute + time.Second, 2*time.Minute + time.Second},
		{-time.Hour + time.Minute, 3*time.Minute + time.Second, 3*time.Minute + time.Second},
		{10 * time.Minute, 4 * time.Minute, 10 * time.Minute}, // set forward: earlier, never later
		{5 * time.Minute, 5 * time.Minute, 11 * time.Minute},  // and right again
		{24 * time.Hour, 6 * time.Minute, 24 * time.Hour},
	} {
		wall, passed = step.wall, step.passed
		if got := c.now().Sub(begin); got != step.want {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
	// The machine slept, which this clock does not count, and the wall was set back.
	wall, passed = 0, 6*time.Minute
	c.noEarlier(begin.Add(30 * time.Hour))
	if got := c.now().Sub(begin); got != 30*time.Hour {
		t.Errorf("after a sleep: %v", got)
	}
	c.noEarlier(begin)
	passed += time.Minute
	if got := c.now().Sub(begin); got != 30*time.Hour+time.Minute {
		t.Errorf("a minute later: %v", got)
	}
}

// BenchmarkRemembered is a decision that an attached person's permit
// remembers: what each key costs.
func BenchmarkRemembered(b *testing.B) {
	r := &rules{}
	r.allow.Store(true)
	g := newGateway(b, r)
	l, _ := g.begin(context.Background(), bob(b))
	defer l.Release()
	right := l.Right(Need{Verb: access.Type, Object: access.Object{
		Kind: access.Pane, Owner: "alice", Incarnation: "a-b-c",
		Session: access.SessionRef{ID: 1, Name: "work"}, Window: access.WindowRef{ID: 2}, Pane: access.PaneRef{ID: 3},
	}})
	for b.Loop() {
		if !right.Decide().Allow {
			b.Fatal("refused")
		}
	}
}
