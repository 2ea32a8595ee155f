package hostconf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Apply brings the host into a state. It takes back an apply that was broken off, asks what
// is wanted, looks, checks, writes its journal, moves everything to its place, asks for health,
// and looks again. If it returns an error, the host is as it was before, or the error says
// what is not and the next Apply or Recover goes on with it. A second Apply does nothing.
func Apply(ctx context.Context, want Wish, o Options) (Result, error) {
	var res Result
	h, err := newHost(o)
	if err != nil {
		return res, err
	}
	defer h.close()
	if err := h.openRecords(); err != nil {
		return res, err
	}
	l, err := h.readLedger()
	if err != nil {
		return res, err
	}
	defer h.forget(l)
	if res.Recovered, res.Left, err = h.recover(ctx, l); err != nil {
		return res, err
	}
	p, err := h.plan(ctx, want, l)
	if err != nil {
		return res, err
	}
	if err := blocked(p.plan); err != nil {
		return res, err
	}
	r := h.record(l, p, &res)
	if len(r.Steps) == 0 {
		return res, h.drop(l, p.gone)
	}
	if err := h.check(ctx, p.files, r.goes()); err != nil {
		return res, fmt.Errorf("%w; nothing has changed", err)
	}
	if err := h.begin(l, r); err != nil {
		return res, err
	}
	if err := h.carryOut(ctx, l, p.making); err != nil {
		return Result{Recovered: res.Recovered}, h.rollBack(ctx, l, err)
	}
	if err := h.healthy(ctx, res.Done); err != nil {
		return Result{Recovered: res.Recovered}, h.rollBack(ctx, l, err)
	}
	if err := h.still(ctx, want, l); err != nil {
		return Result{Recovered: res.Recovered}, h.rollBack(ctx, l, err)
	}
	h.step("commit")
	if err := h.commit(l, p.gone); err != nil {
		return Result{Recovered: res.Recovered}, h.rollBack(ctx, l, err)
	}
	res.Number, res.Left = r.Number, append(res.Left, h.kept...)
	return res, nil
}

// blocked is the error of a plan that cannot be applied.
func blocked(p Plan) error {
	var all []string
	for _, c := range p.Blocked() {
		if !slices.Contains(all, c.Reason) {
			all = append(all, c.Reason)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return fmt.Errorf("nothing has changed: %s", strings.Join(all, "; "))
}

// record makes an apply of a plan, and sums it up.
func (h *host) record(l *ledger, p *planner, res *Result) *record {
	r := &record{Number: l.Last + 1, Set: p.s.Set, Began: now()}
	keys := slices.Clone(p.gone)
	for _, c := range p.plan.Changes {
		if c.Do == Keep || c.Do == Skip {
			res.Left = append(res.Left, c)
			continue
		}
		res.Done = append(res.Done, c)
		keys = append(keys, c.Item.key())
		st := step{Do: c.Do, Item: c.Item, Differs: c.Differs, Before: c.before, After: c.want, Way: c.way, content: c.want.content}
		if c.Item.Path != "" {
			st.Temp = fmt.Sprintf(".muxward-%d-%d~", r.Number, len(r.Steps))
		}
		r.Steps = append(r.Steps, st)
	}
	for _, k := range keys {
		w := was{Key: k}
		if m := l.find(k); m != nil {
			copied := *m
			w.Made = &copied
		}
		r.Was = append(r.Was, w)
	}
	return r
}

// drop forgets what is not ours any more.
func (h *host) drop(l *ledger, gone []string) error {
	if len(gone) == 0 {
		return nil
	}
	for _, k := range gone {
		l.put(k, nil)
	}
	return h.save(l)
}

// goes gives the paths at which there will be nothing any more.
func (r *record) goes() (gone []string) {
	for _, st := range r.Steps {
		if st.Do == Remove && st.Item.Path != "" && !st.After.there() {
			gone = append(gone, st.Item.Path)
		}
	}
	return gone
}

// check lays the files out as they will be, and has them looked at.
func (h *host) check(ctx context.Context, files map[string][]byte, gone []string) error {
	if len(h.opt.Checks) == 0 {
		return nil
	}
	top := h.tree.full(filepath.Join(h.opt.Records, "check"))
	if err := os.RemoveAll(top); err != nil {
		return err
	}
	defer os.RemoveAll(top)
	for path, content := range files {
		at := top + path
		err := os.MkdirAll(filepath.Dir(at), 0o700)
		if err == nil {
			err = os.WriteFile(at, content, 0o600)
		}
		if err != nil {
			return err
		}
	}
	if err := os.MkdirAll(top, 0o700); err != nil {
		return err
	}
	for _, c := range h.opt.Checks {
		h.step("check " + c.Name)
		run := c.Run
		if c.Without != nil {
			run = func(ctx context.Context, tree string) error { return c.Without(ctx, tree, gone) }
		}
		if err := h.within(ctx, func(ctx context.Context) error { return run(ctx, top) }); err != nil {
			return fmt.Errorf("%s does not hold: %w", c.Name, err)
		}
	}
	return nil
}

// grace is how long a function has to end once its time is over.
const grace = 5 * time.Second

// within gives a function its time. If it takes longer it is an error, and the function has ended
// by then: what it does would come after what is done about the error. One that does not end for
// all that is left behind, and the error says so.
func (h *host) within(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, h.opt.Patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case <-done:
		return ctx.Err()
	case <-late.C:
		return fmt.Errorf("%w, and it does not end", ctx.Err())
	}
}

func (h *host) healthy(ctx context.Context, done []Change) error {
	if h.opt.Health == nil {
		return nil
	}
	h.step("health")
	err := h.within(ctx, func(ctx context.Context) error { return h.opt.Health(ctx, done) })
	if err != nil {
		return fmt.Errorf("it is not healthy: %w", err)
	}
	return nil
}

// still makes sure that what is on the host is what is wanted of it as it is now: others may
// have put something there while we were at work.
func (h *host) still(ctx context.Context, want Wish, l *ledger) error {
	h.step("look again")
	p, err := h.plan(ctx, want, l)
	if err != nil {
		return err
	}
	for _, c := range p.plan.Changes {
		if c.Item.Path == "" || c.Do == Keep || c.Do == Skip || c.before.same(c.want) && c.Do != Block {
			continue
		}
		return fmt.Errorf("%s: %w", h.tree.full(c.Item.Path), errMeanwhile)
	}
	// Until it was put right others could put something into it, also after it was looked at.
	for _, st := range l.Open.Steps {
		if st.Item.Kind != Directory || st.Before.Kind != Directory || !st.After.there() || !h.open(st.Before, st.After.UID) {
			continue
		}
		of, err := p.strange(st.Item.Path)
		if err != nil {
			return err
		}
		if of != "" {
			return fmt.Errorf("%s: %w", h.tree.full(path.Join(st.Item.Path, of)), errMeanwhile)
		}
	}
	return nil
}

// begin keeps copies of all that will be moved away, and writes the journal. From then
// on the apply is known of, whatever happens.
func (h *host) begin(l *ledger, r *record) error {
	for i := range r.Steps {
		st := &r.Steps[i]
		if st.Before.Kind == File {
			h.step("copy " + st.Item.key())
			if err := h.store(st.Before.content); err != nil {
				return fmt.Errorf("%w; nothing has changed", err)
			}
		}
		if st.After.Kind == File && st.content == nil && st.After.Sum != sumOf(nil) {
			content, err := h.stored(st.After.Sum)
			if err != nil {
				return fmt.Errorf("%w; nothing has changed", err)
			}
			st.content = content
		}
	}
	h.step("journal")
	l.Open, l.Last = r, r.Number
	if err := h.save(l); err != nil {
		l.Open = nil
		return fmt.Errorf("%w; nothing has changed", err)
	}
	return nil
}

// carryOut does an apply's steps: accounts first, as files belong to them; directories; then
// all files are made beside their places, and only then does one after the other move.
func (h *host) carryOut(ctx context.Context, l *ledger, making map[string]bool) error {
	steps := l.Open.Steps
	from := func(r int) int {
		i := slices.IndexFunc(steps, func(st step) bool { return rank(st.change()) >= r })
		if i < 0 {
			return len(steps)
		}
		return i
	}
	accounts, files := from(rankEnd), from(rankFile)
	for i := range steps[:accounts] {
		if err := h.do(ctx, &steps[i]); err != nil {
			return err
		}
	}
	if accounts > 0 {
		if err := h.number(l, making); err != nil {
			return err
		}
	}
	for i := range steps[accounts:files] {
		if err := h.do(ctx, &steps[accounts+i]); err != nil {
			return err
		}
	}
	for i := range steps[files:] {
		if st := &steps[files+i]; st.Item.Path != "" && st.Item.Kind != Directory {
			h.step("stage " + st.Item.key())
			if err := h.stage(st); err != nil {
				return err
			}
		}
	}
	services := from(rankService)
	for i := range steps[files:services] {
		if err := h.do(ctx, &steps[files+i]); err != nil {
			return err
		}
	}
	if err := h.reload(ctx, steps); err != nil {
		return err
	}
	for i := range steps[services:] {
		if err := h.do(ctx, &steps[services+i]); err != nil {
			return err
		}
	}
	return nil
}

// reload has systemd look at its units again, if a step has to do with one.
func (h *host) reload(ctx context.Context, steps []step) error {
	if !h.systemd() || !slices.ContainsFunc(steps, func(st step) bool { return strings.Contains(st.Item.Path, "/systemd/system/") }) {
		return nil
	}
	return h.run(ctx, "systemctl", "daemon-reload")
}

func (st step) change() Change { return Change{Item: st.Item, Do: st.Do, Differs: st.Differs} }

// number writes down which numbers the new accounts have, in all that is to belong to them.
func (h *host) number(l *ledger, making map[string]bool) (err error) {
	if h.names, err = h.tree.readAccounts(); err != nil {
		return err
	}
	for i := range l.Open.Steps {
		st := &l.Open.Steps[i]
		switch {
		case st.Do == Remove:
		case st.Item.Kind == Account || st.Item.Kind == Group:
			st.After = h.names.fact(st.Item)
			if !st.After.there() || st.After.odd != "" {
				return fmt.Errorf("%s was made, and is not there as it should be: %s", st.Item.key(), st.After.odd)
			}
		case making[st.Item.Owner] || making[st.Item.Group]:
			if err := h.own(st.Item, &st.After, nil); err != nil {
				return err
			}
		}
	}
	h.step("number")
	return h.save(l)
}

// do does one step.
func (h *host) do(ctx context.Context, st *step) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	h.step("do " + st.Item.key())
	h.tell("%s %s %s", st.Do, st.Item.Kind, st.Item.key())
	switch {
	case st.Item.Kind == Account || st.Item.Kind == Group:
		if st.Do == Remove {
			return h.removeAccount(ctx, st.Item)
		}
		if st.Before.there() {
			return h.run(ctx, "usermod", append(h.prefix(), "--home", noHome, st.Item.Name)...)
		}
		return h.makeAccount(ctx, st.Item, st.After)
	case st.Item.Kind == Service:
		return h.setService(ctx, st.Item.Name, st.Before, st.After)
	case st.Item.Kind != Directory:
		return h.move(st)
	case !st.Before.there():
		return h.makeDir(st)
	case !st.After.there():
		return h.removeDir(st.Item.Path)
	}
	return h.setDir(st.Item.Path, st.Before, st.After)
}

// commit says that the apply is what is so.
func (h *host) commit(l *ledger, gone []string) error {
	l2 := *l
	l2.Made = slices.Clone(l.Made)
	r := *l.Open
	l2.Open = nil
	l2.Applies = append(slices.Clone(l.Applies), r)
	if n := len(l2.Applies) - maxApplies; n > 0 {
		l2.Applies = l2.Applies[n:]
	}
	for _, k := range gone {
		l2.put(k, nil)
	}
	for _, st := range r.Steps {
		key := st.Item.key()
		m := made{Set: r.Set, Item: st.Item, After: st.After, Original: st.Before, Way: st.Way}
		if old := l2.find(key); old != nil {
			m.Original, m.Way = old.Original, old.Way && st.Way
			// What people have written is not ours by having its mode mended, or something in it.
			m.Item.Once = st.Item.Once || old.Item.Once && old.Set == r.Set // it stays theirs to change
			if st.Item.Once || m.Item.Once && st.Before.Sum != old.After.Sum {
				m.After.Sum = old.After.Sum
			}
		}
		if slices.ContainsFunc(st.Differs, func(d Difference) bool { return d.What == "extra" }) {
			l2.put(key, nil)
		} else {
			l2.put(key, &m)
		}
	}
	if err := h.save(&l2); err != nil {
		return err
	}
	*l = l2
	h.step("committed")
	h.sweep(l)
	return nil
}

// forget removes the records when there is nothing in them: we leave no trace then.
func (h *host) forget(l *ledger) {
	if l.Open != nil || len(l.Made) > 0 || len(l.Applies) > 0 {
		return
	}
	h.removeRecords(l)
}

// removeRecords is for records that nothing needs; it is no matter if it fails. The lock goes
// last: once it is gone another one begins, and nothing of what that one writes may be removed.
func (h *host) removeRecords(l *ledger) {
	h.tree.removing = func(name string) { h.step("forget " + name) }
	if h.tree.empty(h.opt.Records, ledgerFile, lockFile) != nil || h.removeDir(h.opt.Records) != nil {
		return
	}
	for _, way := range slices.Backward(l.Ways) {
		_ = h.removeDir(way) // others use it by now
	}
}

// Empty removes all that is in a directory, for good. Of a symlink in it, itself is removed. A
// directory that is not there is empty.
func Empty(path string, o Options) error {
	h, err := newHost(o)
	if err != nil {
		return err
	}
	defer h.close()
	if f, err := h.tree.look(h.opt.Records); err != nil {
		return err
	} else if f.there() { // nobody else begins meanwhile
		if err := h.openRecords(); err != nil {
			return err
		}
	}
	return h.tree.empty(path)
}

// RemoveDir removes a directory that is empty, through no symlink on the way to it.
func RemoveDir(path string, o Options) error {
	h, err := newHost(o)
	if err != nil {
		return err
	}
	defer h.close()
	return h.removeDir(path)
}

// Forget removes the records of all applies, if nothing is on the host by us any more, nothing
// is going on, and no set but these has an apply that could be undone. After that nothing can
// be. It reports whether it did.
func Forget(o Options, sets ...string) (bool, error) {
	h, err := newHost(o)
	if err != nil {
		return false, err
	}
	defer h.close()
	if f, err := h.tree.look(h.opt.Records); err != nil || !f.there() {
		return err == nil, err
	}
	if err := h.openRecords(); err != nil {
		return false, err
	}
	l, err := h.readLedger()
	if err != nil || l.Open != nil || len(l.Made) > 0 || slices.ContainsFunc(l.Applies, func(r record) bool { return !slices.Contains(sets, r.Set) }) {
		return false, err
	}
	h.removeRecords(l)
	return true, nil
}

// ErrHalf is the error of an apply that failed, and could not be taken back whole.
var ErrHalf = errors.New("not everything could be put back")
