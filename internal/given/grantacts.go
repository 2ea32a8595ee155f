package given

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/settle"
)

// commandLine is the source of what is given by `muxward grant`.
const commandLine = "command line"

// GrantAct gives somebody a right on a target. Whoever gives it has to hold it,
// and the right to share it, on all of the target.
func (b *Book) GrantAct(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	g, err := b.Asked(who, c)
	if err != nil {
		return nil, err
	}
	a := &gateway.Act{
		Name: "grant", Args: []string{g.Who, g.What}, Target: g.Target,
		Verb: access.Share, Whole: g.Verbs.With(access.SetOf(access.Share)),
	}
	if a.Target == "" {
		a.Args = append(a.Args, "--host")
	} else {
		a.Args = append(a.Args, "-t", a.Target)
	}
	if !g.NotBefore.IsZero() {
		a.Args = append(a.Args, "--from", g.NotBefore.Format(time.RFC3339))
	}
	if !g.Until.IsZero() {
		a.Args = append(a.Args, "--until", g.Until.Format(time.RFC3339))
	}
	a.Args = acts.WithReason(a.Args, g.Reason)
	a.Do = func(ctx context.Context, o access.Object) (gateway.Result, error) {
		if !b.Policy.Set().Knows(g.Who) {
			return gateway.Result{}, fmt.Errorf("the policy names no person or @group %q: nothing was given; put them into people.yaml first", g.Who)
		}
		g, err := b.Give(ctx, g, o)
		if err == nil {
			b.InForce(ctx, g)
		}
		return gateway.Result{Value: g}, err
	}
	return b.saysCounts(a), nil
}

// Asked reads what is to be given.
func (b *Book) Asked(who identity.Identity, c ctld.Call) (grants.Grant, error) {
	g := grants.Grant{
		Who: c.Person, Target: acts.FullTarget(b.Gateway, who, c.Target), Reason: c.Reason,
		Giver: who.Subject(), Source: commandLine, At: b.Gateway.Time(),
	}
	if b.store == nil {
		return g, errNoGrants
	}
	var err error
	if g.What, g.Verbs, err = ctld.Rights(c.Role, c.Verbs); err != nil {
		return g, err
	}
	if err := bounds(&g, c); err != nil {
		return g, ctld.Words{Err: err}
	}
	return g, nil
}

// bounds reads from when until when, by the clock of the line.
func bounds(g *grants.Grant, c ctld.Call) (err error) {
	if c.From != "" {
		if g.NotBefore, err = time.Parse(time.RFC3339, c.From); err != nil {
			return fmt.Errorf("--from: %q is no time; write it as 2027-01-31T18:00:00+01:00", c.From)
		}
	}
	switch {
	case c.For != "" && c.Until != "":
		return errors.New("name either --for or --until")
	case c.Until != "":
		if g.Until, err = time.Parse(time.RFC3339, c.Until); err != nil {
			return fmt.Errorf("--until: %q is no time; write it as 2027-01-31T18:00:00+01:00", c.Until)
		}
	case c.For != "":
		lasts, err := time.ParseDuration(c.For)
		if err != nil || lasts <= 0 {
			return fmt.Errorf("--for: %q is no length of time; write it as 90s, 30m or 2h", c.For)
		}
		begins := g.At
		if g.NotBefore.After(begins) {
			begins = g.NotBefore
		}
		g.Until = begins.Add(lasts)
	}
	if !g.Until.IsZero() && !g.Until.After(g.At) {
		return fmt.Errorf("--until: %s has passed; give a later time, or how long with --for", g.Until.Format(time.RFC3339))
	}
	return nil
}

// Give keeps a grant and records it.
func (b *Book) Give(ctx context.Context, g grants.Grant, o access.Object) (grants.Grant, error) {
	// Of the ways to a window the one that was asked for is kept: the others
	// change.
	g.On = o
	g.On.Links = nil
	if err := b.granting.Take(ctx, grantTurn, errGranting); err != nil {
		return g, fmt.Errorf("nothing was given: %w", err)
	}
	defer b.granting.Leave()
	g, err := b.store.Give(ctx, g, b.now(), func(g grants.Grant) error {
		return b.recordGrant(ctx, g, "given")
	})
	if err != nil {
		return g, err
	}
	return g, nil
}

// recordGrant writes what became of a grant: nothing is given that is not on
// record.
func (b *Book) recordGrant(ctx context.Context, g grants.Grant, what string) error {
	by := g.Giver.Person
	if g.State != grants.Given {
		by = g.EndedBy
		if what == "given" { // it was to be
			what = "was not given"
		}
	}
	note := fmt.Sprintf("grant %d %s: %s to %s on %s, by %s", g.ID, what, g.What, g.Who, acts.TargetName(g.Target), g.Giver.Person)
	if !g.NotBefore.IsZero() {
		note += " from " + g.NotBefore.Format(time.RFC3339)
	}
	if !g.Until.IsZero() {
		note += " until " + g.Until.Format(time.RFC3339)
	}
	if g.Invite != 0 {
		note += fmt.Sprintf(", by invite %d", g.Invite)
	}
	if g.Source == grants.Declaration {
		note += ", from " + grants.Variable
	}
	if g.Key != "" {
		note += ", with the key " + g.Key
	}
	return b.writeGrant(ctx, g, by, note)
}

// writeGrant writes something about what was given.
func (b *Book) writeGrant(ctx context.Context, g grants.Grant, by, note string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle.Record)
	defer cancel()
	ev := access.Event{
		Kind: access.EventGrant, Time: b.Gateway.Time(), Person: by, Allowed: true, Note: note,
		Objects: []string{g.On.String()}, Verbs: []string{g.Verbs.String()}, Reason: g.Reason,
	}
	if g.State != grants.Given {
		ev.Reason = g.EndedWhy
	}
	if g.On.Incarnation != "" {
		ev.Server = g.On.Owner + "#" + g.On.Incarnation
	}
	_, err := b.Log.Append(ctx, access.MustRecordClass, ev)
	return err
}

// RestingOn reports of whom what they hold may rest on what somebody, or some
// group, holds: themselves, and whoever has something from them by however many
// hands.
func (b *Book) RestingOn(who string) func(person string) bool {
	if b.store == nil {
		return b.holding(who)
	}
	on := []string{who}
	for i := 0; i < len(on); i++ {
		holds := b.holding(on[i])
		for _, g := range b.all() {
			if holds(g.Giver.Person) && !slices.Contains(on, g.Who) {
				on = append(on, g.Who)
			}
		}
	}
	holds := make([]func(string) bool, len(on))
	for i, who := range on {
		holds[i] = b.holding(who)
	}
	return anyOf(holds)
}

// holding reports who gets what is given to a person or @group.
func (b *Book) holding(who string) func(person string) bool {
	group, isGroup := strings.CutPrefix(who, "@")
	if !isGroup {
		return func(person string) bool { return person == who }
	}
	set := b.Policy.Set()
	return func(person string) bool { return slices.Contains(set.GroupsOf(person), group) }
}

// VisibleGrants lists the grants that concern the asker: those they have, gave,
// or could take back. Of whom and on what may be named ("" is all).
func (b *Book) VisibleGrants(who identity.Identity, of, in string) ([]acts.ShownGrant, error) {
	out := []acts.ShownGrant{}
	if b.store == nil {
		return out, errNoGrants
	}
	counts, set := b.counting(), b.Policy.Set()
	for _, g := range b.all() {
		if of != "" && g.Who != of || in != "" && !within(g.Target, in) || !b.Concerns(who, *g) {
			continue
		}
		shown := *g
		shown.Reason = acts.ShortReason(g.Reason)
		if over, _, _ := set.OverDeclared(g.Verbs, g.On); g.Source == grants.Declaration && over != 0 && over != g.Verbs {
			shown.Verbs &^= over
			shown.What = policy.LeftOf(shown.Verbs, g.What)
		}
		out = append(out, acts.GrantOf(shown, counts(*g)))
	}
	return out, nil
}

// Concerns reports whether somebody may know of a grant: they have it, gave it, or could take it back.
func (b *Book) Concerns(who identity.Identity, g grants.Grant) bool {
	return g.Giver.Person == who.Person() || b.holding(g.Who)(who.Person()) ||
		b.Gateway.Holds(who, g.On).Has(access.Kick)
}

// within reports whether a target is another, or lies in it by its name.
func within(target, in string) bool {
	rest, ok := strings.CutPrefix(target, in)
	return ok && (rest == "" || strings.ContainsRune("/:.", rune(rest[0])))
}
