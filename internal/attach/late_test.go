package attach

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// What a terminal has sent while a key before it waited is read before it is said that
// nothing came: the begin of a paste stays one, that of a key, and that of an answer.
func TestWaitingSplitsNothing(t *testing.T) {
	for _, c := range []struct{ first, then, want string }{
		{"x\x1b[20", "0~y\rz\x1b[201~", "paste  y\rz"},
		{"x\x1b[1;", "5A", "named C-Up"},
		{"x\x1b", "OA", "named Up"},
		{"x\x1b]52;c;YWJj", "ZGVm\a.", "keys  ."},
	} {
		p := newPerson(t, Size{80, 24}, false)
		waiting, release := make(chan time.Time), make(chan struct{})
		at := attach(t, p, Addressed, func(c *Config) {
			c.Sink.(*sink).prepare = func(e Event) error {
				if string(e.Bytes) == "x" {
					waiting <- time.Now()
					<-release
				}
				return nil
			}
		})
		eventually(t, "raw mode", func() error { return rawMode(p) })
		p.types(c.first)
		since := <-waiting
		p.types(c.then)
		eventually(t, "all deadlines are over", func() error {
			if time.Since(since) < max(replyIdle, DefaultEscapeTime)+10*time.Millisecond {
				return errors.New("not yet")
			}
			return nil
		})
		close(release)
		eventually(t, "what follows", contains(at.sink.all, c.want))
		p.types("\x02d")
		if err := at.wait(); !errors.Is(err, ErrDetached) {
			t.Fatal(err)
		}
		if got := string(at.sink.all()); got != "keys  x|"+c.want+"|detach" && got != "keys  x"+strings.TrimPrefix(c.want, "keys  ")+"|detach" {
			t.Errorf("%q, then %q: got %q", c.first, c.then, got)
		}
	}
}
