package executor

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/control"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// reached is a tmux server that is reached by its socket.
type reached struct {
	Server
	c      *control.Client
	socket string
}

func (*reached) Owner() string                                      { return "alice" }
func (*reached) Incarnation() string                                { return "1" }
func (s *reached) Control(context.Context) (*control.Client, error) { return s.c, nil }
func (s *reached) Dial(ctx context.Context) (*wire.Conn, error) {
	f, err := wire.FramingOf(s.c.Version())
	if err != nil {
		return nil, err
	}
	return wire.Dial(ctx, s.socket, f)
}

// guest is one in control mode at a real server, whose pane %0 in window @0 draws nothing.
type guest struct {
	*controlSeat
	t    *testing.T
	tmux *tmuxtest.Server
	ear  *listener
	snap *tmux.Snapshot
}

func guestAt(t *testing.T) *guest {
	t.Helper()
	s := tmuxtest.Start(t, tmuxtest.Config{})
	s.Run("new-session", "-d", "-s", "x", "-x", "80", "-y", "24", "cat")
	server := &reached{c: controlOf(t, s), socket: s.Socket}
	ctx, cancel := context.WithTimeout(t.Context(), tmuxtest.Patience)
	t.Cleanup(cancel)
	h := &wire.Hello{Flags: wire.FlagUTF8, TTYName: "guest", Cwd: "/", PID: int32(os.Getpid()), Argv: []string{"attach-session", "-E", "-t", "x"}}
	ear, err := listen(ctx, server, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ear.close)
	v, err := tmux.ParseVersion(server.c.Version())
	if err != nil {
		t.Fatal(err)
	}
	g := &guest{t: t, tmux: s, ear: ear, controlSeat: &controlSeat{e: &Executor{}, server: server, name: "guest", ctx: ctx}, snap: &tmux.Snapshot{
		Version: v, Sessions: []tmux.Session{{ID: 0, Name: "x", Links: []tmux.Winlink{{Window: 0}}}},
		Windows: []tmux.Window{{ID: 0, Panes: []tmux.PaneID{0}}}, Panes: []tmux.Pane{{ID: 0, Window: 0}},
	}}
	g.stage.Store(&controlStage{session: tmux.Session{ID: 0, Name: "x"}})
	g.looks()
	return g
}

// looks is a look of the guest's.
func (g *guest) looks() {
	g.amu.Lock()
	defer g.amu.Unlock()
	g.confirm(g.snap)
}

// told gives what tmux has told of the pane's being heard since it was asked last.
func (g *guest) told() (all []string) {
	g.t.Helper()
	mark := "mark" + time.Now().Format("150405.000000000")
	g.tmux.Run("rename-window", "-t", "x:", mark)
	for {
		line, err := g.ear.line()
		if err != nil {
			g.t.Fatal(err)
		}
		if strings.HasSuffix(line, mark) {
			return all
		}
		if strings.HasPrefix(line, "%pause") || strings.HasPrefix(line, "%continue") {
			all = append(all, line)
		}
	}
}

func (g *guest) hears(what string, want ...string) {
	g.t.Helper()
	if told := g.told(); !slices.Equal(told, want) {
		g.t.Errorf("%s: told %q, want %q", what, told, want)
	}
}

// A look of a guest's has tmux tell nothing of a pane that is being respawned, and does behind that.
func TestLookWhileRespawned(t *testing.T) {
	g := guestAt(t)
	first := g.deafen(t.Context(), g.snap, &g.snap.Windows[0])
	g.hears("at first", "%pause %0")
	second := g.deafen(t.Context(), g.snap, &g.snap.Windows[0])
	g.looks()
	g.hears("while it is respawned")
	first()
	g.looks()
	g.hears("while it is respawned once more")
	second()
	g.looks()
	g.hears("behind that", "%continue %0")
}

// A pane that is about to be heard again is not, and what was asked without an answer may have been done: it is heard
// again by the next look.
func TestRespawnedInFlight(t *testing.T) {
	g := guestAt(t)
	g.deafen(t.Context(), g.snap, &g.snap.Windows[0])()
	g.looks()
	g.hears("heard again", "%pause %0", "%continue %0") // which the guest has not read
	heed := g.deafen(t.Context(), g.snap, &g.snap.Windows[0])
	g.hears("in flight", "%pause %0")
	g.follow([][]byte{[]byte("%continue %0")})
	if a := g.gone[0]; a == nil || a.resumed {
		t.Errorf("it counts as heard: %v", a)
	}
	heed()
	g.looks()
	g.hears("behind that", "%continue %0")

	server := g.server
	g.server = &silent{lookedAt{owner: "alice"}}
	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	heed = g.deafen(short, g.snap, &g.snap.Windows[0])
	g.server = server
	g.tmux.Run("refresh-client", "-t", "guest", "-A", "%0:pause") // it was done, but nobody said so
	heed()
	g.looks()
	g.hears("without an answer", "%pause %0", "%continue %0")
}

// A guest's no-output, on or off, changes nothing while a pane is respawned, as tmux would keep for them again what it
// draws; and of a pane that was away tmux is told again behind it.
func TestFlagsWhileRespawned(t *testing.T) {
	g := guestAt(t)
	set := func(flag string) error {
		return g.setFlags(t.Context(), []string{flag}, func(words ...string) error {
			g.tmux.Run(append([]string{"refresh-client", "-t", "guest"}, words...)...)
			return nil
		})
	}
	heed := g.deafen(t.Context(), g.snap, &g.snap.Windows[0])
	for flag, may := range map[string]bool{"no-output": false, "!no-output": false, "pause-after=5": true} {
		if err := set(flag); (err == nil) != may {
			t.Errorf("%s: %v", flag, err)
		}
	}
	g.hears("while it is respawned", "%pause %0")
	heed()
	for _, flag := range []string{"no-output", "!no-output"} {
		if err := set(flag); err != nil {
			t.Error(err)
		}
	}
	g.looks()
	g.hears("behind that", "%pause %0", "%continue %0")
}

// What may be in a window by now is respawned with it, as far as is known: what lay there at the last look, and what
// no state has.
func TestRespawnedAbout(t *testing.T) {
	snap := &tmux.Snapshot{Panes: []tmux.Pane{{ID: 1, Window: 1}, {ID: 2, Window: 2}, {ID: 3, Window: 2}, {ID: 4, Window: 2}}}
	a := absences{
		lies: map[tmux.PaneID]tmux.WindowID{1: 1, 2: 2, 3: 1, 4: nowhere, 7: nowhere, 8: 2},
		gone: map[tmux.PaneID]*absence{2: {}, 9: {paused: true, resumed: true}},
	}
	got := a.about(snap, &tmux.Window{ID: 1, Panes: []tmux.PaneID{1}})
	slices.Sort(got)
	if want := []tmux.PaneID{1, 3, 7, 8, 9}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A place of one's own has tmux tell nothing of what is respawned, nor forgets what tmux was told of a pane that is
// elsewhere meanwhile.
func TestOwnPlaceWhileRespawned(t *testing.T) {
	o := &own{s: &seat{tty: "own"}, paused: map[tmux.PaneID]bool{0: true, 1: true, 5: true, 9: true}}
	o.snap.Snapshot = &tmux.Snapshot{
		Windows: []tmux.Window{{ID: 0, Panes: []tmux.PaneID{0}}}, Panes: []tmux.Pane{{ID: 0}, {ID: 1, Window: 1}, {ID: 7, Window: 1}},
	}
	at := &tmux.Session{Links: []tmux.Winlink{{Window: 0}}}
	hears := func(what string, want ...string) {
		t.Helper()
		if got := o.hear("refresh-client", at, []tmux.PaneID{0, 1, 9}); !slices.Equal(got[3:], want) {
			t.Errorf("%s: %q, want %q", what, got[3:], want)
		}
	}
	let := o.muffle([]tmux.PaneID{0})
	hears("while it is respawned")
	let()
	hears("behind that", "-A", "%0:continue")
	at.Links = append(at.Links, tmux.Winlink{Window: 1}, tmux.Winlink{Window: 2})
	o.snap.Windows = append(o.snap.Windows, tmux.Window{ID: 1, Panes: []tmux.PaneID{1}}, tmux.Window{ID: 2, Panes: []tmux.PaneID{9}})
	if o.paused[5] {
		t.Error("one that has ended is remembered")
	}
	hears("what has come", "-A", "%1:continue", "-A", "%9:continue")
}

// ear is a hearer that hears nothing.
type ear struct{ hearer }

// comes is come for who gets in.
func (a *ears) comes(t *testing.T, server Server) func(hearer) {
	t.Helper()
	came, err := a.come(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	return came
}

// A respawn finds who was about to be attached, and who is attached meanwhile waits for its end.
func TestEars(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a ears
		one, other := &lookedAt{owner: "alice"}, &lookedAt{owner: "bob"}
		first, second := &ear{}, &ear{}
		came := a.comes(t, one)
		began := time.Now()
		time.AfterFunc(time.Second, func() { came(first); came(nil) })
		all, over := a.respawn(t.Context(), one)
		if len(all) != 1 || all[0] != hearer(first) || time.Since(began) != time.Second {
			t.Errorf("after %v there are %v", time.Since(began), all)
		}
		a.comes(t, other)(nil)
		if all, over := a.respawn(t.Context(), other); len(all) != 0 {
			t.Errorf("at another server there are %v", all)
		} else {
			over()
		}
		_, late := a.respawn(t.Context(), one)
		time.AfterFunc(time.Second, over)
		time.AfterFunc(2*time.Second, late)
		a.comes(t, one)(second)
		if waited := time.Since(began); waited != 3*time.Second {
			t.Errorf("who came meanwhile has waited until %v", waited)
		}
		if all, over := a.respawn(t.Context(), one); len(all) != 2 {
			t.Errorf("now there are %v", all)
		} else {
			over()
		}
		a.goes(one, first)
		a.goes(one, second)
		a.goes(one, second)
		if len(a.at) != 0 {
			t.Errorf("%v is left", a.at)
		}
	})
}

// However often somebody respawns, who comes is attached when what was under way then is done.
func TestEarsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a ears
		one := &lookedAt{owner: "alice"}
		stop := make(chan struct{})
		var all sync.WaitGroup
		for n := range 3 { // something is respawned at any time
			all.Go(func() {
				time.Sleep(time.Duration(n) * 300 * time.Millisecond)
				for {
					select {
					case <-stop:
						return
					default:
					}
					_, over := a.respawn(t.Context(), one)
					time.Sleep(time.Second)
					over()
				}
			})
		}
		time.Sleep(10*time.Second + 100*time.Millisecond)
		for range 3 {
			began := time.Now()
			came := a.comes(t, one)
			if waited := time.Since(began); waited > time.Second {
				t.Errorf("it is waited for %v", waited)
			}
			time.Sleep(100 * time.Millisecond)
			came(nil)
		}
		close(stop)
		all.Wait()
		if len(a.at) != 0 {
			t.Errorf("%v is left", a.at)
		}
	})
}

// Neither waits for ever for the other, nor when nobody wants it any more.
func TestEarsWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a ears
		one := &lookedAt{owner: "alice"}
		waits := func(what string, want time.Duration, f func()) {
			t.Helper()
			began := time.Now()
			if f(); time.Since(began) != want {
				t.Errorf("%s waits %v, want %v", what, time.Since(began), want)
			}
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		came := a.comes(t, one)
		var over, ended func()
		waits("a respawn", keyTime, func() { _, over = a.respawn(t.Context(), one) })
		waits("a respawn that nobody wants", 0, func() { _, ended = a.respawn(gone, one) })
		for what, c := range map[string]struct {
			ctx  context.Context
			want time.Duration
		}{"who comes": {t.Context(), keyTime}, "who has gone": {gone, 0}} {
			waits(what, c.want, func() {
				if _, err := a.come(c.ctx, one); !errors.Is(err, errRespawns) {
					t.Errorf("%s is let in: %v", what, err)
				}
			})
		}
		came(nil)
		over()
		ended()
		if len(a.at) != 0 {
			t.Errorf("%v is left", a.at)
		}
	})
}

// slow is a client that takes nothing that is printed before it reads.
type slow struct {
	gateway.Client
	printed, reads chan struct{}
}

func (c *slow) Print(context.Context, int, []byte) error {
	c.printed <- struct{}{}
	<-c.reads
	return nil
}

// Who does not read what their respawn has printed keeps nobody from being attached.
func TestRespawnedAndNotRead(t *testing.T) {
	s := tmuxtest.Start(t, tmuxtest.Config{})
	s.Run("new-session", "-d", "-s", "x", "cat")
	ctx, cancel := context.WithTimeout(t.Context(), tmuxtest.Patience)
	defer cancel()
	server := &reached{c: controlOf(t, s), socket: s.Socket}
	conn, err := server.Dial(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Identify(ctx, &wire.Hello{Flags: wire.FlagUTF8, Cwd: "/", Argv: []string{"respawn-pane", "-t", "x"}}); err != nil {
		t.Fatal(err)
	}
	var a ears
	_, over := a.respawn(ctx, server)
	c := &slow{printed: make(chan struct{}, 1), reads: make(chan struct{})}
	r := relay{server: conn, client: c, plan: &gateway.Plan{Invocation: &tmux.Invocation{Row: tmux.FindCommand("respawn-pane")}}, prints: sync.OnceFunc(over)}
	ended := make(chan error, 1)
	go func() { _, err := r.run(ctx); ended <- err }()
	select {
	case <-c.printed: // that its program still runs
	case err := <-ended:
		t.Fatalf("nothing was printed: %v", err)
	}
	a.comes(t, server)(nil)
	close(c.reads)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Whose end fails is not among those who hear a server any more.
func TestVacated(t *testing.T) {
	e, one, o := &Executor{}, &lookedAt{owner: "alice"}, &ear{}
	for what, leaves := range map[string]func(){
		"nobody": nil, "they": func() { e.ears.goes(one, o) }, "with a fault": func() { e.ears.goes(one, o); panic("a fault") },
	} {
		s := &seat{e: e, leaves: leaves}
		if leaves != nil {
			s.leaves = sync.OnceFunc(leaves)
			e.ears.comes(t, one)(o)
		}
		s.vacate()
		s.vacate()
		if len(e.ears.at) != 0 {
			t.Errorf("%s: %v is left", what, e.ears.at)
		}
	}
}
