package main

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
// is: whoever may type there could have. It is done by a key in their own display.
type confirmation struct {
	id, inside, words string
	person            string
	call              ctld.Call
	until             time.Time
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
		return fmt.Errorf("%d such things wait for your key already", mostConfirms)
	}
	c.list = append(c.list, v)
	return nil
}

// take gives one to who answers it, once.
func (c *confirmations) take(id, person string, now time.Time) (v confirmation, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of(person, now)
	at := slices.IndexFunc(c.list, func(w confirmation) bool { return w.id == id && w.person == person })
	if at < 0 {
		return v, false
	}
	v = c.list[at]
	c.list = slices.Delete(c.list, at, at+1)
	return v, true
}

// governs makes the acts by which people govern what others may, without a secret in their
// answer: those that a key can confirm.
func (d *daemon) governs(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	switch c.Act {
	case "revoke", "kick":
		return d.revokeAct(who, c)
	case "lockdown", "unlock":
		return d.lockAct(who, c)
	case "grant":
		return d.grantAct(who, c)
	}
	return d.takeBackAct(who, c)
}

// insideHome reports whether somebody asks from inside a pane of their own server.
func insideHome(who identity.Identity) bool {
	owner, _, in := strings.Cut(who.Inside(), "/")
	return in && owner == who.Person()
}

// confirmAct has what was asked for from inside a pane wait for a key in its person's own
// display, where it is decided as theirs. It does nothing else, so whoever may type there may ask.
func (d *daemon) confirmAct(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	asked, err := d.governs(who, c)
	if err != nil {
		return nil, err
	}
	now := d.gateway.Time()
	v := confirmation{
		id: confirmPrefix + strings.ToLower(rand.Text()[:8]), inside: who.Inside(), person: who.Person(), call: c,
		words: oneLine(strings.Join(append([]string{"muxward", asked.Name}, asked.Args...), " ")), until: now.Add(confirmTime),
	}
	a := &gateway.Act{Name: "confirm", Args: append([]string{asked.Name}, asked.Args...), Open: true}
	a.Do = func(context.Context, access.Object) (gateway.Result, error) {
		if err := d.takesAsking(who); err != nil {
			return gateway.Result{}, err
		}
		if err := d.confirms.add(v, now); err != nil {
			return gateway.Result{}, err
		}
		d.knock()
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
		out = append(out, executor.Waits{
			ID: v.id, From: who.Person() + " (from inside " + oneLine(v.inside) + ")", Text: "from inside " + oneLine(v.inside) + ": " + v.words,
			Head: "from inside " + oneLine(v.inside) + " this was asked in your name", Line: v.words, Command: true,
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
	v, ok := d.confirms.take(id, who.Person(), d.gateway.Time())
	if !ok {
		return nil, errors.New("it does not wait any more")
	}
	if !yes {
		a := &gateway.Act{Name: "dismiss", Args: strings.Fields(v.words), Open: true}
		a.Do = func(context.Context, access.Object) (gateway.Result, error) {
			return gateway.Result{Value: confirmed{"dismissed"}}, nil
		}
		return a, nil
	}
	a, err := d.governs(who, v.call)
	if err != nil {
		return nil, err
	}
	a.Hand = true
	do := a.Do
	a.Do = func(ctx context.Context, on access.Object) (gateway.Result, error) {
		r, err := do(ctx, on)
		r.Value = confirmed{"done"}
		return r, err
	}
	return a, nil
}
