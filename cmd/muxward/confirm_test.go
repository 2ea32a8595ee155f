package main

import (
	"fmt"
	"testing"
	"time"
)

// What waits for somebody's key is theirs, is done once, and ends with its time; there is so
// much of it and no more.
func TestConfirmations(t *testing.T) {
	var c confirmations
	now := time.Unix(1e9, 0)
	for i := range mostConfirms {
		if err := c.add(confirmation{id: fmt.Sprint(i), person: "alice", until: now.Add(confirmTime)}, now); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.add(confirmation{id: "more", person: "alice", until: now.Add(confirmTime)}, now); err == nil {
		t.Error("one more waits")
	}
	if err := c.add(confirmation{id: "hers", person: "carol", until: now.Add(time.Second)}, now); err != nil {
		t.Errorf("carol's: %v", err)
	}
	if _, ok := c.take("1", "carol", now); ok {
		t.Error("carol answers what is alice's")
	}
	if v, ok := c.take("1", "alice", now); !ok || v.id != "1" {
		t.Errorf("alice answers: %+v, %t", v, ok)
	}
	if _, ok := c.take("1", "alice", now); ok {
		t.Error("it is answered twice")
	}
	if n := len(c.open("alice", now)); n != mostConfirms-1 {
		t.Errorf("%d wait", n)
	}
	if _, ok := c.take("hers", "carol", now.Add(time.Second)); ok {
		t.Error("it is answered when its time is over")
	}
	if err := c.add(confirmation{id: "later", person: "alice", until: now.Add(2 * confirmTime)}, now.Add(confirmTime)); err != nil {
		t.Errorf("when their time is over: %v", err)
	}
	if n := len(c.list); n != 1 {
		t.Errorf("%d are kept", n)
	}
}
