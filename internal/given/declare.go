package given

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/settle"
)

// declarations keep what sessions' environments declare among the grants.
type declarations struct{ b *Book }

// Declarations gives what keeps them.
func (b *Book) Declarations() gateway.Declarations { return declarations{b} }

// Declared gives what was declared on a session, or in it.
func (s declarations) Declared(session access.Object) []grants.Grant {
	var out []grants.Grant
	for _, g := range s.b.all() {
		if on := g.On; g.Source == grants.Declaration && on.Owner == session.Owner &&
			on.Incarnation == session.Incarnation && on.Session.ID == session.Session.ID {
			out = append(out, *g)
		}
	}
	return out
}

// Fits says why something cannot be declared: the policy does not know who would get it,
// or has declarations give less.
func (s declarations) Fits(e grants.Declared, on access.Object) error {
	if s.b.store == nil {
		return errNoGrants
	}
	set := s.b.Policy.Set()
	if !set.Knows(e.Who) {
		return e.Fault("", "the policy names no person or @group %q", e.Who)
	}
	over, most, rules := set.OverDeclared(e.Verbs, on)
	if over == 0 {
		return nil
	}
	by := "no rule of the policy says more"
	if len(rules) > 0 {
		by = strings.Join(rules, ", ")
	}
	if most == 0 {
		return e.Fault("unset "+grants.Variable+", and use muxward grant", "nothing is declared there (%s)", by)
	}
	return e.Fault("", "more is declared than %s, which is the most there (%s)", most, by)
}

// Declare puts in force what somebody declares. If an entry fails, those before it are
// ended again.
func (s declarations) Declare(ctx context.Context, who identity.Identity, all []gateway.Declared) error {
	b := s.b
	var made []grants.Grant
	var those []func(string) bool
	for _, e := range all {
		g, err := b.Give(ctx, grants.Grant{
			Who: e.Who, What: e.What, Verbs: e.Verbs, Target: gateway.Name(e.On),
			Giver: who.Subject(), Source: grants.Declaration, At: b.Gateway.Time(),
		}, e.On)
		if err != nil {
			return errors.Join(err, s.end(ctx, made, "muxward", "another entry could not be given"))
		}
		made, those = append(made, g), append(those, b.holding(g.Who))
	}
	b.Move()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle.Time)
	defer cancel()
	b.Gateway.ReconsiderGiven(ctx, access.Object{}, anyOf(those), "something was granted")
	return nil
}

// anyOf reports who is one of several.
func anyOf(those []func(person string) bool) func(person string) bool {
	return func(person string) bool {
		return slices.ContainsFunc(those, func(is func(string) bool) bool { return is(person) })
	}
}

// Withdraw ends what was declared, and what rests on it.
func (s declarations) Withdraw(ctx context.Context, who identity.Identity, list []grants.Grant) error {
	return s.end(ctx, list, who.Person(), grants.Variable+" says so no more")
}

// end is Withdraw in somebody's name. As with every grant it counts no more before
// anybody waits for anything.
func (s declarations) end(ctx context.Context, list []grants.Grant, by, why string) error {
	b := s.b
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle.Time)
	defer cancel()
	var those []func(string) bool
	var gone []grants.Grant
	for _, g := range list {
		if b.drop(g.ID, b.isGiven) {
			those, gone = append(those, b.RestingOn(g.Who)), append(gone, g) // behind that, as where a grant is taken back
		}
	}
	if len(gone) == 0 {
		return nil
	}
	_, _, err := dropped(ctx, b, gone, func() ([]grants.Grant, error) {
		var err error
		for _, g := range gone {
			_, werr := b.writeTakenBack(g, by, why)
			err = errors.Join(err, werr)
		}
		return gone, err
	}, func() gateway.Report {
		return b.Gateway.ReconsiderThose(ctx, anyOf(those), "a declaration was taken back")
	},
		fmt.Sprintf("what %s gave is taken back", grants.Variable))
	return err
}
