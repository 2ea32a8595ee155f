package executor

import (
	"context"
	"errors"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
)

// Wish is what somebody asks others for by the key in their display: a role, or verbs with
// commas between, on a pane, for a time, and why. All of it is in their words.
type Wish struct {
	Pane              access.Object
	What, For, Reason string
}

// errNoWish is what they hear who ask where nothing is to be asked for.
var errNoWish = errors.New("nothing is asked for: it is not known which pane you are at")

// wish asks the person what they would have on the pane that is active on their screen, and
// has it asked for. It reports whether the key was for that: to who holds every verb there
// it is a key like any other.
func (k *keyboard) wish(ctx context.Context) (bool, error) {
	s := k.s
	if s.whole.Decide().Allow {
		return false, nil
	}
	e := &errand{k: k, key: s.e.RequestKey, opts: s.reading(), author: person}
	on, err := e.wished(ctx)
	if err != nil {
		s.att.Notice(e.told("", err))
		return true, nil
	}
	l := &line{
		prompts: []string{"ask for which role, or verbs, on " + gateway.Name(on) + "? ", "for how long? ", "why? "},
		begun:   []string{access.Type.String(), "30m", ""},
	}
	l.next()
	takes := func(answers []string) error { // what they mistype they hear before they are asked for more
		w := Wish{Pane: on, What: answers[0], For: l.begun[1]}
		if len(answers) > 1 {
			w.For = answers[1]
		}
		_, err := s.e.Asking.Wish(s.live.Who(), w)
		return err
	}
	k.ask = &question{e: e, about: e.current, line: l, takes: takes, then: func(_ context.Context, answers []string) {
		s.wishesBeside(Wish{on, answers[0], answers[1], answers[2]})
	}}
	s.att.Ask(l.shown())
	return true, nil
}

// wished gives the pane that a wish is about: the one that the person is at.
func (e *errand) wished(ctx context.Context) (access.Object, error) {
	s := e.k.s
	if err := s.typedFirst(ctx); err != nil {
		return access.Object{}, err
	}
	if err := e.locate(ctx); err != nil {
		return access.Object{}, err
	}
	if e.current == nil {
		return access.Object{}, errNoWish
	}
	snap, err := e.look(ctx)
	if err != nil {
		return access.Object{}, err
	}
	on, ok := gateway.PaneObject(s.server.Owner(), s.server.Incarnation(), snap, e.current.Session.ID, e.current.Pane.ID)
	if !ok {
		return on, errNoWish
	}
	return on, nil
}

// wishesBeside has it asked for beside what the person types: that is on disk before others
// hear of it. One is asked for after the other.
func (s *seat) wishesBeside(w Wish) {
	if s.bell.wishing.Swap(true) {
		s.att.Notice("not asked: what you asked for before is not on its way yet")
		return
	}
	s.e.beside.Go(func() {
		s.protected(func() {
			ending := s.wishes(w)
			s.bell.wishing.Store(false)
			if ending == nil {
				return
			}
			if came := ending(s.ctx); s.ctx.Err() == nil {
				s.att.Notice(came)
			}
		})
	})
}

// wishes asks for it by an act of the person's, and tells them what came of that as long as
// they are here. It gives what waits for the answer. Who leaves takes it back.
func (s *seat) wishes(w Wish) (ending func(context.Context) string) {
	ctx, cancel := context.WithTimeout(s.ctx, approveTime)
	defer cancel()
	var result gateway.Result
	act, err := s.e.Asking.Wish(s.live.Who(), w)
	if err == nil {
		result, err = s.e.Gateway().Handle(ctx, gateway.Request{Identity: s.live.Who(), Display: s.tty, Client: s.client, Act: act})
	}
	if err != nil {
		s.att.Notice("not asked: " + err.Error())
		return nil
	}
	told, ending := s.e.Asking.Asked(result.Value)
	s.att.Notice(told)
	return ending
}

// asksBy gives the key by which somebody asks for what they were refused, "" if there is
// none.
func (s *seat) asksBy() string {
	if s.e.Asking == nil {
		return ""
	}
	return s.e.RequestKey
}

// goesOn does what is done with the answers to a question that has no commands.
func (q *question) goesOn(ctx context.Context, k *keyboard) error {
	k.unasked()
	if err := q.stands(ctx); err != nil {
		k.s.att.Notice(err.Error())
		return nil
	}
	q.then(ctx, q.line.done)
	return nil
}
