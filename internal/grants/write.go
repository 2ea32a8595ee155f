package grants

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/muxward/muxward/internal/access"
)

// writeTime bounds one change of the store, whatever becomes of who asked.
const writeTime = 4 * time.Second

// List gives the grants that are given, oldest first. Whether each counts is the
// policy's to say. Neither the slice nor what it points to is to be changed: a grant that is
// given is the same one for all, in every list.
func (s *Store) List() []*Grant { return slices.Clip(*s.list.Load()) }

// Find gives the grant of a number, if it is given.
func (s *Store) Find(id int64) (Grant, bool) {
	list := s.List()
	i, ok := slices.BinarySearchFunc(list, id, byID)
	if !ok {
		return Grant{}, false
	}
	return *list[i], true
}

// Gave reports whether a person gave any of them.
func (s *Store) Gave(person string) bool {
	return slices.ContainsFunc(s.List(), func(g *Grant) bool { return g.Giver.Person == person })
}

// Limited reports whether any of them has a limit.
func (s *Store) Limited() bool {
	return len(s.Invites()) > 0 || slices.ContainsFunc(s.List(), func(g *Grant) bool { return !g.Until.IsZero() })
}

// Fault says why the store is not as it should be, nil if it is: what was written
// last is not on disk, and is tried again with whatever is written next. It does
// not wait for the disk.
func (s *Store) Fault() error {
	if err := s.fault.Load(); err != nil {
		return *err
	}
	return nil
}

// ErrUnwritten is what errors.Is finds in the error of what was not given because it could not be kept, or not be recorded.
var ErrUnwritten = errors.New("it cannot be written down")

// unwritten makes an error an ErrUnwritten.
type unwritten struct{ error }

func (u unwritten) Unwrap() error      { return u.error }
func (unwritten) Is(target error) bool { return target == ErrUnwritten }

// notGiven is the end of what the log may say was given.
const notGiven = "it could not be given"

// Give keeps a grant and gives it its number. It is on disk, as one that does not
// count, when record is called with it; it counts once record has succeeded and
// that is on disk, too: it is in the list when Give has returned nil. What comes to
// nothing after record was called is recorded as taken back.
func (s *Store) Give(ctx context.Context, g Grant, now Clock, record func(Grant) error) (Grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g = g.plain()
	g.ID, g.State = s.head.Next, Given
	pending, err := changeTo(g, true)
	given, gerr := changeTo(g, false)
	if err = cmp.Or(err, gerr, s.room(g)); err != nil {
		return Grant{}, fmt.Errorf("nothing was given: %w", err)
	}
	err = s.inTwo(ctx, now, handing{
		id: g.ID, pending: []change{pending}, given: []change{given},
		record: func() error { return record(g) },
		failed: func() error { return record(g.ended(TakenBack, now.Wall, "muxward", notGiven)) },
	})
	if err != nil {
		return Grant{}, err
	}
	s.add(g)
	return g, nil
}

// add has a grant be given.
func (s *Store) add(g Grant) {
	// Behind those that there are, and in their array if that has room: who has a list has it as
	// long as it was, and what ends makes a new one.
	list := append(*s.list.Load(), &g)
	s.list.Store(&list)
	if g.On.Kind >= access.Session {
		s.lives[g.On.Owner] = life{g.On.Incarnation, g.At}
	}
}

// handing is something new that is written in two steps, with its record in between.
type handing struct {
	id             int64
	pending, given []change
	was            []change // what is on disk before that, besides what is new
	record, failed func() error
}

// inTwo writes something new. If it fails it has come to nothing, with an [ErrUnwritten].
func (s *Store) inTwo(ctx context.Context, now Clock, h handing) error {
	next := s.head
	next.Next, next.Clock = h.id+1, now
	if err := s.write(ctx, next, h.pending...); err != nil {
		return unwritten{errors.Join(fmt.Errorf("nothing was given: %w", err), s.undo(ctx, h, now))}
	}
	err := h.record()
	if err != nil {
		err = fmt.Errorf("nothing was given, because it cannot be recorded: %w", err)
	} else if err = s.write(ctx, s.head, h.given...); err != nil {
		err = fmt.Errorf("nothing was given: %w", err)
	}
	if err != nil {
		err = errors.Join(err, s.undo(ctx, h, now))
		return unwritten{errors.Join(err, h.failed())}
	}
	return nil
}

// room says why there is no more room for what somebody gives.
func (s *Store) room(g Grant) error {
	list, theirs := s.List(), 0
	for _, one := range list {
		if one.Giver.Person == g.Giver.Person {
			theirs++
		}
	}
	if len(list) >= MaxGiven || theirs >= maxByOne {
		return fmt.Errorf("there are %d grants, %d of them by %s; take some back", len(list), theirs, g.Giver.Person)
	}
	return nil
}

// undo sees to it that what was not given is not found on disk later either.
func (s *Store) undo(ctx context.Context, h handing, now Clock) error {
	s.head.Next = max(s.head.Next, h.id+1) // its number may be taken on disk
	s.unsaved[h.id] = change{id: h.id}
	for _, c := range h.was {
		s.unsaved[c.id] = c
	}
	next := s.head
	next.Clock = now
	if err := s.write(ctx, next); err != nil {
		return fmt.Errorf("it may be found given when muxward is started again before that is mended: %w", err)
	}
	return nil
}

// TakeBack ends a grant. It has ended when TakeBack returns, whatever it
// returns; beyond a restart only if that is nil.
func (s *Store) TakeBack(ctx context.Context, id int64, by, why string, now Clock) (Grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.Find(id)
	if !ok {
		return Grant{}, fmt.Errorf("there is no grant %d; see: muxward grants", id)
	}
	g = g.ended(TakenBack, now.Wall, by, why)
	if err := s.end(ctx, now, []Grant{g}); err != nil {
		return g, fmt.Errorf("grant %d is taken back now but would be there again after a restart: %w; "+
			"it is tried again every half minute, so make room", id, err)
	}
	return g, nil
}

// mostOver is how many grants end at once because of the time: each is recorded.
const mostOver = 64

// Expire ends grants whose time is over, or whose tmux server has begun another
// life in which something was given since, and gives them. The rest, if there are
// many, is ended by the next calls.
func (s *Store) Expire(ctx context.Context, now Clock) ([]Grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var over []Grant
	for _, g := range s.List() {
		if len(over) == mostOver {
			break
		}
		if why := s.over(g, now); why != "" {
			over = append(over, g.ended(Over, now.Wall, "muxward", why))
		}
	}
	if len(over) == 0 {
		return nil, nil
	}
	return over, s.end(ctx, now, over)
}

// over says why a grant counts no more and never again, "" if it may.
func (s *Store) over(g *Grant, now Clock) string {
	if !g.Until.IsZero() && !now.Wall.Before(g.Until) {
		return "its time is over"
	}
	if l, ok := s.lives[g.On.Owner]; ok && g.On.Kind >= access.Session && g.On.Incarnation != l.incarnation && g.At.Before(l.seen) {
		return "the tmux server that it was on has ended"
	}
	return ""
}

// end takes grants out of the list, and writes that, with what else has changed.
func (s *Store) end(ctx context.Context, now Clock, ended []Grant, more ...change) error {
	out := make(map[int64]bool, len(ended))
	for _, g := range ended {
		out[g.ID] = true
		s.unsaved[g.ID] = change{id: g.ID}
	}
	list := slices.DeleteFunc(slices.Clone(s.List()), func(g *Grant) bool { return out[g.ID] })
	s.list.Store(&list)
	for _, c := range more {
		s.unsaved[c.id] = c
	}
	next := s.head
	next.Clock = now
	return s.write(ctx, next)
}

// Tick writes the time, so that a clock that is set back while muxward is down
// is noticed. What is not on disk yet is written with it.
func (s *Store) Tick(ctx context.Context, now Clock) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.head
	next.Clock = now
	return s.write(ctx, next)
}

// write changes the store in one transaction, together with what is not on disk
// yet. If that fails the file is opened and read anew: nobody knows how far it came.
func (s *Store) write(ctx context.Context, next head, changed ...change) error {
	err := s.tryWrite(ctx, next, changed)
	switch {
	case err == nil:
		clear(s.unsaved)
		s.fault.Store(nil)
	case len(s.unsaved) > 0:
		err := fmt.Errorf("%d changes of the grants are not on disk yet, and would be undone by a restart: %w", len(s.unsaved), err)
		s.fault.Store(&err)
	default:
		s.fault.Store(&err)
	}
	return err
}

func (s *Store) tryWrite(ctx context.Context, next head, changed []change) error {
	if s.closed {
		return errors.New("the store of grants is closed")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	if s.db == nil {
		if err := s.reopen(ctx, &next); err != nil {
			return err
		}
	}
	if err := s.same(); err != nil {
		return err
	}
	err := s.commit(ctx, next, append(slices.Collect(maps.Values(s.unsaved)), changed...))
	if err != nil {
		_ = s.db.Close()
		s.db = nil
	}
	return err
}

// same makes sure that the file is still the one that was opened: what is
// written to another would not be found again.
func (s *Store) same() error {
	info, err := os.Lstat(s.path)
	if err != nil {
		return fmt.Errorf("the store of grants has gone: %w", err)
	}
	if !os.SameFile(info, s.file) {
		return fmt.Errorf("the store of grants %s was replaced; start muxward again", s.path)
	}
	return nil
}

// reopen opens the file again and has the head that is to be written go on from
// what is on disk.
func (s *Store) reopen(ctx context.Context, next *head) error {
	was := s.file
	if err := s.open(ctx); err != nil {
		return s.lost(err)
	}
	if !os.SameFile(was, s.file) {
		s.file = was
		return s.lost(errors.New("it was replaced"))
	}
	written := s.head.Next
	if _, err := s.read(ctx); err != nil {
		return s.lost(err)
	}
	s.head.Next = max(s.head.Next, written)
	next.Next, next.Rows, next.Sums = max(next.Next, s.head.Next), s.head.Rows, s.head.Sums
	return nil
}

// lost lets go of a file that could not be opened again.
func (s *Store) lost(why error) error {
	if s.db != nil {
		_ = s.db.Close()
		s.db = nil
	}
	return fmt.Errorf("the grants in %s cannot be read again: %w", s.path, why)
}

// commit writes rows and the head that goes with them.
func (s *Store) commit(ctx context.Context, next head, changed []change) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("write the grants: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	for _, c := range changed {
		if err = put(ctx, tx, &next, c); err != nil {
			return fmt.Errorf("write grant %d: %w", c.id, err)
		}
	}
	if err = writeHead(ctx, tx, next); err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return fmt.Errorf("write the grants: %w", err)
	}
	s.head = next
	return nil
}

// put writes a row in the place of the one of its number, if there is one, or
// removes that.
func put(ctx context.Context, tx *sql.Tx, h *head, c change) error {
	if err := remove(ctx, tx, h, c.id); err != nil || c.body == "" {
		return err
	}
	sum := sumOf(c.id, c.body)
	if _, err := tx.ExecContext(ctx, "INSERT INTO grants VALUES (?, ?, ?)", c.id, c.body, sum[:]); err != nil {
		return err
	}
	h.Sums.xor(sum)
	h.Rows++
	return nil
}

func remove(ctx context.Context, tx *sql.Tx, h *head, id int64) error {
	var body string
	err := tx.QueryRowContext(ctx, "DELETE FROM grants WHERE id = ? RETURNING body", id).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	h.Sums.xor(sumOf(id, body))
	h.Rows--
	return nil
}
