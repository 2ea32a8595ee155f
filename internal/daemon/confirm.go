package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/executor"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/tmux"
)

const (
	// confirmTime is how long what was asked for from inside a pane waits for its person's key.
	confirmTime = 10 * time.Minute
	// mostConfirms is how much of it waits of one person.
	mostConfirms = 8
	// confirmPrefix begins the names of what waits so.
	confirmPrefix = "confirm-"
)

// confirmation is what was asked for from inside a pane, in the name of whose server that
// is: whoever may type there could have. It is done by a key in their own display. What it
// names was found when it was asked, once: that is shown, and that is done or nothing.
type confirmation struct {
	id, inside, person string
	pinnedCall
	until time.Time
}

// confirmations are those that wait, in memory alone.
type confirmations struct {
	mu   sync.Mutex
	list []confirmation
}

// open gives what waits for somebody.
func (c *confirmations) open(person string, now time.Time) []confirmation {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of(person, now)
}

// of is open, and forgets what has waited too long; mu is held.
func (c *confirmations) of(person string, now time.Time) (out []confirmation) {
	c.list = slices.DeleteFunc(c.list, func(v confirmation) bool { return !now.Before(v.until) })
	for _, v := range c.list {
		if v.person == person {
			out = append(out, v)
		}
	}
	return out
}

// add has one wait.
func (c *confirmations) add(v confirmation, now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.of(v.person, now)) >= mostConfirms {
		return fmt.Errorf("%d such things wait for your key already; answer or dismiss some first, by M-a in your display", mostConfirms)
	}
	c.list = append(c.list, v)
	return nil
}

// find gives one to who would answer it.
func (c *confirmations) find(id, person string, now time.Time) (v confirmation, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.of(person, now)
	at := slices.IndexFunc(list, func(w confirmation) bool { return w.id == id })
	if at < 0 {
		return v, false
	}
	return list[at], true
}

// take has one wait no more, and reports whether it did: it is answered once.
func (c *confirmations) take(id, person string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of(person, now)
	n := len(c.list)
	c.list = slices.DeleteFunc(c.list, func(w confirmation) bool { return w.id == id && w.person == person })
	return len(c.list) < n
}

// errNoConfirm is what is said of what is not there, or not any more.
var errNoConfirm = errors.New("it does not wait any more")

// governs makes the acts by which people govern what others may, without a secret in their
// answer: those that a key can confirm.
func (d *daemon) governs(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	switch c.Act {
	case "revoke", "kick":
		return d.revokeAct(who, c)
	case "lockdown", "unlock":
		return d.lockAct(who, c)
	case "grant":
		return d.given.GrantAct(who, c)
	}
	return d.given.TakeBackAct(who, c)
}

// insideHome reports whether somebody asks from inside a pane of their own server.
func insideHome(who identity.Identity) bool {
	owner, _, in := strings.Cut(who.Inside(), "/")
	return in && owner == who.Person()
}

// confirmAct has what was asked for from inside a pane wait for a key in its person's own
// display, where it is decided as theirs. It does nothing else, so whoever may type there may
// ask, and hears no more than that it waits.
func (d *daemon) confirmAct(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	asked, err := d.governs(who, c)
	if err != nil {
		return nil, err
	}
	a := &gateway.Act{Name: "confirm", Args: append([]string{asked.Name}, asked.Args...), Open: true}
	v := confirmation{id: confirmPrefix + strings.ToLower(rand.Text()[:8]), inside: who.Inside(), person: who.Person()}
	a.Note = "as " + v.id
	a.Do = func(ctx context.Context, _ access.Object) (gateway.Result, error) {
		if err := d.takesAsking(who); err != nil {
			return gateway.Result{}, err
		}
		if v.pinnedCall, err = d.pin(ctx, who, c); err != nil {
			return gateway.Result{}, err
		}
		now := d.gateway.Time()
		v.until = now.Add(confirmTime)
		if err := d.confirms.add(v, now); err != nil {
			return gateway.Result{}, err
		}
		d.executor.Knock()
		return gateway.Result{}, fmt.Errorf("not done: whoever may type into a pane could have asked this. "+
			"It waits %s for your own hand: M-a in a display of yours that is in no pane, or ask from outside", confirmTime)
	}
	return a, nil
}

// toConfirm gives what waits for a key of somebody's.
func (d *daemon) toConfirm(who identity.Identity) (out []executor.Waits) {
	list := d.confirms.open(who.Person(), d.gateway.Time())
	if len(list) == 0 {
		return nil
	}
	server := (&hostServers{d}).Server(who.Person())
	if server == nil {
		return nil
	}
	on := access.Object{Kind: access.Server, Owner: server.Owner(), Incarnation: server.Incarnation()}
	for _, v := range list {
		from, words := "from inside "+tmux.OneLine(v.inside), v.command()
		out = append(out, executor.Waits{
			ID: v.id, From: who.Person() + " (" + from + ")", Text: from + ": " + words,
			Head: from + " this was asked in your name", Line: words, Fields: d.fieldsOf(who, v.pinnedCall), Command: true,
			How: "ask it from outside", Need: gateway.Need{Verb: access.View, Object: on},
		})
	}
	return out
}

// confirmed is what came of such an answer.
type confirmed struct{ did string }

// confirmKey makes the act by which somebody does, by a key in their display, what was asked
// for from inside a pane, or dismisses it. It is decided as what they ask for themselves.
func (d *daemon) confirmKey(who identity.Identity, id string, yes bool) (*gateway.Act, error) {
	if !gateway.OwnHand(who) {
		return nil, errors.New("it takes a key in a display of your own that is in no pane")
	}
	v, ok := d.confirms.find(id, who.Person(), d.gateway.Time())
	if !ok {
		return nil, errNoConfirm
	}
	note := "asked from inside " + v.inside + " as " + v.id
	if !yes {
		a := &gateway.Act{Name: "dismiss", Args: v.args(), Open: true, Note: note}
		a.Do = func(context.Context, access.Object) (gateway.Result, error) {
			if !d.confirms.take(id, who.Person(), d.gateway.Time()) {
				return gateway.Result{}, errNoConfirm
			}
			return gateway.Result{Value: confirmed{"dismissed"}}, nil
		}
		return a, nil
	}
	a, err := d.governs(who, v.call)
	if err != nil {
		return nil, err
	}
	if v.on != nil {
		a.On = []access.Object{*v.on}
	}
	a.Hand, a.Note = true, note
	do := a.Do
	a.Do = func(ctx context.Context, on access.Object) (gateway.Result, error) {
		// It waits still where it was refused until here, and is done once.
		if !d.confirms.take(id, who.Person(), d.gateway.Time()) {
			return gateway.Result{}, errNoConfirm
		}
		if v.on != nil {
			if on, err = d.unmoved(ctx, who, a, *v.on); err != nil {
				return gateway.Result{}, err
			}
		}
		if d.rests(who, v.call) != v.rests {
			return gateway.Result{}, errMoved
		}
		r, err := do(ctx, on)
		r.Value = confirmed{"done"}
		return r, err
	}
	return a, nil
}
