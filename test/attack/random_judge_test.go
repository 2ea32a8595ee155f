package attack

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

var marked = regexp.MustCompile(`[BCMW][0-9]{6}`)

// arrived gives the marks that came into panes, each with whose panes.
func (p *play) arrived() map[string]string {
	got := map[string]string{}
	for letter, g := range p.guests {
		if g.rec == nil {
			continue
		}
		for _, m := range marked.FindAllString(string(g.rec.Bytes()), -1) {
			if !strings.Contains(got[m], letter) { // a paste has it more than once
				got[m] += letter
			}
		}
	}
	return got
}

// enough reports whether a round has had what it is there for: that things were taken, and typed, and in a control run
// that this is found.
func (p *play) enough() bool {
	viewers, others, theirs := false, false, false
	for m, panes := range p.arrived() {
		viewers = viewers || m[0] == 'B'
		others = others || m[0] != 'B' && panes != m[:1]
		theirs = theirs || panes == m[:1]
	}
	if !p.control {
		return theirs && p.did("looked") >= 2 && p.did("spell in full") >= 1
	}
	return viewers && others && p.told() != "" && p.has("revoke") && p.has("kick")
}

// judge asks everything at the end of a round.
func (p *play) judge() {
	p.t.Helper()
	p.judgeMarks()
	if what := p.told(); what != "" {
		p.finds("shown", "%s is shown to whoever may see one pane: %s", p.secret, what)
	}
	if p.control {
		for range 20 {
			x := p.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
			if !soon(func() bool { return x.Len() > 100 }) {
				p.t.Fatalf("a display that is left there is not drawn: %q; muxward says %s", x.Bytes(), p.Output())
			}
		}
	}
	p.judgeCalm()
	if p.control {
		rewrite(p.t, p.State, typist, strings.ToUpper(typist))
	}
	if r := p.Muxward("", "audit", "verify", "--state", p.State); r.Code != 0 {
		p.finds("log", "%s%s", r.Out, r.Err)
	}
	if p.control {
		signal(p.t, p.server.PID, syscall.SIGKILL)
		soon(func() bool { return !p.sameServer() })
	}
	p.judgeServer()
}

// judgeMarks looks at what has arrived, and where.
func (p *play) judgeMarks() {
	p.t.Helper()
	got := p.arrived()
	theirs := 0
	for m, panes := range got {
		switch {
		case m[0] == 'B':
			p.finds("viewer", "%s, which %s typed, arrived", m, viewer)
		case panes != m[:1]:
			p.finds("elsewhere", "%s, which %s typed, arrived in the panes of %s", m, p.guests[m[:1]].who, panes)
		default:
			theirs++
		}
	}
	if theirs == 0 {
		p.t.Error("nothing that anybody typed has arrived: this is no test")
	}
	for _, s := range p.spells {
		for _, m := range s.marks {
			if got[m] != "" {
				p.finds(s.oracle, "%q had returned, and %s, typed then, arrived", s.args, m)
			}
		}
	}
	if !p.sameServer() {
		return
	}
	for pane := range strings.FieldsSeq(p.server.Run("list-panes", "-a", "-F", "#{pane_id}")) {
		text, err := p.server.Try("capture-pane", "-p", "-S", "-", "-t", pane)
		if m := regexp.MustCompile(`B[0-9]{6}`).FindString(text); err == nil && m != "" {
			p.finds("viewer", "%s is in %s", m, pane)
		}
	}
}

// told says where somebody who may see one pane was shown the mark of its neighbour.
func (p *play) told() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.shows {
		b := x.Bytes()
		if i := bytes.Index(b, []byte(p.secret)); i >= 0 {
			return fmt.Sprintf("%q", b[max(0, i-100):min(len(b), i+40)])
		}
	}
	for _, l := range p.hears {
		if l.Has(p.secret) {
			return "in control mode"
		}
	}
	return ""
}

// judgeCalm waits until muxward is as it was. Where it is not to be it is not waited for.
func (p *play) judgeCalm() {
	p.t.Helper()
	if p.Ended() {
		p.finds("calm", "muxward has ended")
		return
	}
	limit := tmuxtest.Patience
	if p.control {
		limit = time.Second
	}
	var now calm
	if !within(limit, func() (ok bool) { now, ok = p.world.base.reached(p.world); return ok }) {
		p.finds("calm", "at first %+v, now %+v; there are\n%s", p.world.base, now, p.Muxward(root, "who").Out)
	}
	if out := p.Output(); strings.Contains(out, "panic") || strings.Contains(out, "goroutine ") {
		p.finds("calm", "muxward says %s", out)
	}
}

// sameServer reports whether the owner's tmux server still runs.
func (p *play) sameServer() bool {
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.server.PID)) // one that has ended has none
	return err == nil && len(cmdline) > 0
}

// judgeServer looks whether the owner's tmux server is the same, and answers her.
func (p *play) judgeServer() {
	p.t.Helper()
	if !p.sameServer() {
		p.finds("server", "process %d has gone", p.server.PID)
		return
	}
	r := p.Tmux(owner, "display-message", "-p", "-t", "churn:", "alive")
	if r.Code != 0 || r.Out != "alive\n" {
		p.finds("server", "the owner's own command, of process %d: %+v", p.server.PID, r)
	}
}
