package sshd

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/reach"
)

// TestPlacesForOthers: a few people who take all that they may leave room for others, and
// nobody goes beyond what there is.
func TestPlacesForOthers(t *testing.T) {
	s := &Server{reached: map[string]int{}}
	take := func(person string) (n int) {
		for range 3 {
			c := &conn{s: s, who: identity.Supposed(identity.Subject{Person: person, UID: -1}), empty: time.NewTimer(time.Hour)}
			defer c.empty.Stop()
			for {
				if _, err := c.enterReach(t.Context(), false); err != nil {
					break
				}
				n++
			}
		}
		return n
	}
	greedy := take("alice") + take("bob") + take("carol")
	if greedy > maxEverybody-keptPlaces+fewPlaces {
		t.Errorf("three have %d", greedy)
	}
	if n := take("dave"); n != fewPlaces {
		t.Errorf("a fourth has %d", n)
	}
	for i := range 40 {
		take(fmt.Sprint("p", i))
	}
	if s.reached[""] != maxEverybody {
		t.Errorf("all together have %d", s.reached[""])
	}
}

// TestReachLeavesDescriptors: who was let in reaches for nothing more where the last descriptors are kept back.
func TestReachLeavesDescriptors(t *testing.T) {
	s := &Server{reached: map[string]int{}}
	c := &conn{s: s, who: identity.Supposed(identity.Subject{Person: "alice", UID: -1}), empty: time.NewTimer(time.Hour)}
	defer c.empty.Stop()
	leave, err := c.enterReach(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	leave()
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	_, err = c.enterReach(t.Context(), false)
	if again := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); again != nil {
		t.Fatal(again)
	}
	if err == nil || s.reached[""] != 0 {
		t.Errorf("it is let: %v, and %d are counted", err, s.reached[""])
	}
}

// TestWhoTells: what is reached is told of once it is open, and where it is then; of sftp, by
// which server.
func TestWhoTells(t *testing.T) {
	began, goOn := make(chan struct{}, 1), make(chan struct{})
	b := newBed(t, nil, 1, func(s *Server) {
		reaches(s)
		start := s.Reaching.Start
		s.Reaching.Start = func(ctx context.Context, person string) (*reach.Line, error) {
			began <- struct{}{}
			select {
			case <-goOn:
			case <-ctx.Done():
			}
			return start(ctx, person)
		}
	})
	alice := identity.Supposed(identity.Subject{Person: "alice", UID: -1})
	told := func() (all []string) {
		for _, a := range b.server.Gateway.UsesFor(alice) {
			all = append(all, a.Mode+" "+a.Reaches)
		}
		return all
	}
	c := b.dial(newValve(false), ssh.Config{})
	listens := make(chan net.Listener, 1)
	go func() {
		l, err := c.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Error(err)
		}
		listens <- l
	}()
	within(t, began, "that it is begun")
	if all := told(); len(all) > 0 {
		t.Errorf("before it is open: %q", all)
	}
	close(goOn)
	l := <-listens
	if l == nil {
		return
	}
	if all := told(); len(all) != 1 || all[0] != "listen tcp:"+l.Addr().String() {
		t.Errorf("%q, and it listens at %s", all, l.Addr())
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	w := subsystemOf(sftp)
	if own, of := w.by(&reach.Reached{}), w.by(&reach.Reached{Path: "/usr/lib/sftp"}); own != "muxward's own server" || of != "/usr/lib/sftp" {
		t.Errorf("sftp is served by %q, and by %q", own, of)
	}
}
