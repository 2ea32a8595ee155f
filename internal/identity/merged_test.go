package identity

import (
	"strings"
	"testing"
)

// TestSubjectsKey: the key that rights may be bound to is the same whatever else was
// proved with it.
func TestSubjectsKey(t *testing.T) {
	key := newPublicKey(t)
	plain := &SSHProof{key: key}
	coded := &SSHProof{key: key, second: "x"}
	want := DescribeSSHKey(key)
	for _, p := range []*SSHProof{plain, coded} {
		if got := (Identity{&proof{key: p.describe()}}).Subject().Key; got != want || want == "" {
			t.Errorf("described as %q it is the key %q, want %q", p.describe(), got, want)
		}
	}
}

// TestTicketsAreNotForCodes: who has a second factor is given no ticket, and who is given
// one while they are here comes again by the door that asks for it.
func TestTicketsAreNotForCodes(t *testing.T) {
	b := newTicketBed(t)
	b.comeIn()
	at := b.connect()
	b.Second = func(person string) string { return strings.Repeat("s", len(person)-len("caro")) } // carol has one
	if line, err := b.ask(b.conn); err == nil || line.Ticket != "" || !strings.Contains(err.Error(), "second factor") {
		t.Errorf("there is a ticket of %q: %v", line.Person, err)
	}
	if b.reconsider(); !gone(at) {
		t.Error("carol has a second factor, and is still here without it")
	}
}
