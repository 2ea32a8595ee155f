package hostconf

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
)

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
			named := len(r.Left) == 1 && r.Left[0].Item.Path == "/etc/muxward-1-0-kept"
			if err != nil { // it was not killed
				named = errors.Is(err, errMeanwhile) && strings.Contains(err.Error(), "/etc/muxward-1-0-kept is left")
			}
			if !named || b.read("etc/muxward-1-0-kept") != "THEIRS\n" {
				t.Errorf("left %+v, error %v:\n%s", r.Left, err, b.snapshot())
			}
			if strings.Contains(b.snapshot(), ".muxward-") {
				t.Errorf("something of ours is left:\n%s", b.snapshot())
			}
		})
	}
}
