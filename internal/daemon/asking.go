package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/executor"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/keyboard"
	"github.com/muxward/muxward/internal/pace"
	"github.com/muxward/muxward/internal/requests"
	"github.com/muxward/muxward/internal/server/ctld"
)

// asking is what displays ask of us: what waits for the people who are attached, and what they answer.
type asking struct{ d *daemon }

// Waiting gives the requests that somebody may approve now by the key in their display.
func (a asking) Waiting(who identity.Identity) []executor.Waits {
	out := a.d.keyboards.LeaseWaits(who)
	if !gateway.OwnHand(who) {
		return out
	}
	return slices.Concat(out, a.d.requests.Approvable(who), a.d.toConfirm(who))
}

// News gives what waits for somebody, whatever hand they have.
func (a asking) News(who identity.Identity, shown func(pane access.Object) bool) []executor.Waits {
	return slices.Concat(a.d.keyboards.LeaseWaits(who), a.d.requests.Approvable(who), a.d.keyboards.Suggested(who, shown))
}

// Offers gives what somebody may do who would type into a pane that is another's.
func (a asking) Offers(who identity.Identity, pane access.Object) []executor.Waits {
	return a.d.keyboards.LeaseOffers(who, pane)
}

// Answer makes the act by which somebody answers what waits for them.
func (a asking) Answer(who identity.Identity, id string, yes bool) (*gateway.Act, error) {
	if c, lease := keyboard.LeaseCall(id, yes); lease {
		return a.d.keyboards.LeaseAct(who, c) // also of who has no commands of muxward's
	}
	if strings.HasPrefix(id, confirmPrefix) {
		return a.d.confirmKey(who, id, yes)
	}
	c := ctld.Call{Act: "deny", Request: id}
	if yes {
		c.Act = "approve"
	}
	return a.d.act(who, c)
}

// Suggested gives what is suggested for panes that somebody is shown and may type into now.
func (a asking) Suggested(who identity.Identity, shown func(pane access.Object) bool) (out []executor.Waits) {
	if !gateway.KeyHand(who) {
		return nil
	}
	return a.d.keyboards.Suggested(who, shown)
}

// Take makes the act by which somebody answers a suggestion that they were shown.
func (a asking) Take(who identity.Identity, w executor.Waits, on access.Object, how executor.Taking, types executor.Typing) (*gateway.Act, error) {
	return a.d.keyboards.TakeAct(who, w, on, how, types)
}

// wishWaits is how long a request that was asked for by a key waits for its answer.
const wishWaits = 10 * time.Minute

// Wish makes the act by which somebody asks for a right on the pane that they are at. It is
// about that by its ids, as they were asked: nothing else is taken for it.
func (a asking) Wish(who identity.Identity, w executor.Wish) (*gateway.Act, error) {
	what := strings.TrimSpace(w.What)
	if _, role := access.Role(what).Verbs(); !role {
		for word := range strings.SplitSeq(what, ",") {
			if _, err := access.ParseVerb(strings.TrimSpace(word)); err != nil { // its list of verbs has no room in a line
				return nil, fmt.Errorf("%q is no role or verb, as typist, type and copy are", word)
			}
		}
	}
	act, err := a.d.act(who, ctld.Call{Act: "request", Role: what, For: strings.TrimSpace(w.For),
		Reason: strings.TrimSpace(w.Reason), Within: wishWaits.String(), Target: gateway.Name(w.Pane)})
	if err == nil {
		act.On = []access.Object{w.Pane}
	}
	return act, err
}

// Asked tells what has come of it, and gives what waits for the answer.
func (a asking) Asked(result any) (told string, ending func(ctx context.Context) string) {
	b, waits := result.(requests.Begun)
	if r, held := result.(acts.ShownRequest); !waits && held {
		return fmt.Sprintf("you hold %s there already; nobody was asked", r.What), nil
	}
	return fmt.Sprintf("asked, as request %s: %s for %s; you hear the answer here", b.ID, b.What, b.Lasts()), func(ctx context.Context) string {
		v, err := b.Ends(ctx)
		r, ok := v.(acts.ShownRequest)
		switch {
		case err != nil || !ok:
			return fmt.Sprintf("request %s has come to no end that is known: %v", b.ID, err)
		case r.Answer == grants.Approved:
			return fmt.Sprintf("%s approves: you hold %s there for %s%s", r.By, r.What, r.Lasts(), ofWhy(r.Why))
		}
		return r.Refusal().Error()
	}
}

// ofWhy is a reason behind what it is for.
func ofWhy(why string) string {
	if why == "" {
		return ""
	}
	return ": " + acts.ShortReason(why)
}

// Came tells what came of an answer.
func (a asking) Came(result any) string {
	if l, lease := result.(acts.ShownLease); lease {
		return l.Did
	}
	if v, suggestion := result.(acts.ShownSuggestion); suggestion {
		return string(v.Answer)
	}
	if c, asked := result.(confirmed); asked {
		return c.did
	}
	r, ok := result.(acts.ShownRequest)
	switch {
	case !ok:
		return ""
	case r.Answer == grants.Open:
		return fmt.Sprintf("%d of %d approved", len(r.Yes), r.Need)
	}
	return string(r.Answer)
}

// askPace is how often one person asks: others are told each time.
func askPace() pace.Rate { return pace.Rate{AtOnce: 10, ASecond: 0.2, Longest: time.Millisecond} }

// takesAsking has somebody take their turn to ask: others are told each time. Nobody in their
// panes uses up their own.
func (d *daemon) takesAsking(who identity.Identity) error {
	name := who.Person()
	if who.Inside() != "" {
		name += " inside"
	}
	if _, ok := d.asking.Take(askPace(), name, 1, time.Now()); !ok {
		return errors.New("you have asked much in a short time; wait a little")
	}
	return nil
}
