package keyboard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/settle"
	"github.com/muxward/muxward/internal/tmux"
)

// errPaneGone is the error where a pane is not there any more.
var errPaneGone = errors.New("the pane has gone")

// suggestedPane is a pane as it is now: where it lies, and what runs there.
type suggestedPane struct {
	there   bool
	on      access.Object
	program int
}

// suggestedPane asks the server about a pane.
func (k *Keyboards) suggestedPane(ctx context.Context, pane access.Object) (suggestedPane, error) {
	server := k.Servers.Server(pane.Owner)
	if server == nil {
		return suggestedPane{}, errPaneGone
	}
	snap, err := server.Snapshot(ctx, tmux.Core)
	if err != nil {
		return suggestedPane{}, fmt.Errorf("ask %s's tmux server for its state: %w", pane.Owner, err)
	}
	p := paneIn(pane, server.Incarnation(), snap)
	if !p.there {
		return p, errPaneGone
	}
	return p, nil
}

func paneIn(pane access.Object, incarnation string, snap *tmux.Snapshot) (p suggestedPane) {
	if p.on, p.there = paneNow(pane, incarnation, snap); p.there {
		p.program = snap.Pane(tmux.PaneID(pane.Pane.ID)).PID
	}
	return p
}

// stands says why nobody can take a suggestion now, nil if they can. Its author needs the
// right to suggest where the pane lies by then.
func (k *Keyboards) stands(v grants.Suggestion, p suggestedPane) error {
	return v.Stands(p.there, p.program, p.there && k.authorMay(v, p.on))
}

// authorMay reports whether the author of a suggestion may suggest it there, and has not
// taken it back. It waits for nothing.
func (k *Keyboards) authorMay(v grants.Suggestion, on access.Object) bool {
	return !k.Suggestions.Left(v.ID) && isSomebody(v.Who, k.Policy.Set()) &&
		k.Gateway.May(v.Who, gateway.Need{Verb: access.Suggest, Object: on}).Allow
}

// isSomebody reports whether the policy in force still knows who somebody is. An account of
// this host is a person without being listed; who came by ssh is one by people.yaml alone.
func isSomebody(who identity.Identity, set *policy.Set) bool {
	_, local := who.UID()
	return local || set.IsPerson(who.Person())
}

// authorStands is what is asked of its author at the moment when it is typed: between an
// answer and that others may have taken something from them.
func (k *Keyboards) authorStands(v grants.Suggestion, on access.Object) error {
	return v.Stands(true, v.Program, k.authorMay(v, on))
}

// changeSuggestion changes an open suggestion, and has its end recorded and told.
func (k *Keyboards) changeSuggestion(ctx context.Context, id string, f func(grants.Suggestion) (grants.Suggestion, error)) (grants.Suggestion, error) {
	ended := false
	v, err := k.Suggestions.Change(ctx, id, func(v grants.Suggestion) (grants.Suggestion, error) {
		next, err := f(v)
		if ended = next.Answer != grants.Open; ended {
			k.Suggestions.Remember(next) // before its author hears of it
		}
		return next, err
	})
	if ended {
		if rerr := k.recordSuggestion(ctx, v, access.BestEffortClass, v.By); rerr != nil {
			k.Complain(fmt.Sprintf("suggestion %s: %s (not recorded: %v)", v.ID, v.Answer, rerr))
		}
		k.Displays.Knock()
	}
	return v, err
}

// endSuggestion ends a suggestion for whatever reason but an answer.
func (k *Keyboards) endSuggestion(ctx context.Context, id string, as grants.Answer, by, why string) (grants.Suggestion, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle.Time)
	defer cancel()
	return k.changeSuggestion(ctx, id, func(v grants.Suggestion) (grants.Suggestion, error) { return v.End(as, by, why), nil })
}

// withdraw ends a suggestion for its author. If somebody answers it just then for so long
// that they are not waited for, it ends when that is over: nothing more is typed of it.
func (k *Keyboards) withdraw(ctx context.Context, id, by, why string) (grants.Suggestion, error) {
	k.Suggestions.Leave(id)
	v, err := k.endSuggestion(ctx, id, grants.Withdrawn, by, why)
	if now, open := k.Suggestions.Find(id); err != nil && open && now.Answer == grants.Open {
		k.Go(func() {
			_, _ = k.changeSuggestion(k.Ctx, id, func(v grants.Suggestion) (grants.Suggestion, error) {
				return v.End(grants.Withdrawn, by, why), nil
			})
		})
	}
	return v, err
}

// recordSuggestion writes that something was suggested, or what became of it.
func (k *Keyboards) recordSuggestion(ctx context.Context, v grants.Suggestion, class access.Class, by string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle.Record)
	defer cancel()
	ev := access.Event{
		Kind: access.EventSuggest, Time: k.Gateway.Time(), Person: by, Author: v.Who.Person(), Answer: string(v.Answer), Allowed: true, Verbs: []string{access.Suggest.String()},
		Objects: []string{v.On.String()}, Server: v.On.Owner + "#" + v.On.Incarnation, Reason: v.Why,
		Note: fmt.Sprintf("suggestion %s of %s in %s: %s", v.ID, v.Who.Person(), acts.TargetName(v.Target), v.Answer),
	}
	if v.Answer == grants.Open {
		ev.Note = fmt.Sprintf("suggestion %s of %s in %s: %q", v.ID, v.Who.Person(), acts.TargetName(v.Target), v.Text)
	}
	_, err := k.Log.Append(ctx, class, ev)
	return err
}

// VoidTime is how long those are waited for who answer a suggestion that is void by then,
// VoidLeast how long in any case.
const (
	VoidTime  = time.Second
	VoidLeast = 100 * time.Millisecond
)

// VoidSuggestions ends the suggestions of whoever may not suggest there any more. It is
// called when something was taken from somebody: when it is back without an error, what
// they had suggested is typed or will never be. Its time is its own: what else was waited
// for has taken as long as it did. What it could not end MindSuggestions ends within a
// second or two of the end of that answer, so only who has to tell somebody calls it again.
func (k *Keyboards) VoidSuggestions(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	done := make(chan error, 1)
	k.Go(func() { done <- k.voidEach(ctx) })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select { // it has the same end, and knows more
	case err := <-done:
		return err
	case <-time.After(VoidLeast): // what became of one is not recorded yet
		return errors.New("not confirmed: some suggestions have not come to their end yet")
	}
}

func (k *Keyboards) voidEach(ctx context.Context) (err error) {
	for _, v := range k.Suggestions.List() {
		if k.authorMay(v, v.On) {
			continue
		}
		_, _ = k.changeSuggestion(ctx, v.ID, func(v grants.Suggestion) (grants.Suggestion, error) { // it may have ended just then
			if why := v.Stands(true, v.Program, false); why != nil {
				return v.End(grants.Void, "muxward", why.Error()), nil
			}
			return v, nil
		})
		if now, open := k.Suggestions.Find(v.ID); open && ctx.Err() != nil && now.Answer == grants.Open {
			err = errors.Join(err, fmt.Errorf("not confirmed: somebody takes suggestion %s of %s just then", v.ID, v.Who.Person()))
		}
	}
	return err
}

// MindSuggestions ends suggestions whose time is over, whose pane has gone or has another
// program, and whose author may not suggest any more; and has it found out anew who is
// shown the others. A server that is slow holds up no other.
func (k *Keyboards) MindSuggestions() {
	tick := time.NewTicker(minded)
	defer tick.Stop()
	var busy sync.Map // the owners whose panes are looked at still
	for {
		select {
		case <-k.Ctx.Done():
			return
		case <-tick.C:
		}
		for _, id := range k.Suggestions.Overdue(k.Gateway.Time()) {
			ctx, cancel := context.WithTimeout(k.Ctx, minded) // who answers it just then finds it out, too
			_, _ = k.changeSuggestion(ctx, id, func(v grants.Suggestion) (grants.Suggestion, error) {
				return v.End(grants.TimedOut, "muxward", "nobody has taken it in time"), nil
			})
			cancel()
		}
		list := k.Suggestions.List()
		owners := map[string]bool{}
		for _, v := range list {
			owners[v.On.Owner] = true
		}
		k.forOwners(&busy, maps.Keys(owners), k.mindSuggestionsOf)
		if len(list) > 0 {
			k.Displays.Knock()
		}
	}
}

// mindSuggestionsOf is about one server. Of one that does not answer they stay: nothing is
// typed there.
func (k *Keyboards) mindSuggestionsOf(owner string) {
	ctx, cancel := context.WithTimeout(k.Ctx, minded)
	defer cancel()
	server := k.Servers.Server(owner)
	var snap *tmux.Snapshot
	if server != nil {
		var err error
		if snap, err = server.Snapshot(ctx, tmux.Core); err != nil {
			return
		}
	}
	for _, v := range k.Suggestions.List() {
		if v.On.Owner != owner {
			continue
		}
		var p suggestedPane
		if snap != nil {
			p = paneIn(v.On, server.Incarnation(), snap)
		}
		why := k.stands(v, p)
		if k.Draining() { // nobody may anything any more: that is told as what it is
			return
		}
		if why == nil && v.On.Key() == p.on.Key() {
			continue
		}
		_, _ = k.changeSuggestion(ctx, v.ID, func(v grants.Suggestion) (grants.Suggestion, error) {
			if why != nil {
				return v.End(grants.Void, "muxward", why.Error()), nil
			}
			v.On, v.Target = p.on, gateway.Name(p.on)
			return v, nil
		})
	}
}

func (k *Keyboards) shownSuggestion(v grants.Suggestion, who identity.Identity) acts.ShownSuggestion {
	s := acts.SuggestionOf(v)
	s.Mine = v.Who.Person() == who.Person()
	return s
}

// VisibleSuggestions lists those of the asker, also the last ones that have ended, and
// those that wait for panes that they may type into.
func (k *Keyboards) VisibleSuggestions(who identity.Identity) []acts.ShownSuggestion {
	out := []acts.ShownSuggestion{}
	for _, v := range slices.Concat(k.Suggestions.Ended(who.Person()), k.Suggestions.List()) {
		if v.Who.Person() == who.Person() || k.Gateway.Holds(who, v.On).Has(access.Type) {
			out = append(out, k.shownSuggestion(v, who))
		}
	}
	return out
}
