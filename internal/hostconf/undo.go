package hostconf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Undo puts back what the last apply of a set has done. What has been changed since is
// left as it is, and is among Left. Called again, it puts back the apply before that one,
// as long as there is a record of it. If an apply was broken off, that is what it takes back,
// and no more.
func Undo(ctx context.Context, set string, o Options) (Result, error) {
	var res Result
	h, l, err := openKept(o)
	if err != nil {
		return res, err
	}
	defer h.close()
	defer h.forget(l)
	if res.Recovered, res.Left, err = h.recover(ctx, l); err != nil || res.Recovered != nil {
		return res, err
	}
	at := -1
	for i, r := range l.Applies {
		if r.Set == set {
			at = i
		}
	}
	if at < 0 {
		return res, ErrNothing
	}
	r := l.Applies[at]
	r.Undoing = true
	if err := h.mayReturn(l, &r); err != nil {
		return res, fmt.Errorf("nothing is undone: %w", err)
	}
	l.Open = &r
	h.step("journal undo")
	if err := h.save(l); err != nil {
		l.Open = nil
		return res, err
	}
	res.Number = r.Number
	res.Done, res.Left, err = h.putBackAll(ctx, l)
	return res, err
}

// Recover takes back an apply that was broken off, and ends an undo that was. Without one
// it does nothing, and the Result has no Recovered.
func Recover(ctx context.Context, o Options) (Result, error) {
	var res Result
	h, l, err := openKept(o)
	if errors.Is(err, ErrNothing) {
		return res, nil
	}
	if err != nil {
		return res, err
	}
	defer h.close()
	defer h.forget(l)
	res.Recovered, res.Left, err = h.recover(ctx, l)
	return res, err
}

// openKept opens a host, with its lock, for what the records of earlier applies say;
// ErrNothing if there are none. The caller closes it.
func openKept(o Options) (h *host, l *ledger, err error) {
	if h, err = newHost(o); err != nil {
		return nil, nil, err
	}
	if f, lookErr := h.tree.look(h.opt.Records); lookErr == nil && !f.there() {
		err = ErrNothing
	} else if err = h.openRecords(); err == nil {
		l, err = h.readLedger()
	}
	if err != nil {
		h.close()
		return nil, nil, err
	}
	return h, l, nil
}

// Fate is what became of an apply.
type Fate int

// What became of it.
const (
	Unknown Fate = iota // it was undone, or forgotten, or others have taken it back
	Landed
	TakenBack // or it was not begun
)

// Next gives the number that the next apply will have.
func Next(o Options) (int, error) {
	h, err := newHost(o)
	if err != nil {
		return 0, err
	}
	defer h.close()
	l, err := h.readLedger()
	if err != nil {
		return 0, err
	}
	return l.Last + 1, nil
}

// Settle takes back what was broken off, as [Recover] does, and says what became of the apply of a
// number of a set. Without records nothing is known of it: it may have landed, and been undone. What is
// known is said to tell before anything is taken back; its error keeps that from being begun. Who is killed
// in between knows by that what the records do not have any more.
func Settle(ctx context.Context, set string, number int, o Options, tell func(Fate) error) (Fate, Result, error) {
	var res Result
	o.Recovering = nil // it is told by tell
	h, l, err := openKept(o)
	if errors.Is(err, ErrNothing) {
		return Unknown, res, nil
	}
	if err != nil {
		return Unknown, res, err
	}
	defer h.close()
	defer h.forget(l)
	fate := Unknown
	switch {
	case l.Last == number-1, l.Open != nil && l.Open.Number == number && !l.Open.Undoing:
		fate = TakenBack
	case slices.ContainsFunc(l.Applies, func(r record) bool { return r.Set == set && r.Number == number }):
		fate = Landed
	}
	if err := tell(fate); err != nil {
		return fate, res, err
	}
	res.Recovered, res.Left, err = h.recover(ctx, l)
	return fate, res, err
}

// MadeAnew reports whether what is at a path is there by an apply of a set, which has made it
// where nothing was. What was there before, and was only put right, is not.
func MadeAnew(set, path string, o Options) (bool, error) {
	h, err := newHost(o)
	if err != nil {
		return false, err
	}
	defer h.close()
	l, err := h.readLedger()
	if err != nil {
		return false, err
	}
	m := l.find(path)
	return m != nil && m.Set == set && !m.Way && !m.Original.there(), nil
}

// broken tells of what is open.
func (h *host) broken(l *ledger) *Broken {
	r := l.Open
	if r == nil {
		return nil
	}
	b := &Broken{Number: r.Number, Set: r.Set, Undoing: r.Undoing, Began: r.Began, Steps: len(r.Steps)}
	b.Running = h.lock == nil && h.locked()
	for _, st := range r.Steps {
		f := h.names.fact(st.Item)
		if st.Item.Path != "" {
			f, _ = h.tree.look(st.Item.Path) // what cannot be looked at has not been moved by us
		}
		if st.Item.Kind == Service {
			continue
		}
		if !f.same(st.Before) && (f.same(st.After) || st.Item.Path == "") {
			b.Moved++
		}
	}
	return b
}

// recover ends what was broken off.
func (h *host) recover(ctx context.Context, l *ledger) (*Broken, []Change, error) {
	b := h.broken(l)
	if b == nil {
		return nil, nil, nil
	}
	if err := h.mayReturn(l, l.Open); err != nil {
		return b, nil, fmt.Errorf("what was broken off is not taken back: %w", err)
	}
	if h.opt.Recovering != nil && !b.Undoing {
		if err := h.opt.Recovering(b.Number); err != nil {
			return b, nil, err
		}
	}
	h.tell("apply %d was broken off: it is taken back", b.Number)
	_, left, err := h.putBackAll(ctx, l)
	if err == nil {
		h.names, err = h.tree.readAccounts()
	}
	return b, left, err
}

// rollBack takes back the apply that is open, as it cannot go on.
func (h *host) rollBack(ctx context.Context, l *ledger, cause error) error {
	// Who has pressed Ctrl-C wants that, too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Minute)
	defer cancel()
	err := h.mayReturn(l, l.Open)
	var left []Change
	if err == nil {
		_, left, err = h.putBackAll(ctx, l)
	}
	if err != nil {
		return fmt.Errorf("%w; and %w: %w; the next apply goes on with that", cause, ErrHalf, err)
	}
	if len(left) == 0 {
		return fmt.Errorf("%w; all that was done has been taken back", cause)
	}
	cause = fmt.Errorf("%w; what was done has been taken back, but for what is left", cause)
	for _, c := range left {
		cause = fmt.Errorf("%w; %s is left: %s", cause, c.Item.key(), c.Reason)
	}
	return cause
}

// mayReturn asks whether the files may come back that an apply has changed. Those that somebody has
// changed since do not.
func (h *host) mayReturn(l *ledger, r *record) error {
	if h.opt.Returning == nil {
		return nil
	}
	files := map[string][]byte{}
	for _, st := range r.Steps {
		if st.Before.Kind != File || r.Undoing && l.taken(st, r.Set) {
			continue
		}
		cur, err := h.tree.look(st.Item.Path)
		if err != nil || !cur.same(st.After) {
			continue // who puts it back says so
		}
		if files[st.Item.Path], err = h.stored(st.Before.Sum); err != nil {
			delete(files, st.Item.Path) // it cannot come back
		}
	}
	return h.opt.Returning(files)
}

// taken reports whether what a step has made is another set's by now.
func (l *ledger) taken(st step, set string) bool {
	m := l.find(st.Item.key())
	return m != nil && m.Set != set && !m.Way
}

// putBackAll has what the open apply found. It may have been at that before: what is as it
// was is left alone.
func (h *host) putBackAll(ctx context.Context, l *ledger) (done, left []Change, err error) {
	r := l.Open
	var failed []error
	for _, st := range slices.Backward(r.Steps) {
		h.step("back " + st.Item.key())
		c := st.change()
		if r.Undoing && l.taken(st, r.Set) {
			c.Do, c.Reason = Keep, "it is from muxward "+l.find(st.Item.key()).Set+" by now"
			left = append(left, c)
			continue
		}
		did, reason, err := h.putBack(ctx, st, !r.Undoing)
		switch {
		case err != nil:
			failed = append(failed, err)
		case reason != "" && !st.Way: // one that others use, too, by now is no matter
			c.Do, c.Reason = Keep, reason
			left = append(left, c)
		case did:
			done = append(done, c)
		}
	}
	left, h.kept = append(left, h.kept...), nil // each is named once
	if len(failed) > 0 {
		return done, left, errors.Join(failed...)
	}
	if err := h.reload(ctx, r.Steps); err != nil {
		return done, left, err
	}
	h.step("close")
	if r.Undoing {
		for _, w := range r.Was {
			if m := l.find(w.Key); m == nil || m.Set == r.Set || m.Way {
				l.put(w.Key, w.Made)
			}
		}
		l.Applies = slices.DeleteFunc(l.Applies, func(x record) bool { return x.Number == r.Number })
	}
	l.Open = nil
	if err := h.save(l); err != nil {
		l.Open = r
		return done, left, err
	}
	h.step("closed")
	h.sweep(l)
	return done, left, nil
}

// putBack has one step's thing as it was, and reports whether there was anything to do. What is
// neither as it was nor as the step made it is somebody else's by now: it stays, and
// the reason is given. With broken, the step may be half done.
func (h *host) putBack(ctx context.Context, st step, broken bool) (bool, string, error) {
	switch st.Item.Kind {
	case Account, Group:
		return h.putBackAccount(ctx, st, broken)
	case Service:
		if !h.systemd() {
			return false, "systemd is not pid 1 here", nil
		}
		f, err := h.service(ctx, st.Item.Name)
		if err != nil || f.same(st.Before) {
			return false, "", err
		}
		return true, "", h.setService(ctx, st.Item.Name, f, st.Before)
	case Directory:
		return h.putBackDir(st, broken)
	}
	if err := h.clearBeside(st); err != nil {
		return false, "", err
	}
	cur, err := h.tree.look(st.Item.Path)
	switch {
	case err != nil:
		return false, "", err
	case cur.same(st.Before):
		return false, "", nil
	case !cur.same(st.After):
		p := planner{h: h}
		return false, "somebody has changed it since: " + p.changed(cur, st.After), nil
	}
	back := step{Item: st.Item, Before: cur, After: st.Before, Temp: st.Temp}
	if back.After.Kind == File {
		if back.content, err = h.stored(back.After.Sum); err != nil {
			return false, "", err
		}
	}
	if err := h.stage(&back); err != nil {
		return false, "", err
	}
	h.step("back staged " + st.Item.key())
	return true, "", h.move(&back)
}

// clearBeside removes what a step that was killed has left beside its place.
func (h *host) clearBeside(st step) error {
	dir, _, err := h.tree.parent(st.Item.Path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	return h.clear(dir, &st)
}

func (h *host) putBackDir(st step, broken bool) (bool, string, error) {
	if err := h.clearBeside(st); err != nil {
		return false, "", err
	}
	cur, err := h.tree.look(st.Item.Path)
	if err != nil || cur.same(st.Before) {
		return false, "", err
	}
	ours := cur.same(st.After) || broken && cur.Kind == Directory || between(cur, st)
	switch {
	case !ours && cur.there():
		p := planner{h: h}
		return false, "somebody has changed it since: " + p.changed(cur, st.After), nil
	case !cur.there() && !st.After.there():
		back := step{Item: st.Item, After: st.Before, Temp: st.Temp}
		return true, "", h.makeDir(&back)
	case !cur.there():
		return false, "somebody has removed it since", nil
	case st.Before.there():
		return true, "", h.setDir(st.Item.Path, cur, st.Before)
	}
	err = h.removeDir(st.Item.Path)
	if errors.Is(err, unix.ENOTEMPTY) {
		return false, "there is something in it", nil
	}
	return true, "", err
}

// between reports whether a directory is on the way from what a step made of it to what it was,
// as setDir leaves it when it is killed.
func between(cur fact, st step) bool {
	a, b := st.Before, st.After
	return cur.Kind == Directory && a.Kind == Directory && b.Kind == Directory &&
		(cur.UID == a.UID || cur.UID == b.UID) && (cur.GID == a.GID || cur.GID == b.GID) &&
		(cur.Mode == a.Mode || cur.Mode == b.Mode || cur.Mode == a.Mode&b.Mode&0o777)
}

func (h *host) putBackAccount(ctx context.Context, st step, broken bool) (did bool, reason string, err error) {
	if h.names, err = h.tree.readAccounts(); err != nil {
		return false, "", err
	}
	f := h.names.fact(st.Item)
	if !f.there() && !st.Before.there() {
		return h.groupLeft(ctx, st)
	}
	switch {
	case f.there() == st.Before.there():
		return false, "", nil
	case !f.there():
		return true, "", h.makeAccount(ctx, st.Item, st.Before)
	case !broken && (f.UID != st.After.UID || f.GID != st.After.GID):
		return false, "it is another one by now", nil
	case broken && !h.asWeMake(st):
		return false, "somebody has made it meanwhile", nil
	case h.cannotRemove(st.Item) != "":
		return false, h.cannotRemove(st.Item), nil
	case h.owns(st, f):
		return false, "there are things that belong to it", nil
	}
	if pid := h.runningAs(f.UID); st.Item.Kind == Account && pid != 0 { // userdel would say so, and nothing else could go on
		return false, fmt.Sprintf("process %d runs as it", pid), nil
	}
	return true, "", h.removeAccount(ctx, st.Item)
}

// groupLeft removes the group of an account, if it is all that is left of that: who removed the
// account was killed in the middle.
func (h *host) groupLeft(ctx context.Context, st step) (bool, string, error) {
	gid, left := h.names.groups[st.Item.Name]
	if st.Item.Kind != Account || !left || st.After.GID != 0 && st.After.GID != gid {
		return false, "", nil
	}
	for _, a := range h.names.byName {
		if a.gid == gid {
			return false, "the group is that of " + a.name + " by now", nil
		}
	}
	of := step{Item: Item{Kind: Group, Name: st.Item.Name}}
	if h.owns(of, fact{Kind: Group, GID: gid}) {
		return false, "there are things that belong to its group", nil
	}
	return true, "", h.run(ctx, "groupdel", append(h.prefix(), st.Item.Name)...)
}

// asWeMake reports whether an account is as a step makes it. Until the step is over nothing else
// is known of it.
func (h *host) asWeMake(st step) bool {
	if st.Item.Kind != Account {
		return true
	}
	a := h.names.byName[st.Item.Name]
	if st.After.UID != 0 && (a.uid != st.After.UID || a.gid != st.After.GID) {
		return false
	}
	return a.comment == st.Item.Comment && (a.home == noHome || a.home == st.Item.Home) && strings.HasSuffix(a.shell, "/nologin")
}

// owns reports whether something that we know of still belongs to an account.
func (h *host) owns(st step, f fact) bool {
	l, err := h.readLedger()
	if err != nil {
		return true
	}
	things := slices.Clone(l.Made)
	if l.Open != nil {
		for _, s := range l.Open.Steps {
			things = append(things, made{Item: s.Item})
		}
	}
	paths := []string{st.Item.Home, st.Item.State} // which others may have made
	for _, m := range things {
		paths = append(paths, m.Item.Path)
	}
	for _, path := range paths {
		if path == "" || path == noHome {
			continue
		}
		theirs, err := h.tree.belongs(path, func(uid, gid uint32) bool {
			return st.Item.Kind == Account && uid == f.UID || gid == f.GID && f.GID != 0
		})
		if err != nil || theirs {
			return true
		}
	}
	return false
}
