package script

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// crowd is people who type at once, each into a pane of their own of one server.
type crowd struct {
	t      *testing.T
	h      *host.Host
	people []tmuxtest.Account
	panes  []*tmuxtest.Recorder
	ids    []string // of the panes
	x      []*tmuxtest.Terminal
}

// gather has n people come. What they type is in the log, word by word.
func gather(t *testing.T, n int) *crowd {
	t.Helper()
	c := &crowd{t: t, people: tmuxtest.Crowd(t, n)}
	var people, grants strings.Builder
	people.WriteString("people:\n  mwalice: {}\n")
	grants.WriteString("grants:\n")
	for i, a := range c.people {
		fmt.Fprintf(&people, "  %s: {uid: %d}\n", a.Name, a.UID)
		fmt.Fprintf(&grants, "  - {who: %s, role: typist, on: mwalice/s%d, reason: types there, record: content}\n", a.Name, i)
	}
	c.h = host.Start(t, host.Config{
		TmuxConf: "set -g assume-paste-time 0\n",
		Policy:   map[string]string{"people.yaml": people.String(), "grants.yaml": grants.String()},
	})
	for i := range c.people {
		r := tmuxtest.NewRecorder(t)
		c.ids = append(c.ids, c.h.Must(host.Alice, "new-session", "-d", "-P", "-F", "#{pane_id}", "-s", fmt.Sprint("s", i), r.Command()))
		c.panes = append(c.panes, r)
	}
	for i, a := range c.people {
		c.panes[i].WaitReady()
		c.x = append(c.x, tmuxtest.Attach(t, tmuxtest.TerminalConfig{
			As: a, Env: []string{"TMUX_TMPDIR=" + c.h.Doors, "MUXWARD_STATE=" + c.h.State},
		}, "attach", "-t", fmt.Sprint("mwalice/s", i)))
	}
	for _, x := range c.x {
		x.WaitFor("recording")
	}
	return c
}

// text is what somebody types, by turns: no two people type the same.
func (c *crowd) text(i, turns int) []string {
	r := rand.New(rand.NewPCG(11, uint64(i)))
	var keys []string
	for k := range turns {
		word := fmt.Sprintf("<%d.%d>", i, k)
		for range r.IntN(4) {
			word += string(rune('a' + r.IntN(26)))
		}
		keys = append(keys, word+[]string{"", "é", "\r", "\x1b[A", "漢", " "}[r.IntN(6)])
	}
	return keys
}

// TestACrowdTypesAtOnce: fifty guests type into fifty panes of one server, at once.
// Each key comes to its own pane, in the order in which it was typed, and stands in
// the log with the name of whoever typed it.
func TestACrowdTypesAtOnce(t *testing.T) {
	n, turns := soak.N(50, 12), soak.N(400, 40)
	c := gather(t, n)
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i, x := range c.x {
		wg.Go(func() {
			<-begin
			sent := 0
			for _, keys := range c.text(i, turns) {
				x.Type(keys)
				// They look at what they type: a key that takes seconds, as on a machine
				// that can no more, is given up, and they are told so.
				sent += len(keys)
				c.panes[i].WaitLen(sent)
			}
		})
	}
	close(begin)
	wg.Wait()
	want := make([]string, n)
	for i, r := range c.panes {
		want[i] = strings.Join(c.text(i, turns), "")
		if got := string(r.Bytes()); got != want[i] {
			t.Errorf("%s typed\n%q\nand to the pane came\n%q", c.people[i].Name, want[i], got)
		}
	}
	c.logged(want)
	c.h.VerifyAudit()
}

// logged compares what the log says that people typed with what they did.
func (c *crowd) logged(want []string) {
	c.t.Helper()
	typed := make(map[string]string) // by person and pane
	for _, e := range c.h.AuditKind("key") {
		on := strings.Join(e.Objects, " ")
		typed[e.Person+" "+on[strings.LastIndex(on, ".")+1:]] += string(e.Content)
	}
	if len(typed) != len(want) {
		c.t.Errorf("%d people typed into a pane each, the log has %d", len(want), len(typed))
	}
	for i, a := range c.people {
		want := strings.ReplaceAll(want[i], "\x1b[A", "Up") // keys stand there by their names
		if got := typed[a.Name+" "+c.ids[i]]; got != want {
			c.t.Errorf("%s typed\n%q\nand the log says\n%q", a.Name, want, got)
		}
	}
}
