package attach

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"
)

// opened is a list that C-\ opens, over a display that is typed into directly, and q
// closes.
type opened struct {
	mu   sync.Mutex
	open bool
	keys []string
}

func (o *opened) claims(p []byte, pasted bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.open || !pasted && string(p) == "\x1c"
}

func (o *opened) pressed() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return []byte(strings.Join(o.keys, " "))
}

func (o *opened) Press(_ context.Context, key string) (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.keys = append(o.keys, key)
	o.open = key != "q"
	return key != "not-taken", nil
}

func (o *opened) Plain([]byte) int                   { return 0 }
func (o *opened) Mouse(context.Context, Mouse) error { return nil }
func (o *opened) Paste([]byte) bool                  { return false }
func (o *opened) Reset()                             {}
func (o *opened) EscapeTime() time.Duration          { return time.Minute }

// TestClaimedInputIsNotTheDisplays: what is claimed of somebody's direct input is read
// as keys, also those that come in parts, and none of it reaches the display; all else
// does, as it was typed.
func TestClaimedInputIsNotTheDisplays(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	list := &opened{}
	at := attach(t, p, Direct, func(c *Config) { c.Bound, c.Claims = list, list.claims })
	at.program.draws("\x1b[?1049hhello")
	eventually(t, "output", contains(p.screen, "hello"))
	p.types("ls\r")
	eventually(t, "input", contains(at.program.input, "ls\r"))
	p.types("\x1b[200~past")
	eventually(t, "a paste", contains(at.program.input, "past"))
	p.types("\x1c")
	eventually(t, "what would open it, if it were no paste", contains(at.program.input, "\x1c"))
	p.types("ed\x1b[201~")
	eventually(t, "the end of the paste", contains(at.program.input, "ed\x1b[201~"))
	p.types("\x1c")
	eventually(t, "the key that opens it", contains(list.pressed, `C-\`))
	p.types("y\x1b[")
	eventually(t, "a key", contains(list.pressed, "y"))
	p.types("A")
	eventually(t, "one in two parts", contains(list.pressed, "Up"))
	p.types("\x1b[200~pasted\x1b[201~n")
	eventually(t, "one behind a paste", contains(list.pressed, "n"))
	p.types("q")
	eventually(t, "the key that closes it", contains(list.pressed, "q"))
	p.types("x\x1by")
	eventually(t, "input after it", contains(at.program.input, "x\x1by"))
	if got := string(at.program.input()); got != "ls\r\x1b[200~past\x1ced\x1b[201~x\x1by" {
		t.Errorf("the display got %q", got)
	}
	if got := string(list.pressed()); got != `C-\ y Up n q` {
		t.Errorf("the list got %q", got)
	}
}
