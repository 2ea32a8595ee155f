package ctld

import (
	"os"
	"testing"
)

// closes tells of being closed.
type closes struct{ closed *int }

func (c closes) Close() error { *c.closed++; return nil }

// TestManyUIDs: whoever uses many uids and says nothing keeps nobody out; who has made their
// request is left alone, and root finds room in any case.
func TestManyUIDs(t *testing.T) {
	uid := uint32(os.Geteuid()) + 1 // and more: neither root nor us
	for _, asked := range []bool{false, true} {
		var w crowd
		closed := 0
		for i := range maxOpen {
			c, ok := w.enter(uid+uint32(i)/perUID, closes{&closed})
			if !ok {
				t.Fatalf("number %d has no room", i)
			}
			if asked {
				w.heard(c)
			}
		}
		if _, ok := w.enter(uid, closes{&closed}); ok {
			t.Errorf("asked %v: one uid has more than its part", asked)
		}
		if _, ok := w.enter(0, closes{&closed}); !ok || closed > 0 {
			t.Errorf("asked %v: root has room: %v, and %d were closed for that", asked, ok, closed)
		}
		c, ok := w.enter(uid+1000, closes{&closed})
		if ok == asked || ok != (closed == 1) {
			t.Errorf("asked %v: one more has room: %v, and %d were closed", asked, ok, closed)
		}
		if !ok {
			continue
		}
		for range 3 * maxOpen { // who has most makes room
			if _, ok := w.enter(uid+2000+uint32(closed), closes{&closed}); !ok {
				t.Fatal("there is no room")
			}
			if c.left && closed < maxOpen {
				t.Fatalf("it has made room itself, after %d others", closed)
			}
		}
		n := len(w.all)
		w.leave(c)
		w.leave(c)
		if len(w.all) < n-1 || n > maxOpen+1 {
			t.Errorf("%d are counted, and %d before", len(w.all), n)
		}
	}
}
