package ctld

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
)

// TestLentAccount: whoever comes by an account that people are lent is nobody, and told
// why; nothing is asked for in their name. What sshd asks, and a ticket, are heard.
func TestLentAccount(t *testing.T) {
	uid := uint32(os.Getuid())
	name := "uid" + strconv.Itoa(int(uid))
	lent := identity.NewProver(everybody{}, identity.WithTickets(&identity.Tickets{Accounts: map[string]uint32{name: uid}}))
	heard := make(chan string, 8)
	d := newDoorOf(t, &Server{Prover: lent,
		Acts: func(who identity.Identity, c Call) (*gateway.Act, error) {
			heard <- "act of " + who.Person()
			return nil, errors.New("done")
		},
		Keys: func(_ context.Context, who identity.Identity, c Call) (any, error) {
			heard <- "keys by " + who.Person()
			return "a line", nil
		},
		Arrive: func(_ context.Context, who identity.Identity, c Call) (identity.Identity, error) {
			if c.Ticket != "good" {
				return identity.Identity{}, errors.New("no ticket")
			}
			return identity.Supposed(identity.Subject{Person: "carol", UID: -1}), nil
		},
	})
	for _, c := range []struct {
		call        Call
		heard, told string
	}{
		{Call{Act: "status"}, "", "log in again"},
		{Call{Act: "attach"}, "", "log in again"},
		{Call{Act: "attach", Ticket: "bad"}, "", "no ticket"},
		{Call{Act: "attach", Ticket: "good"}, "act of carol", "done"},
		{Call{Act: "keys"}, "keys by ", ""},
	} {
		err := c.call.Do(soon(t), d.path, nil)
		if c.told == "" && err != nil || c.told != "" && !says(err, c.told) {
			t.Errorf("%+v: %v", c.call, err)
		}
		got := ""
		select {
		case got = <-heard: // before the answer
		default:
		}
		if got != c.heard {
			t.Errorf("%+v: heard is %q", c.call, got)
		}
	}
	if !says(errors.New(d.complaints()), "was not let in") {
		t.Errorf("it is said: %q", d.complaints())
	}
}

// TestNobodyIsToldOfSeldom: who is nobody may call as often as they like, and what else
// is told is not lost among what is told of that.
func TestNobodyIsToldOfSeldom(t *testing.T) {
	lent := identity.NewProver(everybody{}, identity.WithTickets(&identity.Tickets{Accounts: map[string]uint32{"it": uint32(os.Getuid())}}))
	acts := func(identity.Identity, Call) (*gateway.Act, error) { return nil, errors.New("nobody comes as far") }
	for name, prover := range map[string]*identity.Prover{"lent": lent, "not known": identity.NewProver(nobody{})} {
		d := newDoorOf(t, &Server{Prover: prover, Acts: acts})
		const calls = 100
		for range calls {
			if err := (Call{Act: "keys"}).Do(soon(t), d.path, nil); !says(err, "know who you are") {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if n := strings.Count(d.complaints(), "let in"); n == 0 || n == calls {
			t.Errorf("%s: %d calls are told of %d times", name, calls, n)
		}
	}
}

// TestClosedUnanswered: a caller can tell a door that is full from an answer.
func TestClosedUnanswered(t *testing.T) {
	l, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	for range 20 { // it may end while the call is written, or after it
		if err := (Call{Act: "keys"}).Do(soon(t), l.Addr().String(), nil); !errors.Is(err, ErrClosed) {
			t.Errorf("%v", err)
		}
	}
}

func says(err error, what string) bool { return err != nil && strings.Contains(err.Error(), what) }
