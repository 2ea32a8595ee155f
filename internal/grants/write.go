package grants

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"
)

// writeTime bounds one change of the store, whatever becomes of who asked.
const writeTime = 4 * time.Second

// List gives the grants that are given, oldest first. Whether each counts is the
// policy's to say. The slice must not be changed.
func (s *Store) List() []Grant { return *s.list.Load() }

// Find gives the grant of a number, if it is given.
func (s *Store) Find(id int64) (Grant, bool) {
	list := s.List()
	i, ok := slices.BinarySearchFunc(list, Grant{ID: id}, byID)
	if !ok {
		return Grant{}, false
	}
	return list[i], true
}

// Gave reports whether a person gave any of them.
func (s *Store) Gave(person string) bool {
	return slices.ContainsFunc(s.List(), func(g Grant) bool { return g.Giver.Person == person })
}

// Limited reports whether any of them has a limit.
func (s *Store) Limited() bool {
	return slices.ContainsFunc(s.List(), func(g Grant) bool { return !g.Until.IsZero() })
}

// Fault says why the store is not as it should be, nil if it is: nothing is
// written any more, or not all is on disk yet.
func (s *Store) Fault() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault == nil && len(s.unsaved) > 0 {
		return fmt.Errorf("%d that have ended are not on disk yet, and would be given again after a restart", len(s.unsaved))
	}
	return s.fault
}

// Give keeps a grant and gives it its number. It is on disk when record is
// called, and counts only if record succeeds: it is in the list when Give has
// returned nil.
func (s *Store) Give(ctx context.Context, g Grant, now Clock, record func(Grant) error) (Grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g.ID, g.State = s.head.Next, Given
	if err := g.check(); err != nil {
		return Grant{}, fmt.Errorf("nothing was given: %w", err)
	}
	if err := s.room(g.Giver.Person); err != nil {
		return Grant{}, fmt.Errorf("nothing was given: %w", err)
	}
	next := s.head
	next.Next, next.Clock = g.ID+1, now
	if err := s.write(ctx, next, g); err != nil {
		return Grant{}, errors.Join(fmt.Errorf("nothing was given: %w", err), s.undo(ctx, g, now))
	}
	if err := record(g); err != nil {
		return Grant{}, errors.Join(fmt.Errorf("nothing was given, because it cannot be recorded: %w", err), s.undo(ctx, g, now))
	}
	list := append(slices.Clone(s.List()), g)
	s.list.Store(&list)
	return g, nil
}

// room says why there is no more room for what somebody gives.
func (s *Store) room(giver string) error {
	list, theirs := s.List(), 0
	for _, g := range list {
		if g.Giver.Person == giver {
			theirs++
		}
	}
	if len(list) >= MaxGiven || theirs >= maxByOne {
		return fmt.Errorf("there are %d grants, %d of them by %s; take some back", len(list), theirs, giver)
	}
	return nil
}

// undo sees to it that what was not given is not found on disk later either.
func (s *Store) undo(ctx context.Context, g Grant, now Clock) error {
	g = g.ended(TakenBack, now.Wall, "muxward", "it could not be given")
	s.head.Next = max(s.head.Next, g.ID+1) // its number may be taken on disk
	s.unsaved[g.ID] = g
	next := s.head
	next.Clock = now
	if err := s.write(ctx, next); err != nil {
		return fmt.Errorf("it may be found given when muxward is started again: %w", err)
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
	if err := s.end(ctx, now, g); err != nil {
		return g, fmt.Errorf("grant %d is taken back now but would be there again after a restart: %w; make room and take back any grant", id, err)
	}
	return g, nil
}

// Expire ends the grants whose time is over, and gives them.
func (s *Store) Expire(ctx context.Context, now Clock) ([]Grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var over []Grant
	for _, g := range s.List() {
		if !g.Until.IsZero() && !now.Wall.Before(g.Until) {
			over = append(over, g.ended(Over, now.Wall, "muxward", "its time is over"))
		}
	}
	if len(over) == 0 {
		return nil, nil
	}
	return over, s.end(ctx, now, over...)
}

// end takes grants out of the list, and writes that.
func (s *Store) end(ctx context.Context, now Clock, ended ...Grant) error {
	for _, g := range ended {
		s.unsaved[g.ID] = g
	}
	list := slices.DeleteFunc(slices.Clone(s.List()), func(g Grant) bool { _, ok := s.unsaved[g.ID]; return ok })
	s.list.Store(&list)
	next := s.head
	next.Clock = now
	return s.write(ctx, next)
}

// Tick writes the time, so that a clock that is set back while muxward is down
// is noticed. Ends that are not on disk yet are written with it.
func (s *Store) Tick(ctx context.Context, now Clock) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.head
	next.Clock = now
	return s.write(ctx, next)
}

// write changes the store in one transaction. If that fails the file is opened
// and read anew: nobody knows how far it came.
func (s *Store) write(ctx context.Context, next head, changed ...Grant) error {
	if s.fault != nil {
		return s.fault
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	if err := s.same(); err != nil {
		return err
	}
	all := append(slices.Collect(maps.Values(s.unsaved)), changed...)
	err := s.commit(ctx, next, all, nil)
	if err == nil {
		clear(s.unsaved)
		return nil
	}
	_ = s.db.Close()
	if again := s.reopen(); again != nil {
		s.fault = fmt.Errorf("the grants in %s cannot be read again: %w; start muxward again", s.path, again)
		err = errors.Join(err, s.fault)
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

func (s *Store) reopen() error {
	ctx, cancel := context.WithTimeout(context.Background(), writeTime)
	defer cancel()
	if err := s.open(ctx); err != nil {
		return err
	}
	_, err := s.read(ctx)
	return err
}

// commit writes rows and the head that goes with them.
func (s *Store) commit(ctx context.Context, next head, changed []Grant, drop []int64) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("write the grants: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	for _, g := range changed {
		if err = put(ctx, tx, &next, g); err != nil {
			return fmt.Errorf("write grant %d: %w", g.ID, err)
		}
	}
	for _, id := range drop {
		if err = remove(ctx, tx, &next, id); err != nil {
			return fmt.Errorf("forget grant %d: %w", id, err)
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

// put writes a grant in the place of the one of its number, if there is one.
func put(ctx context.Context, tx *sql.Tx, h *head, g Grant) error {
	if err := remove(ctx, tx, h, g.ID); err != nil {
		return err
	}
	body, err := json.Marshal(g)
	if err != nil {
		return err
	}
	sum := sumOf(g.ID, string(body))
	if _, err := tx.ExecContext(ctx, "INSERT INTO grants VALUES (?, ?, ?)", g.ID, string(body), sum[:]); err != nil {
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
