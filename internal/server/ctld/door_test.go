package ctld

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/crowd"
)

// everybody knows every account as a person; nobody knows none.
type (
	everybody struct{}
	nobody    struct{}
)

func (everybody) PersonOf(uint32, string) (string, error) { return "somebody", nil }
func (nobody) PersonOf(uint32, string) (string, error)    { return "", errors.New("SECRET reason") }

// door is a Server at a socket of its own. What it says goes to said.
type door struct {
	path string
	mu   sync.Mutex
	said strings.Builder
}

func (d *door) complaints() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.said.String()
}

func newDoor(t *testing.T, who identity.Directory, acts func(identity.Identity, Call) (*gateway.Act, error)) *door {
	t.Helper()
	return newDoorOf(t, &Server{Prover: identity.NewProver(who), Acts: acts})
}

func newDoorOf(t *testing.T, s *Server) *door {
	t.Helper()
	d := &door{path: filepath.Join(t.TempDir(), "ctl")}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: d.path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	s.Complain = func(what string) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.said.WriteString(what + "\n")
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listener{l}) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		s.Wait()
	})
	return d
}

type listener struct{ *net.UnixListener }

func (l listener) Accept() (*net.UnixConn, error) { return l.AcceptUnix() }

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// TestWhatTheDoorSays: a stranger hears no reason, a fault in an answer ends
// that answer only, and what is no call is answered as such.
func TestWhatTheDoorSays(t *testing.T) {
	acts := func(who identity.Identity, c Call) (*gateway.Act, error) {
		if c.Act == "fault" {
			panic("of this one")
		}
		return nil, errors.New(who.Person() + " asked for " + c.Act)
	}
	shut := newDoor(t, nobody{}, acts)
	if err := (Call{Act: "status"}).Do(soon(t), shut.path, nil); err == nil || err.Error() != "muxward does not know who you are" {
		t.Errorf("a stranger hears: %v", err)
	}
	d := newDoor(t, everybody{}, acts)
	if err := (Call{Act: "status"}).Do(soon(t), d.path, nil); err == nil || err.Error() != "somebody asked for status" {
		t.Errorf("status: %v", err)
	}
	if err := (Call{Act: "fault"}).Do(soon(t), d.path, nil); err == nil {
		t.Error("a fault is an answer")
	}
	if said := d.complaints(); !strings.Contains(said, "of this one") || !strings.Contains(said, "goroutine") {
		t.Errorf("of the fault it is said: %q", said)
	}
	for _, text := range []string{"x", "{}x", `{"act":1}`, `{"act":"status","more":true}`, "\x00\xff", `[]`, strings.Repeat(`{"act":`, 9000)} {
		conn, err := net.Dial("unix", d.path)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(15 * time.Second))
		_, _ = io.WriteString(conn, text)
		_ = conn.(*net.UnixConn).CloseWrite()
		var a Answer
		err = json.NewDecoder(conn).Decode(&a)
		_ = conn.Close()
		if err != nil || a.Error == "" || a.Value != nil {
			t.Errorf("%.40q is answered with %+v, %v", text, a, err)
		}
	}
	if err := (Call{Act: "after"}).Do(soon(t), d.path, nil); err == nil || err.Error() != "somebody asked for after" {
		t.Errorf("after all that: %v", err)
	}
}

// TestOneAccountDoesNotTakeAll: connections that say nothing are bounded, and
// give their places back.
func TestOneAccountDoesNotTakeAll(t *testing.T) {
	d := newDoor(t, everybody{}, func(identity.Identity, Call) (*gateway.Act, error) { return nil, errors.New("here") })
	var open []net.Conn
	for range perUID {
		conn, err := net.Dial("unix", d.path)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, conn)
	}
	one, err := net.Dial("unix", d.path)
	if err != nil {
		t.Fatal(err)
	}
	_ = one.SetReadDeadline(time.Now().Add(15 * time.Second))
	if n, err := one.Read(make([]byte, 1)); n != 0 || errors.Is(err, context.DeadlineExceeded) || err == nil {
		t.Errorf("one more is kept: %d, %v", n, err)
	}
	_ = one.Close()
	for _, conn := range open {
		_ = conn.Close()
	}
	for ctx := soon(t); ; {
		err := (Call{Act: "x"}).Do(ctx, d.path, nil)
		if err != nil && err.Error() == "here" {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("the places are not given back: %v", err)
		}
	}
}

// FuzzCall: a call is read within bounds, whatever comes, and means what it
// says: written again, it is the same.
func FuzzCall(f *testing.F) {
	for _, seed := range []string{
		`{"act":"status"}`, `{"act":"revoke","person":"bob","target":"alice/work:1.2","reason":"r","undo":true}`,
		`{"act":"status"}{"act":"revoke"}`, `{"act":"explain","argv":["kill-pane","-t","x"],"pane":"%1","socket":"/s"}`, `{"argv":[]}`, `{"ACT":"status"}`, `{"act":"a","act":"b"}`, `null`, ``, `{"act":"\u0000\ud800"}`, `{"more":1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &counted{r: bytes.NewReader(append(data, make([]byte, 2*maxCall)...))}
		if _, err := readCall(r); r.n > maxCall {
			t.Fatalf("%d bytes were read, %v", r.n, err)
		}
		c, err := readCall(bytes.NewReader(data))
		if err != nil {
			if !reflect.DeepEqual(c, Call{}) {
				t.Fatalf("an error with the call %+v", c)
			}
			return
		}
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		again, err := readCall(bytes.NewReader(text))
		if len(c.Argv) == 0 {
			c.Argv = nil // an empty list is written as none
		}
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Fatalf("%+v is written %s and read %+v, %v", c, text, again, err)
		}
	})
}

type counted struct {
	r io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

// comes has somebody of another uid come with a call, whom a server is to serve; over has them make room.
func comes(t *testing.T, s *Server, call Call) (conn *net.UnixConn, c *caller, asking context.Context, over func() bool, said chan error) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "ctl"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	said = make(chan error, 1)
	go func() { said <- call.Do(soon(t), l.Addr().String(), nil) }()
	if conn, err = l.AcceptUnix(); err != nil {
		t.Fatal(err)
	}
	asking, end := context.WithCancelCause(soon(t))
	in, err := s.waiting.Enter(4242, "", crowd.Bounds{Each: perUID, All: maxOpen}, crowd.Unknown, func() {
		end(errMadeRoom)
		_ = conn.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	return conn, &caller{in, func() {}}, asking, func() bool { return context.Cause(asking) == errMadeRoom }, said
}

// flood has many others come, each with a uid of their own, and gives how many of those have made room.
func flood(s *Server) (others int, err error) {
	for i := range 2 * maxOpen {
		if _, err := s.waiting.Enter(100000+uint32(i), "", crowd.Bounds{Each: perUID, All: maxOpen}, crowd.Unknown, func() { others++ }); err != nil {
			return others, err
		}
	}
	return others, nil
}

// TestHeardStays: who has made their request, and is somebody, makes no room for others.
func TestHeardStays(t *testing.T) {
	s := &Server{Prover: identity.NewProver(everybody{}), Complain: func(string) {}}
	conn, c, asking, over, said := comes(t, s, Call{Act: "status"})
	others, proved := 0, false
	c.proved = func() { proved = true }
	s.Acts = func(identity.Identity, Call) (*gateway.Act, error) {
		if !proved { // what they want may take long
			t.Error("they are who they are, and take a place of those who prove it")
		}
		var err error
		if others, err = flood(s); err != nil {
			return nil, err
		}
		return nil, errors.New("heard")
	}
	s.serve(asking, conn, c, time.NewTimer(time.Hour))
	if err := <-said; err == nil || err.Error() != "heard" || over() || others != maxOpen+1 {
		t.Errorf("%v; it has made room: %v; of others %d have", err, over(), others)
	}
	if !s.waiting.Knows(4242) {
		t.Error("when they come again, they are not known")
	}
}

// slow is a prover of whose proofs no one ends by itself.
type slow struct {
	*identity.Prover
	begun func()
}

func (p slow) Prove(ctx context.Context, _ *identity.Peer, _ string, _ bool) (identity.Identity, error) {
	p.begun()
	<-ctx.Done()
	return identity.Identity{}, context.Cause(ctx)
}

// TestUnprovedMakesRoom: who has made a request, and has not proved to be anybody, keeps nobody out; their proof
// ends with that.
func TestUnprovedMakesRoom(t *testing.T) {
	s := &Server{Complain: func(string) {}}
	conn, c, asking, over, said := comes(t, s, Call{Act: "status"})
	s.Prover = slow{identity.NewProver(everybody{}), func() {
		if _, err := flood(s); err != nil {
			t.Error(err)
		}
	}}
	s.serve(asking, conn, c, time.NewTimer(time.Hour))
	if err := <-said; err == nil || !over() {
		t.Errorf("%v; it has made room: %v", err, over())
	}
}

// TestNobodysPlaces: nobody's request, and one that is refused, leave no place and no proof behind.
func TestNobodysPlaces(t *testing.T) {
	for _, who := range []identity.Directory{nobody{}, everybody{}} {
		s := &Server{Prover: identity.NewProver(who), Acts: func(identity.Identity, Call) (*gateway.Act, error) { return nil, errors.New("enough") }}
		d := newDoorOf(t, s)
		for range 3 {
			_ = (Call{Act: "status"}).Do(soon(t), d.path, nil)
		}
		for ctx := soon(t); s.waiting.Len()+s.proofs.Len() > 0; {
			if ctx.Err() != nil {
				t.Fatalf("%d places and %d proofs are left", s.waiting.Len(), s.proofs.Len())
			}
		}
	}
}

// TestKnownComesAgain: who was proved once comes in beside as many proofs as there may be of others; and whose connection
// makes room is told that their proof is over.
func TestKnownComesAgain(t *testing.T) {
	s := &Server{Complain: func(string) {}}
	come := comers(t, s)
	as := func(uid uint32, end context.CancelCauseFunc) (*caller, error) { return come(uid, end, nil) }
	ctx, end := context.WithCancelCause(t.Context())
	for range perUID + 3 { // of one uid
		_, _ = as(4241, end)
	}
	if n := s.proofs.Len(); n != perUID {
		t.Errorf("%d are being proved, of %d that are let in", n, perUID)
	}
	first, err := as(4242, end)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := flood(s); err != nil {
		t.Fatal(err)
	}
	if context.Cause(ctx) != errMadeRoom {
		t.Errorf("its proof goes on: %v", context.Cause(ctx))
	}
	first.Stand(crowd.Known)
	first.proved()
	for ok := true; ok; {
		_, ok = s.proofs.Begin(1, "", maxProofs, crowd.Unknown, time.Hour)
	}
	if _, err := as(4243, end); err == nil {
		t.Error("there is no end to proofs")
	}
	if _, err := as(4242, end); err != nil {
		t.Errorf("who was known before: %v", err)
	}
}

// TestKeysAreKnown: the account by which an sshd asks is known when it asks again, and nobody to whom that was not answered.
func TestKeysAreKnown(t *testing.T) {
	for _, refused := range []error{nil, errors.New("who are you")} {
		s := &Server{Prover: identity.NewProver(everybody{}), Complain: func(string) {}}
		s.Keys = func(context.Context, identity.Identity, Call) (any, error) { return "key", refused }
		conn, c, asking, _, said := comes(t, s, Call{Act: "keys"})
		s.serve(asking, conn, c, time.NewTimer(time.Hour))
		if err := <-said; (err == nil) != (refused == nil) || s.waiting.Knows(4242) != (refused == nil) {
			t.Errorf("%v; they are known: %v", err, s.waiting.Knows(4242))
		}
	}
}
