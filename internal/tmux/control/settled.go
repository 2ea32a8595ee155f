package control

import (
	"context"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"
)

// This file is about when it is sure that what a server was sent has come to the programs in its
// panes, as far as these read, and not to the server alone. tmux runs in turns, and in each does
// what is ready: it reads what came, runs it at the turn's end, and writes what it typed to
// the terminals of panes, and the answers to us, in the next one, in any order. So who has an
// answer does not know yet that the keys are written, until there is one to what was sent behind it.

// acts is what is known of it: the numbers of entries begin with 0.
type acts struct {
	last    uint64 // one more than the last that was more than a question, 0 for none
	settled uint64 // all before this one are settled
	heard   time.Time
	open    []act          // somebody's, in their order: from gone on those that are not settled
	gone    int            // so many have gone: see answered
	of      map[any]uint64 // one more than the last of those of each
}

// act is a line of somebody's that is more than a question.
type act struct {
	after uint64 // one more than its number
	of    any
}

// sent notes the entry that was sent last, which acts.
func (a *acts) sent(of any, after uint64) {
	a.last = after
	if of == nil {
		return
	}
	if a.of == nil {
		a.of = map[any]uint64{}
	}
	a.open, a.of[of] = append(a.open, act{after, of}), after
}

// answered notes the answer to an entry that was sent when all before behind were answered.
func (a *acts) answered(behind uint64) {
	a.heard = time.Now()
	if behind <= a.settled {
		return
	}
	a.settled = behind
	for ; a.gone < len(a.open) && a.open[a.gone].after <= behind; a.gone++ {
		if of := a.open[a.gone].of; a.of[of] <= behind {
			delete(a.of, of)
		}
		a.open[a.gone] = act{}
	}
	// What is left is moved up seldom: a thousand people may have tens of thousands on their way,
	// of which each answer takes one.
	if a.gone > len(a.open)/2 {
		a.open, a.gone = slices.Delete(a.open, 0, a.gone), 0
	}
}

// Answered is when the server has answered last.
func (c *Client) Answered() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.acts.heard
}

// Acted notes for [Client.Settled] that the server has done something that was sent another way, as
// who calls has heard by now.
func (c *Client) Acted() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acts.last = c.queue.next
}

// ActedOf is [Client.Acted] of what is somebody's, for [Client.SettledOf]. It says whether the client goes on:
// who follows one that ends may have taken over what this owes before that was noted.
func (c *Client) ActedOf(of any) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acts.sent(of, c.queue.next)
	return c.cause == nil
}

// Ask is [Client.Do] of lines that change nothing, but for what muxward itself shows: a server
// that has only such to do is at rest. A line that is none of the known questions is taken for what
// acts all the same.
func (c *Client) Ask(ctx context.Context, lines ...string) ([]Reply, error) {
	return c.do(ctx, &Pending{asks: true}, lines)
}

// questions are the commands that are known to change nothing; refresh-client changes what
// a display of muxward's own is shown.
var questions = [...]string{
	"display-message", "has-session", "list-buffers", "list-clients", "list-commands", "list-keys", "list-panes",
	"list-sessions", "list-windows", "refresh-client", "show-buffer", "show-environment", "show-hooks", "show-options",
}

// question reports whether a line is one of them, alone. tmux refuses what is the begin of several
// commands, so that one that acts is not taken for a question by a short name.
func question(line string) bool {
	name, rest, _ := strings.Cut(line, " ")
	if name == "" || strings.Contains(rest, " ; ") || strings.HasSuffix(rest, ";") || strings.ContainsAny(name, ";{}") {
		return false
	}
	return slices.ContainsFunc(questions[:], func(q string) bool { return strings.HasPrefix(q, name) })
}

// Settled waits until all that was sent before, but for questions, is executed, and what was
// typed by it is written to the terminals of panes, as far as these take it. It asks nothing where
// that is so already, or will be known by what is on its way.
func (c *Client) Settled(ctx context.Context) error {
	c.mu.Lock()
	last := c.acts.last
	c.mu.Unlock()
	return c.settledTo(ctx, last)
}

// SettledOf is Settled for what is somebody's, and does not wait for what others have sent behind that.
func (c *Client) SettledOf(ctx context.Context, of any) error {
	c.mu.Lock()
	last := c.acts.of[of]
	c.mu.Unlock()
	return c.settledTo(ctx, last)
}

// Owes reports whether a line that is somebody's is not settled yet.
func (c *Client) Owes(of any) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause != nil || c.acts.of[of] > 0
}

// Hand has what is somebody's and is not settled be another's from here on: who has sent it goes.
func (c *Client) Hand(of, to any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := c.acts.of[of]
	if last == 0 {
		return
	}
	for i := range c.acts.open[c.acts.gone:] {
		if a := &c.acts.open[c.acts.gone+i]; a.of == of {
			a.of = to
		}
	}
	delete(c.acts.of, of)
	c.acts.of[to] = max(c.acts.of[to], last)
}

// Owing gives whose lines are not settled yet, in no order.
func (c *Client) Owing() []any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.acts.of))
}

// Still waits until all that the server was sent before, over whichever connection, as far as
// it has read it, is executed, and what was typed by it written to the terminals of panes. That
// takes two questions, the second behind the answer to the first.
func (c *Client) Still(ctx context.Context) error {
	if err := c.Drain(ctx); err != nil {
		return err
	}
	return c.Settled(ctx)
}

// settledTo waits until all before an entry is settled.
func (c *Client) settledTo(ctx context.Context, last uint64) error {
	for {
		c.mu.Lock()
		switch {
		case c.cause != nil:
			defer c.mu.Unlock()
			return failure(ErrNotExecuted, c.cause)
		case last <= c.acts.settled:
			c.mu.Unlock()
			return nil
		}
		at := c.telling(last)
		if at == nil {
			c.mu.Unlock()
			if err := c.drain(ctx, &Pending{asks: true}); err != nil { // it is sent behind the answer to the last
				return err
			}
			continue
		}
		r := at.awaited()
		c.mu.Unlock()
		if err := r.wait(ctx); err != nil {
			return err
		}
	}
}

// telling gives the entry that is to be waited for: the first that was sent behind the answer to
// the last that acts, or that one, while it has no answer itself; nil for none. The lock is held.
func (c *Client) telling(last uint64) *entry {
	first, n := c.queue.first(), c.queue.len()
	if last > first {
		return c.queue.at(int(last - 1 - first))
	}
	if i := sort.Search(n, func(i int) bool { return c.queue.at(i).behind >= last }); i < n {
		return c.queue.at(i)
	}
	return nil
}
