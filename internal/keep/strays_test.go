package keep

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// What an account puts into a directory that is its own, beside our files, is told by its name and size,
// once, and again when there is something anew.
func TestStrays(t *testing.T) {
	w := newWorld(t)
	h, _ := w.opened("alice")
	s, err := w.k.server(h.ID)
	if err != nil {
		t.Fatal(err)
	}
	told := func(do func(*strays) bool, of string) bool {
		if of == "door" {
			s.inner.mu.Lock()
			defer s.inner.mu.Unlock()
			return do(&s.inner.strays)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		return do(&s.strays)
	}
	inner := filepath.Dir(w.k.innerPath(h.ID))
	for of, dir := range map[string]string{"door": inner, "socket": filepath.Dir(w.socket(h))} {
		for range 2 {
			if !asRoot() { // the watch takes the right to write away again
				tmuxtest.Eventually(t, func() bool {
					_ = os.Chmod(dir, 0o700)
					return os.WriteFile(dir+"/stray", []byte("12345"), 0o600) == nil
				}, "something is put there")
			} else if err := os.WriteFile(dir+"/stray", []byte("12345"), 0o600); err != nil {
				t.Fatal(err)
			}
			w.came(EventNotice, of+" "+w.where(of, h)+` has more in it than muxward has put there: "stray" (5 bytes)`)
			tmuxtest.Eventually(t, func() bool {
				_ = os.Chmod(dir, 0o700)
				_ = os.Remove(dir + "/stray")
				w.k.nudge()
				return told(func(s *strays) bool { return !s.told }, of)
			}, "it is gone")
		}
	}
}

// where says how a notice names a directory of a server's.
func (w *world) where(of string, h Held) string {
	if of == "door" {
		return w.k.innerPath(h.ID)
	}
	return "of " + h.Owner
}
