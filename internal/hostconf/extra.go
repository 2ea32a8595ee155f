package hostconf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// extras are what an earlier apply of the set has made, and the state does not have.
func (p *planner) extras(ctx context.Context) error {
	all := slices.Clone(p.l.Made)
	// What is in a directory before the directory.
	slices.SortStableFunc(all, func(a, b made) int { return strings.Compare(b.Item.key(), a.Item.key()) })
	leaving := map[string]bool{}
	for _, m := range all {
		if m.Set != p.s.Set || p.wanted(m) {
			continue
		}
		c := Change{Item: m.Item, Do: Remove, way: m.Way, want: m.Original, Differs: []Difference{{What: "extra"}}}
		if err := p.extra(ctx, &c, m, leaving); err != nil {
			return err
		}
		if c.Do == "" {
			p.gone = append(p.gone, m.Item.key())
			continue
		}
		if c.Do == Remove && !m.Original.there() {
			leaving[m.Item.Path] = true
		}
		p.plan.Changes = append(p.plan.Changes, c)
	}
	return nil
}

// wanted reports whether the state has a thing, or it is on the way to one that it has.
func (p *planner) wanted(m made) bool {
	if _, ok := p.items[m.Item.key()]; ok {
		return true
	}
	if !m.Way {
		return false
	}
	for _, it := range p.s.Items {
		if strings.HasPrefix(it.Path, m.Item.Path+"/") {
			return true
		}
	}
	return false
}

// extra says what is to be done about one; nothing, with Do empty, if it is gone.
func (p *planner) extra(ctx context.Context, c *Change, m made, leaving map[string]bool) (err error) {
	it := m.Item
	switch it.Kind {
	case Account, Group:
		c.before = p.h.names.fact(it)
		c.before.odd = ""
		if p.h.opt.NoOwners || !c.before.there() || m.Original.there() || c.before.UID != m.After.UID || c.before.GID != m.After.GID {
			c.Do = ""
		} else if why := p.h.cannotRemove(it); why != "" {
			c.Do, c.Reason = Keep, why
		}
		return nil
	case Service:
		if !p.h.systemd() {
			c.Do = ""
			return nil
		}
		if c.before, err = p.h.service(ctx, it.Name); err != nil {
			return err
		}
		c.want.Kind = Service
		if c.before.same(c.want) {
			c.Do = ""
		}
		return nil
	}
	c.before, err = p.h.tree.look(it.Path)
	var r refused
	switch {
	case errors.As(err, &r): // it is ours still, and cannot be reached
		c.Do, c.Reason = Block, err.Error()
		return nil
	case err != nil:
		return err
	case it.Kind == Absent && it.Final:
		c.Do = ""
		return nil
	case it.Kind == Absent:
		p.extraAbsent(c)
		return nil
	case !c.before.there():
		c.Do = ""
		return nil
	}
	if it.Kind == Directory && c.before.Kind == Directory {
		return p.extraDir(c, m, leaving)
	}
	if !c.before.same(m.After) {
		c.Do, c.Reason = Keep, "somebody has changed it since: "+p.changed(c.before, m.After)
		p.gone = append(p.gone, it.key())
	}
	if c.want.Kind == File {
		if c.want.content, err = p.h.stored(c.want.Sum); err != nil {
			c.want.content = nil // who puts it back says so
		}
	}
	c.Diff = textDiff(it, c.before, c.want)
	return nil
}

// extraAbsent puts back what had to be absent, if nothing else is there now.
func (p *planner) extraAbsent(c *Change) {
	if c.before.there() {
		c.Do, c.Reason = Keep, "there is something else by now"
		p.gone = append(p.gone, c.Item.key())
	}
}

// extraDir removes a directory that is empty once all that leaves has left.
func (p *planner) extraDir(c *Change, m made, leaving map[string]bool) error {
	if c.want.there() {
		switch {
		case c.before.same(c.want):
			c.Do = ""
		case !c.before.same(m.After):
			c.Do, c.Reason = Keep, "somebody has changed it since: "+p.changed(c.before, m.After)
			p.gone = append(p.gone, c.Item.key())
		}
		return nil
	}
	left, err := p.h.tree.list(c.Item.Path)
	if err != nil {
		return err
	}
	left = slices.DeleteFunc(left, func(n string) bool { return leaving[path.Join(c.Item.Path, n)] })
	switch {
	case len(left) == 0:
		return nil
	case c.way:
		c.Do = "" // it is for others, too, by now
	default:
		slices.Sort(left)
		more := ""
		if len(left) > 5 {
			left, more = left[:5], ", …"
		}
		c.Do, c.Reason = Keep, "there is something in it: "+strings.Join(left, ", ")+more
	}
	return nil
}

// list gives the names in a directory.
func (t *tree) list(path string) ([]string, error) {
	dir, name, err := t.parent(path)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	d, err := openDirAt(dir, name, t.full(path))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// changed says in what a thing is not as we made it.
func (p *planner) changed(now, then fact) string {
	var out []string
	add := func(differ bool, what string) {
		if differ {
			out = append(out, what)
		}
	}
	add(now.Kind != then.Kind, "it is a "+string(now.Kind))
	add(now.Sum != then.Sum, "content")
	add(now.Target != then.Target, "target")
	add(now.UID != then.UID, "owner "+p.h.names.nameOf(now.UID))
	add(now.GID != then.GID, "group "+p.h.names.groupOf(now.GID))
	add(now.Mode != then.Mode, fmt.Sprintf("mode %04o", now.Mode))
	if len(out) == 0 {
		return "access list"
	}
	return strings.Join(out, ", ")
}

// accountsLast keeps accounts to which something belongs that stays: their number would be
// given to somebody else.
func (p *planner) accountsLast() {
	for i := range p.plan.Changes {
		c := &p.plan.Changes[i]
		if c.Do != Remove || c.Item.Kind != Account && c.Item.Kind != Group {
			continue
		}
		stays := p.staying(c.Item.Home, c.Item.State)
		for _, at := range stays {
			theirs, err := p.h.tree.belongs(at, func(uid, gid uint32) bool {
				return c.Item.Kind == Account && uid == c.before.UID || gid == c.before.GID
			})
			if err != nil || theirs {
				c.Do, c.Reason = Keep, at+" stays, and it, or something in it, belongs to it"
			}
		}
	}
}

// staying are the paths that are kept, and an account's own unless they go, too.
func (p *planner) staying(own ...string) (out []string) {
	goes := map[string]bool{"": true}
	for _, k := range p.plan.Changes {
		if k.Do == Keep && k.Item.Path != "" {
			out = append(out, k.Item.Path)
		}
		goes[k.Item.Path] = true
	}
	return append(out, slices.DeleteFunc(own, func(at string) bool { return goes[at] })...)
}

// maxBelongs bounds how many things are looked at for whose they are.
const maxBelongs = 200_000

// belongs reports whether what is at a path, or anything in it, is somebody's.
func (t *tree) belongs(path string, theirs func(uid, gid uint32) bool) (bool, error) {
	dir, name, err := t.parent(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer dir.Close()
	n := 0
	return t.below(dir, name, t.full(path), theirs, &n)
}

func (t *tree) below(dir *os.File, name, at string, theirs func(uid, gid uint32) bool, n *int) (bool, error) {
	var st unix.Stat_t
	err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == unix.ENOENT {
		return false, nil
	}
	if err != nil {
		return false, &os.PathError{Op: "stat", Path: at, Err: err}
	}
	if *n++; *n > maxBelongs {
		return false, fmt.Errorf("%s: there are too many files to tell whose they are", at)
	}
	if theirs(st.Uid, st.Gid) || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return theirs(st.Uid, st.Gid), nil
	}
	d, err := openDirAt(dir, name, at)
	if err != nil {
		return false, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	for _, sub := range names {
		if yes, err := t.below(d, sub, at+"/"+sub, theirs, n); yes || err != nil {
			return yes, err
		}
	}
	return false, err
}
