package tmuxd

import (
	"strings"
	"testing"
)

// Of one door so many connections may be left behind that do not come to their end, and then nobody comes in there
// but root, until one does. Other doors are open.
func TestLeftBehind(t *testing.T) {
	s := &Server{Complain: func(string) {}}
	here, there := place{path: "here"}, place{path: "there"}
	var all []*visit
	done := make(chan struct{})
	for range maxLeft {
		v, err := comeAt(t, s, 1000, here)
		if err != nil {
			t.Fatal(err)
		}
		s.left.behind(v, done)
		v.leave(errFault)
		v.proved()
		all = append(all, v)
	}
	if _, err := comeAt(t, s, 1000, here); err == nil || !strings.Contains(err.Error(), "left behind") {
		t.Errorf("one more: %v", err)
	}
	for what, of := range map[string]struct {
		uid uint32
		at  place
	}{"another door": {1000, there}, "root": {0, here}} {
		v, err := comeAt(t, s, of.uid, of.at)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		v.leave(nil)
		v.proved()
	}
	close(done)
	for _, v := range all {
		s.left.back(v)
	}
	s.left.behind(all[0], done) // that one has ended by then
	v, err := comeAt(t, s, 1000, here)
	if err != nil || len(s.left.at) > 0 {
		t.Errorf("when they have ended: %v, and %v are left", err, s.left.at)
	} else {
		v.leave(nil)
		v.proved()
	}
	if s.newcomers.Len() > 0 || s.proofs.Len() > 0 {
		t.Errorf("%d are here, %d proofs", s.newcomers.Len(), s.proofs.Len())
	}
}
