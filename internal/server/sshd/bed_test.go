package sshd

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// bed is a door with a gateway behind it that has one server, of bob, on which
// everybody may do everything.
type bed struct {
	t        *testing.T
	server   *Server
	addr     string
	key      ssh.Signer
	sessions int
	print    int           // bytes of what is asked for in a list; 0: many
	asked    chan struct{} // if set, asking for bob's state waits for it
	table    atomic.Pointer[identity.SSHKeys]
	ahead    atomic.Int64 // of the clock

	mu     sync.Mutex
	events []access.Event
	still  chan struct{} // likewise, however long it may take
}

func newSigner(t *testing.T) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// newBed begins to serve, behind what changes the server.
func newBed(t *testing.T, patience *times, sessions int, change ...func(*Server)) *bed {
	t.Helper()
	b := &bed{t: t, key: newSigner(t), sessions: sessions}
	host, err := OpenHostKey(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	denials, err := grants.OpenDenials(filepath.Join(t.TempDir(), "revocations.json"))
	if err != nil {
		t.Fatal(err)
	}
	b.list("alice", "")
	g := gateway.New(gateway.Parts{Policy: everything{}, Servers: b, Log: b, Executor: doer{b}, Denials: denials})
	b.server = &Server{Gateway: g, Key: host, patience: patience, Complain: func(what string) { t.Log(what) },
		Prover: identity.SSHProver{Keys: b.table.Load, Now: func() time.Time { return time.Now().Add(time.Duration(b.ahead.Load())) }}}
	for _, c := range change {
		c(b.server)
	}
	l, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.addr = l.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.server.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		b.server.Wait()
	})
	return b
}

// list makes the key a person's, with options.
func (b *bed) list(person, options string) {
	b.t.Helper()
	line := options + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(b.key.PublicKey())))
	k, err := identity.ParseSSHKey(line, person, "keys:1")
	if err != nil {
		b.t.Fatal(err)
	}
	table, _ := identity.NewSSHKeys([]*identity.SSHKey{k}, nil, nil, func(string) bool { return true })
	b.table.Store(table)
}

// conn is the connection that was opened last; there is to be one only.
func (b *bed) conn() *conn {
	b.t.Helper()
	b.server.mu.Lock()
	defer b.server.mu.Unlock()
	if len(b.server.conns) != 1 {
		b.t.Fatalf("%d connections", len(b.server.conns))
	}
	for c := range b.server.conns {
		return c
	}
	return nil
}

// dial connects with a client of our own.
func (b *bed) dial(v *valve, config ssh.Config) *ssh.Client {
	b.t.Helper()
	d := net.Dialer{Timeout: 10 * time.Second}
	d.Control = v.control
	nc, err := d.Dial("tcp", b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	v.Conn = nc
	c, channels, requests, err := ssh.NewClientConn(v, b.addr, &ssh.ClientConfig{Config: config, User: "x",
		Auth: []ssh.AuthMethod{ssh.PublicKeys(b.key)}, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err != nil {
		b.t.Fatal(err)
	}
	client := ssh.NewClient(c, channels, requests)
	b.t.Cleanup(func() {
		v.open()
		_ = client.Close()
	})
	return client
}

func (b *bed) session(c *ssh.Client) ssh.Channel {
	b.t.Helper()
	ch, requests, err := c.OpenChannel("session", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	go ssh.DiscardRequests(requests)
	return ch
}

// asks opens a session and asks for something in it.
func (b *bed) asks(c *ssh.Client, what string) ssh.Channel {
	b.t.Helper()
	ch := b.session(c)
	if _, err := ch.SendRequest(what, false, nil); err != nil {
		b.t.Fatal(err)
	}
	return ch
}

// gone waits until a connection has ended.
func (b *bed) gone(c *conn) {
	b.t.Helper()
	select {
	case <-c.done:
	case <-time.After(tmuxtest.Patience):
		b.t.Fatal("the connection does not end")
	}
}

func (b *bed) Append(_ context.Context, _ access.Class, ev access.Event) (uint64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, ev)
	return uint64(len(b.events)), nil
}

// stands has bob's server stand still until the channel is closed.
func (b *bed) stands(until chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.still = until
}

// wrote reports whether an event is in the log.
func (b *bed) wrote(kind access.EventKind) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.events, func(e access.Event) bool { return e.Kind == kind })
}

func (b *bed) Owners() []string             { return []string{"bob"} }
func (b *bed) IsOwner(name string) bool     { return name == "bob" }
func (b *bed) Server(string) gateway.Server { return b.state() }
func (b *bed) state() gateway.Server        { return bobs{b} }

type bobs struct{ b *bed }

func (bobs) Owner() string         { return "bob" }
func (bobs) Known() *tmux.Snapshot { return nil }
func (bobs) Incarnation() string   { return "1" }
func (s bobs) Snapshot(ctx context.Context, _ tmux.Detail) (*tmux.Snapshot, error) {
	s.b.mu.Lock()
	asked, still := s.b.asked, s.b.still
	s.b.mu.Unlock()
	if still != nil {
		<-still
	}
	if asked != nil {
		select {
		case <-asked:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	snap := &tmux.Snapshot{Windows: []tmux.Window{{Panes: []tmux.PaneID{0}}}, Panes: []tmux.Pane{{}}}
	for i := range s.b.sessions {
		snap.Sessions = append(snap.Sessions, tmux.Session{ID: tmux.SessionID(i), Name: fmt.Sprintf("SECRET-%01000d", i),
			Links: []tmux.Winlink{{}}})
	}
	return snap, nil
}

// everything is a policy that permits it to everybody.
type everything struct{}

func (everything) Decide(access.Question) access.Decision { return access.Decision{Allow: true} }
func (everything) Holds(identity.Subject, access.Object, time.Time) access.VerbSet {
	return access.TmuxVerbs
}
func (everything) Covers(identity.Subject, access.VerbSet, access.Object, time.Time) access.Decision {
	return access.Decision{Allow: true}
}
func (everything) GivenBy(identity.Subject, string, access.Verb, access.Object, time.Time) (bool, time.Time) {
	return false, time.Time{}
}
func (everything) Duties(identity.Subject, access.Object, time.Time) access.Obligations { return 0 }
func (everything) Holders(access.Verb, access.Object, time.Time) []string               { return nil }
func (everything) Blind(identity.Subject, access.Object, time.Time) bool                { return false }
func (everything) Generation() uint64                                                   { return 1 }

// doer carries out acts, and prints much of what is asked for a list.
type doer struct{ b *bed }

func (d doer) Execute(ctx context.Context, p *gateway.Permit) (gateway.Result, error) {
	if act := p.Request().Act; act != nil {
		return act.Do(ctx, access.Object{})
	}
	if p.Request().Invocation.Row.Name == "list-sessions" {
		return gateway.Result{}, p.Request().Client.Print(ctx, 1, bytes.Repeat([]byte("SECRET\n"), cmp.Or(d.b.print, 1400<<10)/7))
	}
	return gateway.Result{}, fmt.Errorf("nothing runs here")
}
