package keyboard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/executor"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/tmux"
)

// maxSuggested is how long a suggestion may wait: meanwhile the key by which it is taken is
// none for the program in the pane.
const maxSuggested = time.Hour

// errNoKey: a suggestion is taken by a key alone.
var errNoKey = errors.New("nobody could take it: that is done by a key, and nobody has one until muxward's configuration says answer_key: true")

// SuggestAct has somebody suggest a line for a pane. It takes the verb suggest there and
// does nothing to the pane, so it may come from inside one. The text is on record as what
// is asked for, whatever is recorded of what people type.
func (k *Keyboards) SuggestAct(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	if err := grants.Suggestible(c.Text); err != nil {
		return nil, err
	}
	if c.Target == "" {
		return nil, errors.New("name a pane with -t")
	}
	if _, local := who.UID(); c.Stands && !local { // what they came in with may be taken away
		return nil, errors.New("a suggestion of who comes by ssh ends with their connection: leave out --wait=false")
	}
	within, err := ctld.Length("--deadline", c.Within, time.Second, maxSuggested)
	if err != nil {
		return nil, err
	}
	target := acts.FullTarget(k.Gateway, who, c.Target)
	a := &gateway.Act{Name: "suggest", Target: target, Verb: access.Suggest,
		Args: []string{"-t", target, "--deadline", within.String(), "--", c.Text}}
	a.Do = func(ctx context.Context, on access.Object) (gateway.Result, error) {
		if on.Kind != access.Pane {
			return gateway.Result{}, fmt.Errorf("%s is a %s; name one pane of it, such as %s:0.0", acts.TargetName(target), on.Kind, acts.TargetName(target))
		}
		if !k.AnswerKey {
			return gateway.Result{}, errNoKey
		}
		if err := k.TakesTurn(who); err != nil {
			return gateway.Result{}, err
		}
		p, err := k.suggestedPane(ctx, on)
		if err != nil {
			return gateway.Result{}, err
		}
		now := k.Gateway.Time()
		b, err := k.suggest(ctx, grants.Suggestion{Who: who, On: on, Target: gateway.Name(on), Program: p.program,
			Text: c.Text, At: now, Until: now.Add(within)})
		if err != nil || c.Stands {
			return gateway.Result{Value: b.ShownSuggestion}, err
		}
		return gateway.Result{Value: b}, nil
	}
	return a, nil
}

// suggest has a suggestion wait, and those told who may take it.
func (k *Keyboards) suggest(ctx context.Context, v grants.Suggestion) (b suggested, err error) {
	var ending func(context.Context) (grants.Suggestion, error)
	put, err := k.Suggestions.Put(v, func(v grants.Suggestion) error {
		ending = k.Suggestions.Ending(v.ID) // it may be taken before its author waits
		return k.recordSuggestion(ctx, v, access.MustRecordClass, v.Who.Person())
	})
	if err != nil {
		return b, err
	}
	k.Displays.Knock()
	return suggested{k.shownSuggestion(put, v.Who), k, v.Who, ending}, nil
}

// suggested is a suggestion whose author waits for its end.
type suggested struct {
	acts.ShownSuggestion
	k      *Keyboards
	who    identity.Identity
	ending func(context.Context) (grants.Suggestion, error)
}

// Ends waits for the end of a suggestion. Who goes before that takes it back.
func (b suggested) Ends(ctx context.Context) (any, error) {
	v, err := b.ending(ctx)
	if err == nil {
		return b.k.shownSuggestion(v, b.who), nil
	}
	why := "who suggested it does not wait any more"
	if b.k.Ctx.Err() != nil {
		why = "muxward ends"
	}
	if v, err = b.k.withdraw(ctx, b.ID, b.who.Person(), why); v.ID == "" {
		return nil, err
	}
	return b.k.shownSuggestion(v, b.who), nil // it may have ended otherwise just then
}

// UnsuggestAct takes back what somebody has suggested.
func (k *Keyboards) UnsuggestAct(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	a := &gateway.Act{Name: c.Act, Args: []string{c.Request}, Open: true}
	a.Do = func(ctx context.Context, _ access.Object) (gateway.Result, error) {
		v, ok := k.Suggestions.Find(c.Request)
		if !ok || v.Who.Person() != who.Person() {
			return gateway.Result{}, grants.ErrNoSuggestion(c.Request)
		}
		v, err := k.withdraw(ctx, v.ID, who.Person(), c.Reason)
		return gateway.Result{Value: k.shownSuggestion(v, who)}, err
	}
	return a, nil
}

// Suggested gives what is suggested for panes that somebody is shown and may type into now,
// whatever hand they have.
func (k *Keyboards) Suggested(who identity.Identity, shown func(pane access.Object) bool) (out []executor.Waits) {
	for _, v := range k.Suggestions.List() {
		if !shown(v.On) || !k.Gateway.May(who, gateway.Need{Verb: access.Type, Object: v.On}).Allow {
			continue
		}
		from := v.Who.Person()
		if pane := v.Who.Inside(); pane != "" {
			from += " (from inside " + tmux.Clean(pane) + ")"
		}
		w := executor.Waits{ID: v.ID, From: from, Pane: v.On, Line: v.Text, How: "M-a in a display takes it", Need: gateway.Need{Verb: access.View, Object: v.On}}
		w.Head = from + " would have this typed in " + acts.TargetName(v.Target)
		w.Text = from + " suggests in " + acts.TargetName(v.Target) + ": " + v.Text
		w.Begun = k.begun(v.On)
		out = append(out, w)
	}
	return out
}

// begun gives who has begun a line in a pane, if that is known: of one with a lease it is.
func (k *Keyboards) begun(pane access.Object) string {
	l, _ := k.Leases.Of(pane)
	return l.Line
}

// TakeAct makes the act by which somebody answers a suggestion that they were shown, by a key
// in their display. It is theirs: what counts is their right to type, in that pane.
func (k *Keyboards) TakeAct(who identity.Identity, w executor.Waits, on access.Object, how executor.Taking, types executor.Typing) (*gateway.Act, error) {
	act := &gateway.Act{Name: "suggestion", Args: []string{how.String(), w.ID}, Verb: access.Type, Keyed: true}
	v, ok := k.Suggestions.Shown(w.ID, on)
	if !ok || !v.Into(on) {
		act.Open = true
		act.Do = func(context.Context, access.Object) (gateway.Result, error) {
			return gateway.Result{}, grants.ErrNoSuggestion(w.ID)
		}
		return act, nil
	}
	act.On = []access.Object{on}
	if how != executor.Dismisses {
		act.Author = v.Who.Person()
	}
	act.Args = append(act.Args, "of", v.Who.Person(), "--", v.Text)
	act.Do = func(ctx context.Context, _ access.Object) (gateway.Result, error) {
		came := grants.Open // of this act: another may have ended it
		v, err := k.changeSuggestion(ctx, v.ID, func(v grants.Suggestion) (next grants.Suggestion, err error) {
			defer func() { came = next.Answer }()
			if !v.Reads(w.Line) {
				return v, errors.New("it is not what you were shown")
			}
			if by := k.begun(on); how != executor.Dismisses && by != w.Begun {
				return v, errors.New("whether a line is begun there has changed meanwhile: look again")
			}
			return k.answerSuggestion(ctx, who, v, how, types)
		})
		if err != nil {
			return gateway.Result{Answer: string(came)}, err
		}
		return gateway.Result{Value: k.shownSuggestion(v, who), Answer: string(came)}, nil
	}
	return act, nil
}

// answerSuggestion is what becomes of a suggestion by an answer. Meanwhile nobody else answers it, so
// it is typed once at most, and who takes something from its author waits for that.
func (k *Keyboards) answerSuggestion(ctx context.Context, who identity.Identity, v grants.Suggestion, how executor.Taking, types executor.Typing) (grants.Suggestion, error) {
	if how == executor.Dismisses {
		return v.End(grants.Dismissed, who.Person(), ""), nil
	}
	if v.Overdue(k.Gateway.Time()) {
		return v.End(grants.TimedOut, "muxward", ""), errors.New("its time is over")
	}
	p, err := k.suggestedPane(ctx, v.On)
	if err != nil && !errors.Is(err, errPaneGone) {
		return v, err // nobody knows
	}
	if why := k.stands(v, p); why != nil {
		return v.End(grants.Void, "muxward", why.Error()), why
	}
	as := grants.Typed
	if how == executor.Runs {
		as = grants.Ran
	}
	switch err = types(ctx, v.Text, v.Program, func() error { return k.authorStands(v, p.on) }); {
	case err == nil:
		return v.End(as, who.Person(), ""), nil
	case errors.Is(err, executor.ErrUnsure): // it is not to be typed twice
		return v.End(grants.Unsure, who.Person(), err.Error()), err
	}
	return v, err
}
