package control

import (
	"errors"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// What is sent only if it goes to the server at once never waits with us, however little the
// server reads; what may not be sent is not.
func TestSendIf(t *testing.T) {
	eachWay(t, func(t *testing.T, s *tmuxtest.Server, c *Client) {
		pane := s.NewSession("rec", "cat")
		s.Stop()
		full := errors.New("it would wait")
		send := func(line string) error {
			return c.SendIf(nil, line, func(atOnce func() bool) error {
				if !atOnce() {
					return full
				}
				return nil
			}, func(Reply, error) {})
		}
		state := func() (waiting int, accepted int64) {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.waiting(), c.accepted
		}
		n := 0
		for ; n < 10000; n++ {
			if err := send(typeLine(pane, n)); err != nil {
				if !errors.Is(err, full) {
					t.Fatal(err)
				}
				break
			}
			if waiting, _ := state(); waiting > 0 {
				t.Fatalf("%d bytes of line %d wait", waiting, n)
			}
			if long := "display-message -p " + strings.Repeat("x", 2*pipeBuf); n == 0 && !errors.Is(send(long), full) {
				t.Error("a long line goes at once where something is unread")
			}
		}
		if n < 100 || n == 10000 {
			t.Errorf("%d lines went at once", n)
		}
		_, before := state()
		if err := send("list-sessions"); !errors.Is(err, full) {
			t.Errorf("%v", err)
		}
		if waiting, after := state(); waiting > 0 || after != before {
			t.Errorf("%d bytes were taken, %d wait", after-before, waiting)
		}
		_ = c.Cut(ctxOf(t))
		s.Continue()
	})
}
