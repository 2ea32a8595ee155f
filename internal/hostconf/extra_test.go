package hostconf

import (
	"context"
	"os"
	"strings"
	"testing"
)

// What people have made of a directory since is theirs, and what a plan shows is what changes.
func TestExtraOfPeople(t *testing.T) {
	b := newBed(t)
	b.must(os.MkdirAll(b.at("srv/d"), 0o755))
	b.write("etc/x", "a\nold\n", 0o644)
	b.apply(State{Set: "a", Items: []Item{{ID: "T", Kind: Directory, Path: "/srv/d", Mode: 0o750, Why: "it"},
		{ID: "T", Kind: File, Path: "/etc/x", Mode: 0o644, Content: "a\nnew\n", Why: "it"}}})
	b.must(os.Chmod(b.at("srv/d"), 0o700))
	p := b.plan(State{Set: "a"})
	for _, c := range p.Changes {
		if c.Item.Path == "/etc/x" && !strings.Contains(c.Diff, " a\n-new\n+old\n") {
			t.Errorf("the plan shows\n%s", c.Diff)
		}
	}
	r := b.apply(State{Set: "a"})
	if st, err := os.Stat(b.at("srv/d")); err != nil || st.Mode().Perm() != 0o700 || len(r.Left) != 1 {
		t.Errorf("%v, %v, left %+v", st.Mode(), err, r.Left)
	}
}

// What another set has taken over is not undone, and that set's records stay.
func TestUndoOfTaken(t *testing.T) {
	b := newBed(t)
	item := Item{ID: "T", Kind: File, Path: "/etc/x", Mode: 0o644, Content: "x\n", Why: "it"}
	b.apply(State{Set: "setup", Items: []Item{item, {ID: "T", Kind: File, Path: "/etc/y", Mode: 0o644, Why: "it"}}})
	host := State{Set: "host", Takes: []string{"setup"}, Items: []Item{item}}
	host.Items[0].Mode = 0o640
	b.apply(host)
	r, err := Undo(context.Background(), "setup", b.opt)
	if err != nil || len(r.Left) != 1 || !strings.Contains(r.Left[0].Reason, "muxward host") || b.read("etc/x") != "x\n" {
		t.Errorf("%+v, %v", r, err)
	}
	if made, err := MadeAnew("host", "/etc/x", b.opt); err != nil || !made {
		t.Errorf("host has it: %v, %v", made, err)
	}
	b.apply(State{Set: "host"})
	if done, err := Forget(b.opt, "setup"); err != nil || done {
		t.Errorf("what host could undo is forgotten: %v, %v", done, err)
	}
}
