package executor

import (
	"context"
	"slices"
	"strings"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
)

const (
	// maxTried is how many commands help goes through for all keys together, and
	// maxAsked about how many different ones it asks.
	maxTried = 5000
	maxAsked = 2000
)

// trial finds out which keys a person may press: it goes through their commands and
// gathers what there is to decide of them.
type trial struct {
	e     *errand
	on    access.Object // the pane that is current
	reqs  []gateway.Request
	asked map[string]int // what reqs are about, each once
	tried int            // commands, of all keys
	steps int            // and of this one
}

// chance is what has to be so for commands to be done.
type chance struct {
	may   bool           // they would be, by what is known
	needs []gateway.Need // and rests on this
	asks  int            // the place of the request that decides, from 1 on; 0 for none
	of    []chance       // all of these, if it is not nil
	any   bool           // or one of them
}

// answer puts the answers to what was gathered in.
func (c chance) answer(answers []gateway.Permission) (may bool, needs []gateway.Need) {
	switch {
	case c.asks > len(answers):
		return false, nil
	case c.asks > 0:
		return answers[c.asks-1].Allowed, answers[c.asks-1].Needs
	case c.of == nil:
		return c.may, c.needs
	}
	may = !c.any
	for _, part := range c.of {
		ok, rests := part.answer(answers)
		switch {
		case ok:
			needs = append(needs, rests...)
			may = true
		case !c.any:
			return false, nil
		}
	}
	return may, needs
}

// tryAll goes through keys, in their order, as many as there is time for.
func (t *trial) tryAll(ctx context.Context, keys []tmux.BoundKey) ([]chance, []gateway.Request, error) {
	t.asked = map[string]int{}
	var all []chance
	for _, b := range keys {
		if t.tried >= maxTried || len(t.reqs) >= maxAsked {
			break
		}
		if err := context.Cause(ctx); err != nil {
			return nil, nil, err
		}
		all = append(all, t.try(b))
	}
	return all, t.reqs, nil
}

// try goes through what a key is bound to. A key with more commands than are run is
// not one to press.
func (t *trial) try(b tmux.BoundKey) chance {
	commands, err := b.Bound.Commands()
	if err != nil || len(commands) == 0 {
		return chance{}
	}
	t.steps = 0
	c := t.all(commands)
	if t.steps > maxSteps {
		return chance{}
	}
	return c
}

// all is that all of several commands are done.
func (t *trial) all(commands []*tmux.Invocation) chance {
	c := chance{of: []chance{}}
	for _, inv := range commands {
		if t.steps++; t.steps > maxSteps {
			return chance{}
		}
		t.tried++
		c.of = append(c.of, t.one(inv))
	}
	return c
}

func (t *trial) one(inv *tmux.Invocation) chance {
	e := t.e
	switch e.privacy(inv) {
	case looksOn:
		return t.holds(access.Scroll, access.View)
	case pastesOwn:
		return t.holds(access.Type)
	case goes:
		if inv.Has('t') { // which their own place may not know of
			return chance{}
		}
		return t.holds(access.Navigate)
	case helping, picking, waits:
		return chance{may: true}
	case keysIn, reports, selected, stays:
		return chance{} // it means nothing here
	}
	switch {
	case e.k.s.own != nil && besideOwn(inv):
		return chance{}
	case leaves(inv), entersTable(inv):
		return chance{may: true}
	case chooses(inv):
		return t.branches(inv)
	case e.asksFirst(inv):
		return t.question(inv)
	}
	return t.ask(inv)
}

// ask has a command decided, once for all keys that come to it.
func (t *trial) ask(inv *tmux.Invocation) chance {
	key := strings.Join(inv.Words(), "\x00")
	at, ok := t.asked[key]
	if !ok {
		if len(t.reqs) >= maxAsked {
			return chance{}
		}
		req, _ := t.e.request(inv)
		t.reqs = append(t.reqs, req)
		at = len(t.reqs)
		t.asked[key] = at
	}
	return chance{asks: at}
}

// holds is that the person holds verbs on the pane that is current.
func (t *trial) holds(verbs ...access.Verb) chance {
	c := chance{may: true}
	for _, verb := range verbs {
		need := gateway.Need{Verb: verb, Object: t.on}
		c.needs = append(c.needs, need)
		c.may = c.may && t.e.k.s.live.Decide(need).Allow
	}
	return c
}

// branches is that one of the branches of a condition is done.
func (t *trial) branches(inv *tmux.Invocation) chance {
	c := chance{of: []chance{}, any: true}
	for _, n := range inv.Nested() {
		if commands, err := n.Commands(t.e.opts); err == nil {
			c.of = append(c.of, t.all(commands))
		}
	}
	return c
}

// anyAnswer stands for what somebody answers a prompt with.
const anyAnswer = "muxward-any-answer"

// question is that what a question leads to is done. What an answer would choose is
// taken for what is current.
func (t *trial) question(inv *tmux.Invocation) chance {
	if inv.Row.Name == "command-prompt" && saysCommands(inv) {
		return chance{may: true} // it is decided by what they say
	}
	c := chance{of: []chance{}}
	for _, n := range inv.Nested() {
		var commands []*tmux.Invocation
		var err error
		if inv.Row.Name == "command-prompt" {
			commands, err = n.Filled(slices.Repeat([]string{anyAnswer}, maxPrompts), t.e.opts)
		} else {
			commands, err = n.Commands(t.e.opts)
		}
		if err != nil {
			return chance{}
		}
		for _, inner := range commands {
			for _, letter := range []byte("st") {
				if v, ok := inner.Get(letter); ok && strings.Contains(v, anyAnswer) {
					inner.Delete(letter)
				}
			}
		}
		c.of = append(c.of, t.all(commands))
	}
	if len(c.of) == 0 {
		return chance{}
	}
	return c
}
