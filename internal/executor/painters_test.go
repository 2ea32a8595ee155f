package executor

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestPainters: on one server one draws after the other, with a pause by how long it
// took; on another one that counts for nothing. One person has so many places.
func TestPainters(t *testing.T) {
	var p painters
	alices, err := p.join("alice", "bob")
	if err != nil {
		t.Fatal(err)
	}
	for range maxOwn - 1 {
		if same, err := p.join("alice", "bob"); err != nil || same != alices {
			t.Fatal(same, err)
		}
	}
	if _, err := p.join("alice", "bob"); err == nil {
		t.Error("bob has more places than there are for one")
	}
	carols, err := p.join("carol", "bob")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(alices.begin(t.Context()), carols.begin(t.Context())); err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := alices.begin(over); err == nil {
		t.Error("two draw at once")
	}
	began := time.Now()
	alices.end(20 * time.Millisecond)
	if err := alices.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if pause := time.Since(began); pause < frameShare*20*time.Millisecond {
		t.Errorf("the next begins after %s", pause)
	}
	for range maxOwn {
		p.leave("alice", "bob")
	}
	p.leave("carol", "bob")
	p.leave("carol", "bob")
	if len(p.of) != 0 {
		t.Errorf("there are %d left", len(p.of))
	}
}
