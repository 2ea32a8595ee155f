package grants

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// Invites gives the invites that are open or used up, oldest first. The slice must
// not be changed.
func (s *Store) Invites() []Invite { return *s.invites.Load() }

// FindInvite gives the invite of a number.
func (s *Store) FindInvite(id int64) (Invite, bool) {
	list := s.Invites()
	i := slices.IndexFunc(list, func(v Invite) bool { return v.ID == id })
	if i < 0 {
		return Invite{}, false
	}
	return list[i], true
}

// Invite keeps an invite, and gives it its number and its code, which is not kept. As
// with [Store.Give] it is open once record has succeeded and that is on disk.
func (s *Store) Invite(ctx context.Context, v Invite, now Clock, record func(Invite) error) (Invite, Code, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v.Grant, v.Used = v.plain(), nil
	v.ID, v.State = s.head.Next, Given
	code := newCode(v.ID)
	v.lock = lockFor(code)
	pending, err := inviteChange(v, true)
	open, oerr := inviteChange(v, false)
	if err = cmp.Or(err, oerr, s.roomForInvite(v)); err != nil {
		return Invite{}, Code{}, fmt.Errorf("nobody was invited: %w", err)
	}
	err = s.inTwo(ctx, now, handing{
		id: v.ID, pending: []change{pending}, given: []change{open},
		record: func() error { return record(v) },
		failed: func() error {
			v.Grant = v.ended(TakenBack, now.Wall, "muxward", notGiven)
			return record(v)
		},
	})
	if err != nil {
		return Invite{}, Code{}, err
	}
	s.keep(append(slices.Clone(s.Invites()), v))
	return v, code, nil
}

func (s *Store) keep(list []Invite) { s.invites.Store(&list) }

// roomForInvite says why there is no more room for an invite.
func (s *Store) roomForInvite(v Invite) error {
	switch list, theirs := s.Invites(), 0; {
	case v.Until.Sub(v.At) > MaxOpen:
		return fmt.Errorf("an invite is open for %v at most", MaxOpen)
	default:
		for i := range list {
			if list[i].Giver.Person == v.Giver.Person {
				theirs++
			}
		}
		if len(list) >= maxInvites || theirs >= maxInvitesByOne {
			return fmt.Errorf("there are %d invites, %d of them by %s; revoke some", len(list), theirs, v.Giver.Person)
		}
	}
	return nil
}

// nobodys is the lock that is tried where there is no invite: that takes as long.
var nobodys = lock{}

// Opens gives the invite that a code opens, or [ErrNotOpen]. It waits for nobody.
// Whether there is a use left [Store.Join] says.
func (s *Store) Opens(c Code, now Clock) (Invite, error) {
	v, there := s.FindInvite(c.id)
	if !there {
		v.lock = nobodys
	}
	opens := v.lock.opens(c)
	if !there || !opens || ends() && !now.Wall.Before(v.Until) {
		return Invite{}, ErrNotOpen
	}
	return v, nil
}

// Join has somebody come by an invite, and gives them their grant. Uses are counted
// here, where one comes after the other. As with [Store.Give] the grant counts, and its
// use is used, once record has succeeded and that is on disk. Who has joined already
// has what they have, which is not new, and uses up nothing; unless that was taken back:
// then they do not come by this invite again.
func (s *Store) Join(ctx context.Context, c Code, j Joiner, now Clock, record func(Grant) error) (g Grant, isNew bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.Opens(c, now)
	if err == nil && v.Knocks(j.Person) {
		err = ErrKnocks
	}
	if err != nil {
		return Grant{}, false, err
	}
	return s.use(ctx, v, j, now, record)
}

// Admit has somebody come by an invite because others let them in who had knocked with
// its code. Else it is as [Store.Join].
func (s *Store) Admit(ctx context.Context, invite int64, j Joiner, now Clock, record func(Grant) error) (g Grant, isNew bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, there := s.FindInvite(invite)
	if !there || !v.Approve || !now.Wall.Before(v.Until) {
		return Grant{}, false, ErrNotOpen
	}
	return s.use(ctx, v, j, now, record)
}

// use has somebody use an invite.
func (s *Store) use(ctx context.Context, v Invite, j Joiner, now Clock, record func(Grant) error) (g Grant, isNew bool, err error) {
	if i := v.usedBy(j.Person); i >= 0 && ends() {
		g, err = s.joined(v.Used[i], j)
		return g, false, err
	}
	switch {
	case v.full(), ends() && s.over(&v.Grant, now) != "":
		return Grant{}, false, ErrNotOpen
	case v.Bind && j.Key == "":
		return Grant{}, false, ErrNeedsKey
	}
	g, err = s.join(ctx, v, j, now, record)
	return g, err == nil, err
}

// joined gives what somebody has who has joined before.
func (s *Store) joined(u Use, j Joiner) (Grant, error) {
	g, still := s.Find(u.Grant)
	switch {
	case !still:
		return Grant{}, ErrNotOpen
	case g.Key != "" && g.Key != j.Key:
		return Grant{}, fmt.Errorf("you have joined with the key %s, and what you were given is bound to that", g.Key)
	}
	return g, nil
}

func (s *Store) join(ctx context.Context, v Invite, j Joiner, now Clock, record func(Grant) error) (Grant, error) {
	at := plainTime(now.Wall)
	g := v.grantTo(s.head.Next, j, at)
	used := v.with(Use{j.Person, g.ID, at})
	before, berr := inviteChange(v, false)
	after, aerr := inviteChange(used, false)
	pending, perr := changeTo(g, true)
	given, gerr := changeTo(g, false)
	if err := cmp.Or(berr, aerr, perr, gerr, s.room(g)); err != nil {
		return Grant{}, fmt.Errorf("nothing was given: %w", err)
	}
	err := s.inTwo(ctx, now, handing{
		id: g.ID, pending: []change{pending, after}, given: []change{given}, was: []change{before},
		record: func() error { return record(g) },
		failed: func() error { return record(g.ended(TakenBack, now.Wall, "muxward", notGiven)) },
	})
	if err != nil {
		return Grant{}, err
	}
	s.replace(used)
	s.add(g)
	return g, nil
}

// replace puts an invite in the place of the one of its number.
func (s *Store) replace(v Invite) {
	list := slices.Clone(s.Invites())
	for i := range list {
		if list[i].ID == v.ID {
			list[i] = v
		}
	}
	s.keep(list)
}

// RevokeInvite ends an invite and takes back what came by it. That has happened when it
// returns, whatever it returns; beyond a restart only if that is nil.
func (s *Store) RevokeInvite(ctx context.Context, id int64, by, why string, now Clock) (Invite, []Grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.FindInvite(id)
	if !ok {
		return Invite{}, nil, fmt.Errorf("there is no invite %d; see: muxward invites", id)
	}
	var taken []Grant
	for _, g := range s.List() {
		if g.Invite == id {
			taken = append(taken, g.ended(TakenBack, now.Wall, by, why))
		}
	}
	v.Grant = v.ended(TakenBack, now.Wall, by, why)
	err := s.end(ctx, now, taken, s.close(v)...)
	if err != nil {
		err = fmt.Errorf("invite %d is revoked now but would be there again after a restart: %w; "+
			"it is tried again every half minute, so make room", id, err)
	}
	return v, taken, err
}

// close takes invites out of the list, and gives what that changes on disk.
func (s *Store) close(these ...Invite) (rows []change) {
	if !ends() {
		return nil
	}
	list := slices.Clone(s.Invites())
	for _, v := range these {
		list = slices.DeleteFunc(list, func(o Invite) bool { return o.ID == v.ID })
		rows = append(rows, change{id: v.ID})
	}
	s.keep(list)
	return rows
}

// ExpireInvites ends invites whose time is over, or whose tmux server has ended as
// [Store.Expire] says, and gives them.
func (s *Store) ExpireInvites(ctx context.Context, now Clock) ([]Invite, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var over []Invite
	for _, v := range s.Invites() {
		if why := s.over(&v.Grant, now); why != "" && ends() && len(over) < mostOver {
			v.Grant = v.ended(Over, now.Wall, "muxward", why)
			over = append(over, v)
		}
	}
	if len(over) == 0 {
		return nil, nil
	}
	return over, s.end(ctx, now, nil, s.close(over...)...)
}

// beginInvites puts in force what was read of invites. What was not on record is
// nobody's use: it is given back with it.
func (s *Store) beginInvites(found contents, lag time.Duration, exact bool, now Clock) {
	list := []Invite{}
	finish := func(v Invite, as State, why string) {
		v.Grant = v.ended(as, now.Wall, "muxward", why)
		s.unsaved[v.ID] = change{id: v.ID}
		s.invited = append(s.invited, v)
	}
	for _, v := range found.unopened {
		finish(v, TakenBack, notRecorded)
	}
	for _, v := range found.open {
		was := v
		for _, g := range found.pending {
			v = v.without(g.ID)
		}
		if !v.lose(lag, exact) {
			finish(v, Over, errClock)
			continue
		}
		if len(v.Used) != len(was.Used) || !v.Until.Equal(was.Until) {
			row, err := inviteChange(v, false)
			if err != nil { // it was for the first years of all
				finish(v, Over, errClock)
				continue
			}
			s.unsaved[v.ID] = row
		}
		list = append(list, v)
	}
	s.keep(list)
}

// InvitesAtStart gives the invites that have ended as the store was opened.
func (s *Store) InvitesAtStart() []Invite { return s.invited }
