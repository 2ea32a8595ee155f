package monitor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/guard"
	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/privsep"
	"github.com/muxward/muxward/internal/privsep/holder"
	"github.com/muxward/muxward/internal/procfs"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// TestMain runs the tests; or this is a holder of keys, which one of them has started.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == HoldKeys {
		if err := holder.Run(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(tmuxtest.Accounts(tmuxtest.LeakChecked{Runner: m}))
}

var (
	_ guard.Hands = (*privsep.Hands)(nil)
	_ Hands       = guard.Hands(nil)
)

// toyHands do nothing, and count.
type toyHands struct {
	calls  atomic.Int64
	events chan keep.Event
	wait   chan struct{} // Mend waits for it
}

func newToy() *toyHands {
	return &toyHands{events: make(chan keep.Event, 1), wait: make(chan struct{})}
}

func (h *toyHands) Doors() string { return "/doors" }
func (h *toyHands) Found(context.Context) ([]string, error) {
	h.calls.Add(1)
	return []string{"0123abcd"}, nil
}
func (h *toyHands) Adopt(_ context.Context, id string) (keep.Held, error) {
	h.calls.Add(1)
	return keep.Held{ID: id, PID: 7, Mark: "m"}, nil
}
func (h *toyHands) Start(_ context.Context, o keep.Order) (keep.Held, error) {
	h.calls.Add(1)
	return keep.Held{Owner: o.Owner, Inner: strings.Join(o.Environ, "|")}, nil
}
func (h *toyHands) Abandon(context.Context, string) error {
	return fmt.Errorf("it is gone: %w", keep.ErrEnded)
}
func (h *toyHands) Connect(context.Context, string) (*os.File, error) { return os.Open("/dev/null") }
func (h *toyHands) Mend(ctx context.Context, _ string) error {
	select {
	case <-h.wait:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
func (h *toyHands) Note(context.Context, string, keep.Said) error {
	return &fs.PathError{Op: "write", Path: "x", Err: unix.ENOSPC}
}
func (h *toyHands) OpenDoor(context.Context, keep.Place) (keep.Opened, error) {
	f, err := os.Open("/dev/null")
	return keep.Opened{Path: "/doors/x", UID: 3, Listen: f}, err
}
func (h *toyHands) CloseDoor(context.Context, keep.Place) error           { return nil }
func (h *toyHands) Reach(context.Context, keep.Account) (*os.File, error) { return os.Open(os.DevNull) }
func (h *toyHands) Ticket(_ context.Context, p keep.Pass) (string, error) {
	h.calls.Add(1)
	return p.ID + p.Pane, nil
}
func (h *toyHands) Halt(_ context.Context, _ string, stop bool) (keep.Halted, error) {
	h.calls.Add(1)
	return keep.Halted{Stopped: stop}, nil
}
func (h *toyHands) Next(ctx context.Context) (keep.Event, error) {
	select {
	case e := <-h.events:
		return e, nil
	case <-ctx.Done():
		return keep.Event{}, ctx.Err()
	}
}
func (h *toyHands) Close() error { return nil }

// bed is a monitor that serves, and the other end of its line.
type bed struct {
	t     testing.TB
	hands *toyHands
	line  *privsep.Line
	end   chan error
	told  func() []privsep.State
	m     *Monitor
}

// greeted waits until the monitor was greeted, or has ended.
func (b *bed) greeted() {
	b.t.Helper()
	tmuxtest.Eventually(b.t, func() bool {
		b.m.mu.Lock()
		defer b.m.mu.Unlock()
		return b.m.phase != greeting || b.m.broken != nil
	}, "the monitor was greeted")
}

func newBed(t testing.TB, change ...func(*Parts)) *bed {
	t.Helper()
	b, end := openBed(t, change...)
	t.Cleanup(end)
	return b
}

// openBed makes one that the test ends by itself, and does not keep.
func openBed(t testing.TB, change ...func(*Parts)) (b *bed, end func()) {
	t.Helper()
	ours, file, err := privsep.NewPair()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Dup(int(file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	theirs, err := privsep.OpenLine(fd, uint32(os.Geteuid()))
	if err != nil {
		t.Fatal(err)
	}
	b = &bed{t: t, hands: newToy(), line: theirs, end: make(chan error, 1)}
	var mu sync.Mutex
	var states []privsep.State
	b.told = func() []privsep.State { mu.Lock(); defer mu.Unlock(); return append([]privsep.State(nil), states...) }
	parts := Parts{Hands: b.hands, Complain: func(string) {}, Notify: func(s privsep.State) {
		mu.Lock()
		defer mu.Unlock()
		states = append(states, s)
	}, Ctl: func() (*os.File, error) { return os.Open("/dev/null") }, Serving: func(_ context.Context, addr string) error {
		if addr != "" {
			return refusal{errors.New("there is no ssh door")}
		}
		return nil
	}}
	for _, c := range change {
		c(&parts)
	}
	m := New(ours, parts)
	b.m = m
	ctx, cancel := context.WithCancel(context.Background())
	go func() { b.end <- m.Serve(ctx); close(b.end) }()
	return b, func() { cancel(); theirs.Close(); <-b.end }
}

// ended gives what Serve ended with.
func (b *bed) ended() error {
	b.t.Helper()
	select {
	case err := <-b.end:
		return err
	case <-time.After(tmuxtest.Patience):
		b.t.Fatal("the monitor goes on")
		return nil
	}
}

func (b *bed) connect() *privsep.Client {
	b.t.Helper()
	c, err := privsep.Connect(context.Background(), b.line, "test")
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { c.Close() })
	return c
}

func TestHands(t *testing.T) {
	b := newBed(t)
	c, ctx := b.connect(), context.Background()
	h := c.Hands()
	if ids, err := h.Found(ctx); err != nil || len(ids) != 1 || h.Doors() != "/doors" || c.HelperPID() != os.Getpid() {
		t.Error(ids, err, h.Doors())
	}
	if held, err := h.Adopt(ctx, "0123abcd"); err != nil || held.ID != "0123abcd" || held.PID != 7 {
		t.Error(held, err)
	}
	held, err := h.Start(ctx, keep.Order{Owner: "alice", Environ: []string{"A=\xff", "B=<>"}})
	if err != nil || held.Owner != "alice" || !strings.HasSuffix(held.Inner, "B=<>") {
		t.Error(held, err)
	}
	if err := h.Abandon(ctx, "x"); !errors.Is(err, keep.ErrEnded) || err.Error() != "it is gone: it does not run any more" {
		t.Error(err)
	}
	if err := h.Note(ctx, "x", keep.Said{}); !errors.Is(err, unix.ENOSPC) {
		t.Error(err)
	}
	f, err := h.Connect(ctx, "x")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	o, err := h.OpenDoor(ctx, keep.Place{Server: "x"})
	if err != nil || o.UID != 3 || o.Path != "/doors/x" {
		t.Fatal(o, err)
	}
	o.Listen.Close()
	sock, _ := os.Open("/dev/null")
	b.hands.events <- keep.Event{Kind: keep.EventReplaced, Place: keep.Place{Server: "x"}, Listen: sock}
	e, err := h.Next(ctx)
	if err != nil || e.Kind != keep.EventReplaced || e.Listen == nil || e.Place.Server != "x" {
		t.Fatal(e, err)
	}
	e.Listen.Close()
	if err := c.Notify(ctx, privsep.Ready); err != nil || len(b.told()) != 1 {
		t.Error(err, b.told())
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if _, err := h.Next(ctx); !errors.Is(err, keep.ErrClosed) {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := b.ended(); err != nil {
		t.Error(err)
	}
	if _, err := h.Found(ctx); !errors.Is(err, privsep.ErrHelperGone) {
		t.Error(err)
	}
}

// As many as may be under way are, those behind them wait, and one whose asker
// has gone keeps its turn until it was answered.
func TestTurns(t *testing.T) {
	b := newBed(t)
	c := b.connect()
	gone, cancel := context.WithCancel(context.Background())
	most := privsep.AtOnce()[privsep.NumMend]
	var wg sync.WaitGroup
	for range 3 * most {
		wg.Go(func() {
			if err := c.Hands().Mend(gone, "x"); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if err := c.Hands().Mend(context.Background(), "x"); err != nil {
				t.Error(err)
			}
		})
	}
	cancel()
	close(b.hands.wait)
	wg.Wait()
}

// TestBroken: what no daemon of ours does ends the monitor, which says why.
func TestBroken(t *testing.T) {
	greeting := pack(t, privsep.NumHello, 1, privsep.Hello{Version: privsep.Version})
	greeted := func(packets ...[]byte) [][]byte { return append([][]byte{greeting}, packets...) }
	x := privsep.Server{ID: "x"}
	hung := greeted()
	for i := range privsep.AtOnce()[privsep.NumMend] + 1 {
		hung = append(hung, pack(t, privsep.NumMend, uint32(i)+2, x))
	}
	for name, c := range map[string]struct {
		send [][]byte
		want string
	}{
		"no hello":        {[][]byte{pack(t, privsep.NumFound, 1, privsep.Nothing{})}, "not permitted in this phase"},
		"another version": {[][]byte{pack(t, privsep.NumHello, 1, privsep.Hello{Version: privsep.Version + 1})}, "install both of one release"},
		"hello again":     {greeted(pack(t, privsep.NumHello, 2, privsep.Hello{Version: privsep.Version})), "(hello)"},
		"keys twice":      {greeted(pack(t, privsep.NumKeys, 2, privsep.Nothing{}), pack(t, privsep.NumKeys, 3, privsep.Nothing{})), "(keys)"},
		"no request":      {greeted(pack(t, 99, 2, privsep.Nothing{})), "request 99 is none"},
		"an answer":       {greeted(pack(t, privsep.NumDone, 2, privsep.Nothing{})), "request 128 is none"},
		"serving twice":   {greeted(pack(t, privsep.NumServing, 2, privsep.Serving{}), pack(t, privsep.NumServing, 3, privsep.Serving{})), "(serving)"},
		"an address":      {greeted(pack(t, privsep.NumServing, 2, privsep.Serving{Addr: "x"})), "no ssh door"},
		"no process":      {greeted(pack(t, privsep.NumForced, 2, privsep.Process{PID: -1})), "no process"},
		"no id":           {greeted(pack(t, privsep.NumFound, 0, privsep.Nothing{})), "its id 0 is another's"},
		"an id twice":     {greeted(pack(t, privsep.NumMend, 2, x), pack(t, privsep.NumMend, 2, x)), "its id 2 is another's"},
		"too many":        {hung, "no more are permitted"},
		"short":           {greeted([]byte{21, 0}), "it has 2 bytes"},
		"long":            {greeted(make([]byte, privsep.MaxPacket+100)), "it has more than"},
		"an unknown field": {greeted(raw(privsep.NumAdopt, 2, `{"id":"x","uid":0}`)),
			"unknown field"},
		"no object":         {greeted(raw(privsep.NumAdopt, 2, `null`)), "no object"},
		"more behind":       {greeted(raw(privsep.NumAdopt, 2, `{"id":"x"}{}`)), "something behind"},
		"another type":      {greeted(raw(privsep.NumAdopt, 2, `{"id":7}`)), "cannot unmarshal"},
		"no motion":         {greeted(pack(t, privsep.NumHalt, 2, privsep.Halt{ID: "0123abcd", What: "kill"})), "is nothing that a server does"},
		"no state":          {greeted(pack(t, privsep.NumNotify, 2, privsep.Notify{State: "MAINPID=1"})), "is no state"},
		"account too long":  {greeted(pack(t, privsep.NumAuthKeys, 2, privsep.AuthKeys{Account: strings.Repeat("x", keep.MaxAccountName+1)})), "no name of an account"},
		"account is nobody": {greeted(pack(t, privsep.NumAuthKeys, 2, privsep.AuthKeys{})), "no name of an account"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			for i, p := range c.send {
				_ = b.line.Send(p) // it may have ended
				if i == 0 && bytes.Equal(p, greeting) {
					if _, err := b.line.Receive(make([]byte, privsep.MaxPacket)); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := b.ended(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("it ends with %v, not %q", err, c.want)
			}
		})
	}
}

// Of a process the helper tells whether `muxward attach` has left its mark, and no more.
func TestForced(t *testing.T) {
	b := newBed(t)
	c := b.connect()
	for _, env := range []string{privsep.ForcedMark + "=1", "X" + privsep.ForcedMark + "=1"} {
		cmd := exec.Command("/bin/cat")
		cmd.Env = []string{"A=B", env}
		in, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		// Start comes back before the kernel has put the environment in its place.
		tmuxtest.Eventually(t, func() bool {
			data, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", cmd.Process.Pid))
			return err == nil && len(data) > 0
		}, "cat has begun")
		is, err := c.Forced(context.Background(), cmd.Process.Pid, uint32(os.Getuid()))
		if err != nil || is != !strings.HasPrefix(env, "X") {
			t.Errorf("%s: %t, %v", env, is, err)
		}
		_ = in.Close()
		_ = cmd.Wait()
		if _, err := c.Forced(context.Background(), cmd.Process.Pid, uint32(os.Getuid())); err == nil {
			t.Error("of a process that is gone it tells something")
		}
	}
}

// A process whose memory its account holds up is nothing that is told of; nobody waits for it
// (procfs.TestMemoryThatHangs).
func TestForcedOfAProcessThatHangs(t *testing.T) {
	b := newBed(t, func(p *Parts) {
		p.Environ = func(int) ([]byte, error) { return []byte("A=B"), fmt.Errorf("read it: %w", procfs.ErrHung) }
	})
	if is, err := b.connect().Forced(t.Context(), os.Getpid(), uint32(os.Getuid())); is || !errors.Is(err, unix.ETIMEDOUT) {
		t.Errorf("%t, %v", is, err)
	}
}

// The processes of one account that let the helper wait take nobody else's turns: they have
// their account's alone, however many are asked about.
func TestForcedOfManyThatHang(t *testing.T) {
	hang := make(chan struct{})
	b := newBed(t, func(p *Parts) {
		p.Environ = func(pid int) ([]byte, error) {
			if pid != os.Getpid() {
				<-hang
			}
			return []byte("A=B"), nil
		}
	})
	c := b.connect()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	asked, first := make(chan error, 100), make(chan struct{}, 100)
	for range cap(asked) {
		go func() {
			first <- struct{}{}
			_, err := c.Forced(ctx, 1, 65534)
			asked <- err
		}()
	}
	for range cap(asked) {
		<-first
	}
	for range 20 { // while those come
		if is, err := c.Forced(ctx, os.Getpid(), 0); is || err != nil {
			t.Errorf("another account's: %t, %v", is, err)
		}
	}
	// Who gives up has the turn until the helper answers.
	short, stop := context.WithCancel(ctx)
	stop()
	if _, err := c.Forced(short, 1, 65534); !errors.Is(err, context.Canceled) {
		t.Errorf("one that has given up: %v", err)
	}
	close(hang)
	for range cap(asked) {
		if err := <-asked; err != nil {
			t.Errorf("one of those that hung: %v", err)
		}
	}
}

// What muxward asks for and never ends does not keep it from being ended for what it never does.
func TestBrokenWhileSomethingHangs(t *testing.T) {
	hang := make(chan struct{})
	b := newBed(t, func(p *Parts) {
		p.Serving = func(context.Context, string) error { <-hang; return nil }
	})
	defer close(hang)
	_ = b.line.Send(pack(t, privsep.NumHello, 1, privsep.Hello{Version: privsep.Version}))
	b.greeted()
	_ = b.line.Send(pack(t, privsep.NumServing, 2, privsep.Serving{}))
	_ = b.line.Send(pack(t, 99, 3, privsep.Nothing{}))
	select {
	case <-b.m.Broken():
	case <-time.After(10 * time.Second):
		t.Fatal("nobody is told")
	}
	if err := b.m.Why(); err == nil || !strings.Contains(err.Error(), "99") {
		t.Error(err)
	}
}

// A home that does not answer has its account's keys not be read, and no more threads wait.
func TestAuthKeysOfAHomeThatHangs(t *testing.T) {
	hang, began := make(chan struct{}), make(chan struct{}, 9)
	b := newBed(t, func(p *Parts) {
		p.Copy = func(accounts.Account) (*os.File, error) {
			began <- struct{}{}
			<-hang
			return nil, unix.EIO
		}
	})
	c := b.connect()
	short, cancel := context.WithCancel(context.Background())
	first := make(chan error, 1)
	go func() { _, err := c.AuthKeys(short, "root", 10); first <- err }()
	<-began
	cancel()
	<-first
	for range 3 {
		if _, err := c.AuthKeys(context.Background(), "root", 10); !errors.Is(err, unix.ETIMEDOUT) || !strings.Contains(err.Error(), "has not answered for") {
			t.Error(err)
		}
	}
	if len(began) != 0 {
		t.Errorf("%d more wait", len(began))
	}
	close(hang)
}

// Descriptors of the daemon's are not taken in.
func TestDescriptors(t *testing.T) {
	b := newBed(t)
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if err := b.line.Send(pack(t, privsep.NumHello, 1, privsep.Hello{Version: privsep.Version}), null); err != nil {
		t.Fatal(err)
	}
	if err := b.ended(); err == nil || !strings.Contains(err.Error(), "it has descriptors") {
		t.Error(err)
	}
	if b.hands.calls.Load() != 0 {
		t.Error("something was done")
	}
}

// TestTable: every request that the daemon's side knows is there once.
func TestTable(t *testing.T) {
	most, seen := privsep.AtOnce(), map[privsep.Number]bool{}
	for _, r := range table() {
		if seen[r.number] || most[r.number] <= 0 || r.phases == 0 || r.serve == nil || r.number >= privsep.NumDone {
			t.Errorf("row %d (%s) is not whole, or there twice", r.number, r.name)
		}
		seen[r.number] = true
	}
	if len(seen) != len(most) {
		t.Errorf("the table has %d rows, and the daemon knows %d requests", len(seen), len(most))
	}
}

func pack(t testing.TB, n privsep.Number, id uint32, body any) []byte {
	t.Helper()
	data, err := privsep.Pack(n, id, body)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func raw(n privsep.Number, id uint32, body string) []byte {
	data, _ := privsep.Pack(n, id, json.RawMessage("{}"))
	return append(data[:5], body...)
}
