package daemon

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/ctxlock"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Whose account is another's by now is told only where somebody has its name or its number: of one that is in no
// file for a moment nobody loses anything.
func TestIsAnothers(t *testing.T) {
	personOf := func(uid uint32, account string) (string, error) { return account, nil }
	bobs := tenure{"bob", "bob", 1002}
	for what, c := range map[string]struct {
		files toyFiles
		yes   bool
	}{
		"it is theirs":             {toyFiles{1002: "bob"}, false},
		"it has gone":              {toyFiles{1001: "alice"}, false},
		"its number is another's":  {toyFiles{1002: "dave"}, true},
		"its name is another's":    {toyFiles{1012: "bob"}, true},
		"both":                     {toyFiles{1002: "dave", 1012: "bob"}, true},
		"the files cannot be read": {nil, false},
	} {
		err := isAnothers(t.Context(), bobs, personOf, c.files)
		if unknown := errors.As(err, new(*notToldError)); (err != nil && !unknown) != c.yes {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// What somebody gave, and invited to, by a number that is another's by now counts for nothing as soon as that was
// looked up, for whoever has looked.
func TestLookAway(t *testing.T) {
	d, ctx := granter(t), t.Context()
	d.files = identity.NewAccounts()
	bob := identity.Supposed(identity.Subject{Person: "bob", UID: -1, Door: "ctl"})
	first := d.invites(t, -1)
	g := d.gives(t)
	if d.lookAway(ctx) || !d.bobLooks() {
		t.Fatal("who came by no account has given it")
	}
	if err := d.takesBack(g); err != nil || d.bobLooks() {
		t.Fatalf("taken back: %v", err)
	}
	g.Giver.Account, g.Giver.UID = "alice", 0 // that is root's
	code := d.invites(t, 0)
	g.ID = 0
	if _, err := d.given.Give(ctx, g, g.On); err != nil {
		t.Fatal(err)
	}
	d.given.Move()
	if err := d.opens(bob, code); err != nil || !d.bobLooks() {
		t.Fatalf("nobody has looked: %v", err)
	}
	d.away.began = time.Now().Add(time.Hour) // others have, since it was asked for
	if d.lookAway(ctx) {
		t.Error("it was looked again")
	}
	d.away.began = time.Time{}
	if !d.lookAway(ctx) || d.lookAway(ctx) {
		t.Error("what is another's by now was not found, or is found each time")
	}
	if d.bobLooks() {
		t.Error("what was given counts still")
	}
	if err := d.opens(bob, code); !errors.Is(err, grants.ErrNotOpen) {
		t.Errorf("bob comes by an invite of one who is not who gave it: %v", err)
	}
	if err := d.opens(bob, first); err != nil {
		t.Errorf("an invite by nobody's account is gone as well: %v", err)
	}
}

// Who came by an account that is another's by now is a stranger, and whoever has the name next is none.
func TestStrangers(t *testing.T) {
	d := granter(t)
	carol := func(uid int64) identity.Identity {
		return identity.Supposed(identity.Subject{Person: "carol", Account: "carol", UID: uid, Door: "ctl"})
	}
	if err := d.strangers(carol(1002)); err != nil {
		t.Errorf("nobody has her account: %v", err)
	}
	d.away.now.Store(&map[tenure]error{{"carol", "carol", 1002}: errors.New("it has gone")})
	if d.strangers(carol(1002)) == nil {
		t.Error("her account is another's, and she is no stranger")
	}
	if err := d.strangers(carol(1003)); err != nil {
		t.Errorf("the next carol: %v", err)
	}
}

// givesAway gives something by an account that is another's by now, which nobody has found out.
func givesAway(t *testing.T) *daemon {
	t.Helper()
	d := granter(t)
	d.files = identity.NewAccounts()
	g := d.gives(t)
	if err := d.takesBack(g); err != nil {
		t.Fatal(err)
	}
	g.ID, g.Giver.Account, g.Giver.UID = 0, "alice", 0 // that is root's
	if _, err := d.given.Give(t.Context(), g, g.On); err != nil {
		t.Fatal(err)
	}
	d.given.Move()
	return d
}

// hungServers are one that does not tell who owes it something, until it is let go on.
type hungServers struct {
	gateway.Servers
	asked chan struct{}
	let   chan struct{}
}

type hungServer struct {
	gateway.Server
	of *hungServers
}

func (h *hungServers) Owners() []string                    { return []string{"carol"} }
func (h *hungServers) Server(string) gateway.Server        { return hungServer{of: h} }
func (h hungServer) Written(context.Context, string) error { return nil }
func (h hungServer) Owing() []string {
	h.of.asked <- struct{}{}
	<-h.of.let
	return nil
}

// Whoever starts a server waits for no other one, where an account is found to be another's by now; what is under
// way there is ended all the same.
func TestAwayBeside(t *testing.T) {
	d := givesAway(t)
	h := &hungServers{asked: make(chan struct{}, 2), let: make(chan struct{})}
	d.gateway = gateway.New(gateway.Parts{Policy: d.policy, Log: d.log, Denials: d.denials, Servers: h})
	defer close(h.let)
	asked, done := h.asked, make(chan struct{}) // it is asked before and behind what is decided anew
	go func() { d.mindAwayBeside(t.Context()); close(done) }()
	for range 2 {
		select {
		case <-done:
			done = nil
		case <-asked:
			asked = nil
		case <-time.After(10 * time.Second):
			t.Fatalf("not waited for: %v, ended elsewhere: %v", done == nil, asked == nil)
		}
	}
}

// Nobody waits until it is read that an account is another's by now.
func TestAwayIsToldUnlocked(t *testing.T) {
	d := givesAway(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr := os.Stderr
	os.Stderr = w
	defer func() { os.Stderr = stderr }()
	raw, err := w.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var full error
	err = raw.Control(func(fd uintptr) {
		for full == nil { // it does not block
			_, full = unix.Write(int(fd), make([]byte, 1<<12))
		}
	})
	if err != nil || !errors.Is(full, unix.EAGAIN) {
		t.Fatal(err, full)
	}
	told := make(chan bool, 1)
	go func() { told <- d.lookAway(t.Context()) }()
	tmuxtest.Eventually(t, func() bool { return d.away.now.Load() != nil }, "it is found out")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := ctxlock.Lock(ctx, &d.away.looking); err != nil {
		t.Error("others wait until it is read")
	} else {
		d.away.looking.Unlock()
	}
	select {
	case <-told:
		t.Error("it is told already: this is no test")
	default:
	}
	_ = r.Close()
	if !<-told {
		t.Error("it was found out, and not said so")
	}
	_ = w.Close()
}
