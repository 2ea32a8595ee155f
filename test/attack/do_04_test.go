package attack

import (
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// typeable is what somebody at a keyboard may have typed at most when they have
// typed for this long, in bytes: what they may at once, and a second's worth more
// than what they may then.
func typeable(d time.Duration) int { return 64<<10 + int((d+time.Second).Seconds()*(16<<10)) }

// Carol may type into one pane, and wants to keep the server busy with that alone,
// so that others wait: keys without end, a paste that does not end, a key a
// thousand million times. What she types at once is bounded, and what she types
// after it goes at a rate that leaves the server to others; her paste is dropped
// and she is told; no command repeats a key more than a thousand times. The pane's
// program gets what she typed, in order, and what others type.
func TestDO04Floods(t *testing.T) {
	t.Parallel()
	t.Run("attack", func(t *testing.T) { flood(t, "") })
	t.Run("control", func(t *testing.T) { flood(t, "teeth_budget") })
}

func flood(t *testing.T, tag string) {
	b := lay(t, host.Config{Build: tag})
	x := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	x.WaitFor("recording")
	const line = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.\r"
	many := soak.N(1_000_000, 130_000)
	if tag != "" {
		many = 400_000 // the slower the machine is, the more it takes to exceed the rate
	}
	keys := strings.Repeat(line, many/len(line))
	began, done := time.Now(), make(chan struct{})
	go func() {
		defer close(done)
		x.Type(keys)
	}()
	worst := -1 << 30
	count := func() {
		n := b.rec.Len() // asked before the time is
		worst = max(worst, n-typeable(time.Since(began)))
	}
	served := func() {
		swift(t, "the owner's command", func() { b.Must(owner, "display-message", "-p", "served") })
		count()
	}
	look := served
	if tag != "" { // commands take the processors from what she types, which has to exceed the rate
		look = func() { pause(5 * time.Millisecond); count() }
	}
	for b.rec.Len() < len(keys) && time.Since(began) < 3*tmuxtest.Patience && worst <= 0 {
		look()
	}
	look()
	<-done
	if (worst > 0) != (tag != "") {
		t.Errorf("after %v the pane has %d bytes, %d more than she may type", time.Since(began), b.rec.Len(), worst)
	}
	if tag != "" {
		return
	}
	tmuxtest.Eventually(t, func() bool { return b.rec.Len() >= len(keys) }, "the last of her keys")
	b.Must(owner, "send-keys", "-t", "shared:0.1", "-l", "others")
	b.side.WaitLen(len("others"))
	if got := string(b.rec.Bytes()); got != keys {
		t.Errorf("what reached the pane is not what she typed, in order: %d bytes of %d", len(got), len(keys))
	}
	x.Close()
	b.floodPaste()
	for _, n := range []string{"1000000000", "1001", "99999999999999999999"} {
		if r := b.Tmux(typist, "send-keys", "-t", "mwalice/shared:0.0", "-N", n, "x"); r.Code == 0 {
			t.Errorf("-N %s is done", n)
		}
	}
	b.Must(typist, "send-keys", "-t", "mwalice/shared:0.0", "-N", "1000", "-l", strings.Repeat("n", 1000))
	served()
	b.kept()
	b.VerifyAudit()
}

// floodPaste has somebody else's terminal of hers paste without end.
func (b *bed) floodPaste() {
	b.t.Helper()
	x := b.Terminal(typist, tmuxtest.TerminalConfig{Cols: 160, Rows: 24}, "attach", "-t", "mwalice/shared")
	x.WaitFor("recording")
	b.rec.Reset()
	before := b.memory("VmRSS")
	x.Type("\x1b[200~")
	chunk := strings.Repeat("p", 64<<10)
	for range soak.N(100<<20, 6<<20) / len(chunk) {
		x.Type(chunk)
	}
	swift(b.t, "the owner's command", func() { b.Must(owner, "display-message", "-p", "served") })
	if grown := b.memory("VmRSS") - before; grown > 24<<10 {
		b.t.Errorf("muxward has grown by %d KiB", grown)
	}
	x.Type("\x1b[201~")
	x.WaitTold("the paste is larger than 262144 bytes and was not sent")
	x.Type("#")
	b.arrived("#")
	if got := string(b.rec.Bytes()); got != "#" {
		b.t.Errorf("the pane got %d bytes of it", len(got))
	}
	// One of the limit's size is pasted whole, and no buffer is left of it.
	b.rec.Reset()
	text := strings.Repeat("0123456789abcde\r", 256<<10/16)
	x.Type("\x1b[200~" + text + "\x1b[201~")
	b.rec.WaitLen(len(text))
	if got := string(b.rec.Bytes()); got != text {
		b.t.Errorf("the pane got %d bytes of %d, or others", len(got), len(text))
	}
	tmuxtest.Eventually(b.t, func() bool { return b.server.Run("list-buffers") == "" }, "the paste's buffer is gone")
}
