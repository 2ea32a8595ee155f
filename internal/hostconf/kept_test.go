package hostconf

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// An undo is killed while it gives a directory back its mode and its group: the next one goes on.
func TestUndoOfDirectoryKilled(t *testing.T) {
	b := newBed(t)
	if b.opt.NoOwners {
		tmuxtest.Skip(t, "groups are root's to give")
	}
	for _, at := range []string{"dress /etc/d", "dressed owner /etc/d"} {
		b.must(os.MkdirAll(b.at("etc/d"), 0o755))
		b.must(errors.Join(os.Chmod(b.at("etc/d"), 0o711), os.Chown(b.at("etc/d"), 0, 0)))
		before := b.snapshot()
		b.apply(State{Set: "test", Items: []Item{{ID: "T", Kind: Directory, Path: "/etc/d", Group: "somebody", Mode: 0o750, Why: "it counts"}}})
		o, met := b.opt, false
		o.step = func(step string) {
			if step == at {
				met = true
				panic("killed")
			}
		}
		func() {
			defer func() { _ = recover() }()
			_, _ = Undo(context.Background(), "test", o)
		}()
		r, err := Recover(context.Background(), b.opt)
		if !met || err != nil || len(r.Left) > 0 || b.snapshot() != before {
			t.Errorf("killed at %q (%v): left %+v, %v\n%s", at, met, r.Left, err, b.snapshot())
		}
	}
}

// Somebody changes a file between the last look at it and the moment at which ours takes its
// place. However an apply ends then, what they wrote is on the host, and is named.
func TestTheirsIsKept(t *testing.T) {
	s := State{Set: "test", Items: []Item{{ID: "T", Kind: File, Path: "/etc/x.conf", Mode: 0o644, Content: "ours\n", Why: "it counts"}}}
	gone := State{Set: "test", Items: []Item{{ID: "T", Kind: Absent, Path: "/etc/x.conf", Why: "it counts"}}}
	for _, c := range []struct {
		name string
		s    State
		then func(b *bed) // what happens before it can be put back
	}{
		{"killed", s, func(*bed) { panic("killed") }},
		{"killed while it is removed", gone, func(*bed) { panic("killed") }},
		{"the place is taken", gone, func(b *bed) { b.write("etc/x.conf", "newer\n", 0o644) }},
		{"the place is empty", s, func(b *bed) { b.must(os.Remove(b.at("etc/x.conf"))) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t)
			b.write("etc/x.conf", "old\n", 0o644)
			o := b.opt
			o.step = func(step string) {
				switch step {
				case "do /etc/x.conf":
					b.write("etc/x.conf", "THEIRS\n", 0o644)
				case "settle /etc/x.conf":
					c.then(b)
				}
			}
			var err error
			func() {
				defer func() { _ = recover() }()
				_, err = Apply(context.Background(), Just(c.s), o)
			}()
			r, again := Recover(context.Background(), b.opt)
			b.must(again)
			named := len(r.Left) == 1 && r.Left[0].Item.Path == "/etc/muxward-1-0-kept~"
			if err != nil { // it was not killed
				named = errors.Is(err, errMeanwhile) && strings.Contains(err.Error(), "/etc/muxward-1-0-kept~ is left")
			}
			if !named || b.read("etc/muxward-1-0-kept~") != "THEIRS\n" {
				t.Errorf("left %+v, error %v:\n%s", r.Left, err, b.snapshot())
			}
			if strings.Contains(b.snapshot(), ".muxward-") {
				t.Errorf("something of ours is left:\n%s", b.snapshot())
			}
		})
	}
}

// The name under which it would be kept is taken: by what was kept when all that is known of applies
// was forgotten once.
func TestKeptTwice(t *testing.T) {
	b := newBed(t)
	b.write("etc/x.conf", "old\n", 0o644)
	b.write("etc/muxward-1-0-kept~", "earlier\n", 0o644)
	o := b.opt
	o.step = func(step string) {
		switch step {
		case "do /etc/x.conf":
			b.write("etc/x.conf", "THEIRS\n", 0o644)
		case "settle /etc/x.conf":
			panic("killed")
		}
	}
	s := State{Set: "test", Items: []Item{{ID: "T", Kind: File, Path: "/etc/x.conf", Mode: 0o644, Content: "ours\n", Why: "it counts"}}}
	func() {
		defer func() { _ = recover() }()
		_, _ = Apply(context.Background(), Just(s), o)
	}()
	r, err := Recover(context.Background(), b.opt)
	if err != nil || r.Recovered == nil || b.read("etc/muxward-1-0-kept~") != "earlier\n" || b.read("etc/muxward-1-0-kept2~") != "THEIRS\n" {
		t.Errorf("%+v, %v\n%s", r, err, b.snapshot())
	}
	if len(r.Left) != 1 || r.Left[0].Item.Path != "/etc/muxward-1-0-kept2~" {
		t.Errorf("left %+v", r.Left)
	}
}

// What is kept of somebody's is named where the apply succeeds, too.
func TestKeptIsNamed(t *testing.T) {
	b := newBed(t)
	b.write("etc/.muxward-1-0~", "somebody's\n", 0o644)
	r := b.apply(State{Set: "test", Items: []Item{{ID: "T", Kind: File, Path: "/etc/x.conf", Mode: 0o644, Content: "ours\n", Why: "it counts"}}})
	if len(r.Left) != 1 || r.Left[0].Item.Path != "/etc/muxward-1-0-kept~" {
		t.Errorf("left %+v\n%s", r.Left, b.snapshot())
	}
}

// TestSettle: what became of an apply is known, whenever it was killed; but of the first one,
// which may have had no records yet, or none any more.
func TestSettle(t *testing.T) {
	s := State{Set: "test", Items: []Item{{ID: "T", Kind: File, Path: "/etc/x.conf", Mode: 0o644, Content: "ours\n", Why: "it counts"}}}
	for at, want := range map[string]Fate{"check x": Unknown, "journal": Unknown, "moved /etc/x.conf": TakenBack, "commit": TakenBack, "none": Landed} {
		b := newBed(t)
		number, err := Next(b.opt)
		b.must(err)
		o := b.opt
		o.Checks = []Check{{Name: "x", Run: func(context.Context, string) error { return nil }}}
		o.step = func(step string) {
			if step == at {
				panic("killed")
			}
		}
		func() {
			defer func() { _ = recover() }()
			_, _ = Apply(context.Background(), Just(s), o)
		}()
		failed := errors.New("it cannot be written down")
		if _, res, err := Settle(t.Context(), "test", number, b.opt, func(Fate) error { return failed }); err != nil && (!errors.Is(err, failed) || res.Recovered != nil) {
			t.Errorf("killed at %q: it goes on without having told: %v, %v", at, res, err)
		}
		var first Fate
		told := func(f Fate) error { first = f; return nil }
		got, _, err := Settle(t.Context(), "test", number, b.opt, told)
		if first != got {
			t.Errorf("killed at %q: it tells %v and gives %v", at, first, got)
		}
		if err != nil || got != want {
			t.Errorf("killed at %q: %v, want %v, %v", at, got, want, err)
		}
		if got, _, err := Settle(t.Context(), "other", number, b.opt, told); err != nil || got == Landed {
			t.Errorf("another set's number %d: %v, %v", number, got, err)
		}
		if _, err := os.Lstat(b.at("etc/x.conf")); (err == nil) != (want == Landed) {
			t.Errorf("killed at %q: the file: %v", at, err)
		}
	}
}
