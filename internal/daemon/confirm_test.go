package daemon

import (
	"fmt"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/server/ctld"
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
	if _, ok := c.find("1", "carol", now); ok || c.take("1", "carol", now) {
		t.Error("carol answers what is alice's")
	}
	if v, ok := c.find("1", "alice", now); !ok || v.id != "1" {
		t.Errorf("alice is shown: %+v, %t", v, ok)
	}
	if !c.take("1", "alice", now) {
		t.Error("alice does not answer")
	}
	if c.take("1", "alice", now) {
		t.Error("it is answered twice")
	}
	if n := len(c.open("alice", now)); n != mostConfirms-1 {
		t.Errorf("%d wait", n)
	}
	if c.take("hers", "carol", now.Add(time.Second)) {
		t.Error("it is answered when its time is over")
	}
	if err := c.add(confirmation{id: "later", person: "alice", until: now.Add(2 * confirmTime)}, now.Add(confirmTime)); err != nil {
		t.Errorf("when their time is over: %v", err)
	}
	if n := len(c.list); n != 1 {
		t.Errorf("%d are kept", n)
	}
}

// Where a word begins and ends is seen, and nothing in it changes how the rest looks.
func TestQuotedWord(t *testing.T) {
	for word, want := range map[string]string{
		"mwalice/work:1.2":   "mwalice/work:1.2",
		"":                   `""`,
		"help --until never": `"help --until never"`,
		`a" --undo "`:        `"a\" --undo \""`,
		"a\x1b[2Jb\n":        `"a\x1b[2Jb\n"`,
		"a\u202eb\u00a0":     `"a\u202eb\u00a0"`,
		"\xff":               `"\xff"`,
	} {
		if got := quotedWord(word); got != want {
			t.Errorf("%q: %s, want %s", word, got, want)
		}
	}
	p := pinnedCall{call: ctld.Call{Act: "revoke", Person: "bob", Target: "alice/x --undo", Reason: "r --undo"}}
	if got, want := p.command(), `muxward revoke bob -t "alice/x --undo" --reason "r --undo"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
