package attack

import (
	"net"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Mallory has no right to anything, and can connect to what bob has listened for. She wants the
// log to fill, or not to tell of her guesses at a key: she comes there as fast as she can. Few
// records tell of it, the sum leaves none out, and her guess is on record.
func TestSS28FloodOfAListener(t *testing.T) {
	t.Parallel()
	row{ssh: true, restless: true, teeth: "teeth_ssh", reach: `allow:
  - {id: back, who: mwbob, permit_listen: ["127.0.0.1:*"], reason: bob}
`, attack: func(w *world) {
		const tries = 300
		c, err := w.dialSSH(viewer, 30)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		l, err := c.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() { // it ends with the connection
			for {
				x, err := l.Accept()
				if err != nil {
					return
				}
				_ = x.Close()
			}
		}()
		for range tries {
			x, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			_, _ = x.Read(make([]byte, 1)) // until bob's end takes it: a place is free again
			_ = x.Close()
		}
		if _, err := w.dialSSHAs(w.stray(), 31); err == nil {
			w.gain("her key is taken")
		}
		_ = c.Close()
		records, failed := 0, 0
		tmuxtest.Eventually(t, func() bool {
			records, failed = 0, 0
			ended := false
			for _, e := range w.Audit() {
				switch {
				case strings.Contains(e.Note, "what listens at"):
					records++
				case e.Kind == "door" && !e.Allowed:
					failed++
				}
				ended = ended || e.Kind == "outcome" && e.Person == viewer
			}
			return ended && failed > 0
		}, "the listener has ended, and the guess is on record")
		if records > tries/3 {
			w.gain("%d records of %d who came", records, tries)
		}
	}}.run(t)
}
