package attack

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// muxward's connections to a tmux server are cut, or stand still, again and
// again while people look and type. Control connections and displays are no
// processes of their own that could be killed: their sockets are shut down, and
// to have them all stand still, tmux is stopped. The picture is back within a
// second: by itself, if the display was left alone, or else when people, who
// were told, attach again. Each key is typed once or not at all, and in order.
// The control run is the count of what was cut, and TM-15's.
func TestF06ConnectionsCut(t *testing.T) {
	b := lay(t, host.Config{})
	p := &pair{b: b}
	p.attach()
	calm, cuts := b.resting(), 0
	for i := range soak.N(1000, 12) {
		p.press()
		switch i % 4 {
		case 0, 1:
			broken := time.Now()
			n := cut(t, b.Host, b.server, p.spared)
			p.press()
			p.picture(broken, "%d control connections cut", n)
			cuts += n
		case 2:
			broken := time.Now()
			n := cut(t, b.Host, b.server, nil)
			p.leave()
			p.attach()
			p.picture(broken, "%d connections cut, attached again", n)
			cuts += n
		case 3:
			p.stall(300 * time.Millisecond)
		}
		b.Tmux(typist, "send-keys", "-t", "mwalice/shared:0.0", "-l", fmt.Sprintf("<%d>", i)) // it may be refused
	}
	// Longer than a connection may stand still before it is given up.
	p.stall(6 * time.Second)
	tmuxtest.Eventually(t, func() bool {
		return b.Tmux(typist, "send-keys", "-t", "mwalice/shared:0.0", "-l", "<99999>").Code == 0
	}, "typing goes on")
	b.arrived("<99999>")
	if cuts == 0 {
		t.Error("control run: no connection was cut, this is no test")
	}
	p.typedOnce()
	t.Logf("%d connections cut", cuts)
	b.kept()
	calm()
	b.VerifyAudit()
}

// pair is somebody who looks and somebody who types, in the same session.
type pair struct {
	b      *bed
	v, c   *tmuxtest.Terminal
	spared map[uint64]bool // the sockets of their displays
	typed  strings.Builder // what the typist has pressed
}

func (p *pair) attach() {
	p.b.t.Helper()
	tmuxtest.Eventually(p.b.t, func() bool { return p.b.Tmux(viewer, "has-session", "-t", "mwalice/shared").Code == 0 },
		"muxward is connected again")
	p.spared = displays(p.b.t, p.b.Host, p.b.server, func() {
		p.v = p.b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		p.c = p.b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
		p.v.WaitFor("recording")
		p.c.WaitFor("recording")
	})
}

// leave waits until both were told that their displays have gone.
func (p *pair) leave() {
	p.b.t.Helper()
	for _, x := range []*tmuxtest.Terminal{p.v, p.c} {
		x.ExitCode()
		sane(p.b.t, x)
		x.Close()
	}
}

// press has the typist press the next letter.
func (p *pair) press() {
	key := string(rune('a' + p.typed.Len()%26))
	p.typed.WriteString(key)
	p.c.Type(key)
}

// picture waits until both see what is new, within a second of when something
// was broken.
func (p *pair) picture(broken time.Time, what string, args ...any) {
	p.b.t.Helper()
	word := randomWord()
	p.b.server.Run("rename-window", "-t", "shared:0", word)
	p.v.WaitFor(word)
	p.c.WaitFor(word)
	inTime(p.b.t, broken, time.Second, what, args...)
}

// stall has every connection to the server stand still for a while, in which
// the typist goes on.
func (p *pair) stall(how time.Duration) {
	p.b.t.Helper()
	signal(p.b.t, p.b.server.PID, sigStop)
	p.press()
	pause(how)
	signal(p.b.t, p.b.server.PID, sigCont)
	again := time.Now()
	p.picture(again, "connections stood still for %v", how)
}

// typedOnce fails if a key or a word arrived twice, or out of order.
func (p *pair) typedOnce() {
	p.b.t.Helper()
	got := string(p.b.rec.Bytes())
	var keys strings.Builder
	last := -1
	for rest := got; rest != ""; {
		if rest[0] != '<' {
			keys.WriteByte(rest[0])
			rest = rest[1:]
			continue
		}
		var i int
		if _, err := fmt.Sscanf(rest, "<%d>", &i); err != nil || i <= last {
			p.b.t.Fatalf("typed twice or out of order: %q", got)
		}
		last = i
		_, rest, _ = strings.Cut(rest, ">")
	}
	if keys.Len() == 0 || !inOrder(keys.String(), p.typed.String()) {
		p.b.t.Errorf("pressed %q, the pane received %q", p.typed.String(), keys.String())
	}
	p.b.t.Logf("%d keys pressed, %d typed", p.typed.Len(), keys.Len())
}
