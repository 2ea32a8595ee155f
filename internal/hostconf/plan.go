package hostconf

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/muxward/muxward/internal/teeth"
)

// Compare tells how the host differs from a state. It changes nothing.
func Compare(ctx context.Context, want Wish, o Options) (Plan, error) {
	h, err := newHost(o)
	if err != nil {
		return Plan{}, err
	}
	defer h.close()
	l, err := h.readLedger()
	if err != nil {
		return Plan{}, err
	}
	p, err := h.plan(ctx, want, l)
	if err != nil {
		return Plan{}, err
	}
	return p.plan, nil
}

// planner makes one plan.
type planner struct {
	h      *host
	l      *ledger
	s      State
	view   *View
	items  map[string]Item   // by their keys
	making map[string]bool   // accounts and groups of the state that are not there yet
	files  map[string][]byte // what each file will have in it, by its path
	plan   Plan
	gone   []string // keys of what was made and is to be forgotten
}

func (h *host) plan(ctx context.Context, want Wish, l *ledger) (*planner, error) {
	v := &View{h: h, l: l, seen: map[string]fact{}}
	s, err := want(v)
	var r refused
	if v.not != "" && errors.As(err, &r) {
		p := &planner{h: h, l: l}
		p.plan = Plan{Root: h.tree.full("/"), Broken: h.broken(l), Changes: []Change{{Do: Block, Reason: r.Error(),
			Item: Item{ID: "MW-H001", Kind: Directory, Path: v.not, Why: "what this host is to have hangs on what is there"}}}}
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	p := &planner{h: h, l: l, s: s, view: v, items: map[string]Item{}, making: map[string]bool{}, files: map[string][]byte{}}
	p.plan = Plan{Set: s.Set, Root: h.tree.full("/"), Broken: h.broken(l)}
	if err := p.check(); err != nil {
		return nil, err
	}
	h.tree.mending = p.mending()
	defer func() { h.tree.mending = nil }()
	items, ways, err := p.ways()
	if err != nil {
		return nil, err
	}
	for _, it := range items {
		if err := p.item(ctx, it, ways[it.key()]); err != nil {
			return nil, err
		}
	}
	if err := p.extras(ctx); err != nil {
		return nil, err
	}
	p.accountsLast()
	slices.SortStableFunc(p.plan.Changes, func(a, b Change) int {
		if c := cmp.Compare(rank(a), rank(b)); c != 0 {
			return c
		}
		if a.Item.Kind == Directory && rank(a) == rankRemoveDir {
			return cmp.Compare(b.Item.Path, a.Item.Path)
		}
		return cmp.Compare(a.Item.key(), b.Item.key())
	})
	return p, nil
}

// mending are the directories of a state that says the content of every file in it: what
// others may have put there does not stay. Where a file is kept as it is found (Once), others
// must not have been able to put it there.
func (p *planner) mending() map[string]bool {
	if slices.ContainsFunc(p.s.Items, func(it Item) bool { return it.Once }) {
		return nil
	}
	out := map[string]bool{}
	for _, it := range p.s.Items {
		if it.Kind == Directory && it.Mode&0o022 == 0 {
			out[p.h.tree.full(it.Path)] = true
		}
	}
	return out
}

// When what has its turn.
const (
	rankAccount    = 2 // groups are 1
	rankEnd        = 3 // of a service
	rankDirectory  = 4
	rankFile       = 5 // symlinks are 6, what is to be absent 7
	rankRemove     = 8
	rankRemoveDir  = 9
	rankRemoveName = 10
	rankService    = 11
)

// rank is when in an apply a change has its turn.
func rank(c Change) int {
	extra := slices.ContainsFunc(c.Differs, func(d Difference) bool { return d.What == "extra" })
	switch {
	case c.Item.Kind == Service && extra:
		return rankEnd
	case c.Item.Kind == Service:
		return rankService
	case extra && c.Item.Kind == Directory:
		return rankRemoveDir
	case extra && (c.Item.Kind == Account || c.Item.Kind == Group):
		return rankRemoveName
	case extra:
		return rankRemove
	}
	return 1 + slices.Index([]Kind{Group, Account, "", Directory, File, Link, Absent}, c.Item.Kind)
}

// check refuses states that make no sense, whatever the host is like.
func (p *planner) check() error {
	if p.s.Set == "" {
		return errors.New("a state has to say whose it is (Set)")
	}
	for _, it := range p.s.Items {
		k := it.key()
		if _, twice := p.items[k]; twice {
			return fmt.Errorf("%s is twice in the state", k)
		}
		p.items[k] = it
		switch it.Kind {
		case Account, Group, Service:
			if it.Name == "" || it.Path != "" || strings.HasPrefix(it.Name, "-") {
				return fmt.Errorf("%s %q: it has to have a name, and no path", it.Kind, it.Name)
			}
		case File, Directory, Link, Absent:
			if !filepath.IsAbs(it.Path) || filepath.Clean(it.Path) != it.Path || it.Path == "/" || strings.ContainsRune(it.Path, 0) {
				return fmt.Errorf("%s %q: give an absolute path without . and ..", it.Kind, it.Path)
			}
		default:
			return fmt.Errorf("%s: there is no kind %q", k, it.Kind)
		}
		if it.ID == "" || it.Why == "" {
			return fmt.Errorf("%s: it has to have an id, and to say why", k)
		}
		if len(it.Content) > MaxContent || it.Mode&^permBits != 0 || it.Kind == Link && it.Target == "" {
			return fmt.Errorf("%s: its content is larger than %d bytes, its mode more than 07777, or it leads nowhere", k, MaxContent)
		}
		if it.Path == p.h.opt.Records || strings.HasPrefix(it.Path, p.h.opt.Records+"/") {
			return fmt.Errorf("%s: it is where the records of applies are", k)
		}
	}
	return nil
}

// ways gives the items, with the directories that are missing on the way to them.
func (p *planner) ways() ([]Item, map[string]bool, error) {
	items, ways := slices.Clone(p.s.Items), map[string]bool{}
	for _, it := range p.s.Items {
		if it.Path == "" || it.Kind == Absent {
			continue
		}
		for dir := path.Dir(it.Path); dir != "/"; dir = path.Dir(dir) {
			if _, ok := p.items[dir]; ok || ways[dir] {
				continue
			}
			f, err := p.h.tree.look(dir)
			var r refused
			if errors.As(err, &r) {
				break // that is said of the item
			}
			if err != nil {
				return nil, nil, err
			}
			if f.there() {
				break
			}
			ways[dir] = true
			items = append(items, Item{ID: it.ID, Kind: Directory, Path: dir, Mode: 0o755, Why: "the way to " + it.Path})
		}
	}
	slices.SortStableFunc(items, func(a, b Item) int { return cmp.Compare(rank(Change{Item: a}), rank(Change{Item: b})) })
	return items, ways, nil
}

// item compares one.
func (p *planner) item(ctx context.Context, it Item, way bool) error {
	c := Change{Item: it, way: way}
	if m := p.l.find(it.key()); m != nil && m.Set != p.s.Set && !m.Way && !slices.Contains(p.s.Takes, m.Set) {
		c.Do, c.Reason = Block, fmt.Sprintf("it is from muxward %s: change it there", m.Set)
		if slices.Contains(p.s.Under, m.Set) {
			c.Do = Skip
		}
		p.plan.Changes = append(p.plan.Changes, c)
		return nil
	}
	err := p.compare(ctx, &c)
	var r refused
	if errors.As(err, &r) {
		c.Do, c.Reason = Block, err.Error()
	} else if err != nil {
		return err
	}
	if c.Do == "" {
		p.plan.Same++
		return nil
	}
	p.plan.Changes = append(p.plan.Changes, c)
	return nil
}

// compare says what is to be done about an item; nothing leaves Do empty.
func (p *planner) compare(ctx context.Context, c *Change) (err error) {
	it := c.Item
	switch it.Kind {
	case Account, Group:
		return p.compareAccount(c)
	case Service:
		return p.compareService(ctx, c)
	}
	if c.before, err = p.h.tree.look(it.Path); err != nil {
		return err
	}
	if f, ok := p.view.seen[it.Path]; ok && !f.sameFile(c.before) {
		return fmt.Errorf("%s: %w; try again", p.h.tree.full(it.Path), errMeanwhile) // what is wanted was made of what it was
	}
	switch {
	case it.Kind == Absent && !c.before.there():
		return nil
	case c.before.there() && it.Kind == Absent && (c.before.Kind == File || c.before.Kind == Link) && c.before.odd == "":
		c.Do, c.Differs = Remove, []Difference{{What: "present", Have: string(c.before.Kind)}}
		c.Diff = textDiff(it, c.before, fact{})
		return nil
	case c.before.odd != "":
		c.Do, c.Reason = Block, p.h.tree.full(it.Path)+": "+c.before.odd
		return nil
	case c.before.there() && c.before.Kind != it.Kind:
		what, where := string(c.before.Kind), "where a "+string(it.Kind)+" belongs"
		if it.Kind == Absent {
			where = "where nothing is to be"
		}
		if c.before.Kind == Link {
			what += " to " + c.before.Target
		}
		c.Do, c.Reason = Block, fmt.Sprintf("%s: there is a %s %s: move it away", p.h.tree.full(it.Path), what, where)
		return nil
	}
	if err := p.want(c); err != nil {
		return err
	}
	if it.Once && c.before.there() && !p.theirs(c) {
		c.Do = Block
		c.Reason = fmt.Sprintf("%s (%04o %s) may have been written by others than those whose word counts: look at it, then chown %s and chmod go-w, or move it away",
			p.h.tree.full(it.Path), c.before.Mode, p.h.names.nameOf(c.before.UID), cmp.Or(it.Owner, "root"))
		return nil
	}
	if it.Kind == Directory && c.before.there() && p.h.open(c.before, c.want.UID) {
		if of, err := p.strange(it.Path); err != nil || of != "" {
			c.Do = Block
			c.Reason = fmt.Sprintf("%s (%04o %s) has in it what others than those whose word counts may have put there, such as %s: look at all that is in it, then chown %s and chmod go-w",
				p.h.tree.full(it.Path), c.before.Mode, p.h.names.nameOf(c.before.UID), of, cmp.Or(it.Owner, "root"))
			return err
		}
	}
	if !c.before.there() {
		c.Do, c.Differs = Make, []Difference{{What: "missing"}}
	} else if c.Differs = append(c.Differs, p.differs(c)...); len(c.Differs) > 0 {
		c.Do = Mend
	}
	if c.Do != "" {
		c.Diff = textDiff(it, c.before, c.want)
	}
	return nil
}

// theirs reports whether only those could write into a file whose content is kept who may.
func (p *planner) theirs(c *Change) bool {
	return p.h.tree.only(c.before, c.want.UID) || teeth.Out(teeth.HostPath)
}

// strange names something in a directory of which the state does not say all that counts.
func (p *planner) strange(dir string) (string, error) {
	names, err := p.h.tree.list(dir)
	if err != nil {
		return "", err
	}
	for _, n := range names {
		at := path.Join(dir, n)
		if it, said := p.items[at]; said && !it.Once {
			continue
		}
		if now, err := p.h.tree.look(at); err != nil || !p.carried(at, now) {
			return n, nil
		}
	}
	return "", nil
}

// carried reports whether what is at a path is what the apply that is going on has put there.
func (p *planner) carried(at string, now fact) bool {
	return p.l.Open != nil && slices.ContainsFunc(p.l.Open.Steps, func(st step) bool { return st.Item.Path == at && now.same(st.After) })
}

// want fills in what is to be there.
func (p *planner) want(c *Change) error {
	it := c.Item
	c.want = fact{Kind: it.Kind, Mode: it.Mode, Target: it.Target}
	if it.Kind == File {
		c.want.content = []byte(it.Content)
		if it.Once && c.before.Kind == File {
			c.want.content = c.before.content
		}
		c.want.Sum = sumOf(c.want.content)
		p.files[it.Path] = c.want.content
	}
	if it.Kind == Link {
		c.want.UID, c.want.GID = c.before.UID, c.before.GID
	}
	if p.h.opt.NoOwners {
		return nil
	}
	for _, name := range []string{it.Owner, it.Group} {
		_, u := p.h.names.uid(name)
		_, g := p.h.names.gid(name)
		if !u && !g && !p.making[name] {
			return refused{fmt.Errorf("%s is to belong to %q, which this host does not have", it.Path, name)}
		}
	}
	return p.h.own(it, &c.want, p.making)
}

// own fills in whose a thing is to be. Those of making may have no number yet.
func (h *host) own(it Item, f *fact, making map[string]bool) error {
	if it.Kind == Link || h.opt.NoOwners {
		return nil
	}
	var u, g bool
	f.UID, u = h.names.uid(it.Owner)
	f.GID, g = h.names.gid(it.Group)
	if !u && !making[it.Owner] || !g && !making[it.Group] {
		return fmt.Errorf("%s is to belong to %s:%s, and this host does not have both", it.Path, cmp.Or(it.Owner, "root"), cmp.Or(it.Group, "root"))
	}
	return nil
}

// differs compares what is there with what is to be there.
func (p *planner) differs(c *Change) (out []Difference) {
	have, want, n := c.before, c.want, p.h.names
	add := func(differ bool, what, a, b string) {
		if differ {
			out = append(out, Difference{What: what, Have: a, Want: b})
		}
	}
	if c.Item.Kind == Link {
		add(have.Target != want.Target, "target", have.Target, want.Target)
		return out
	}
	add(have.Sum != want.Sum, "content", "", "")
	if !p.h.opt.NoOwners {
		add(have.UID != want.UID || p.making[c.Item.Owner], "owner", n.nameOf(have.UID), cmp.Or(c.Item.Owner, "root"))
		add(have.GID != want.GID || p.making[c.Item.Group], "group", n.groupOf(have.GID), cmp.Or(c.Item.Group, "root"))
	}
	add(have.Mode != want.Mode, "mode", fmt.Sprintf("%04o", have.Mode), fmt.Sprintf("%04o", want.Mode))
	add(len(have.Attrs[accessACL])+len(have.Attrs[defaultACL]) > 0, "acl", "an access list", "none")
	return out
}

func textDiff(it Item, have, want fact) string {
	if it.Secret || it.Kind != File && it.Kind != Absent || have.Sum == want.Sum || !utf8.Valid(have.content) || !utf8.Valid(want.content) {
		return ""
	}
	from, to := "a"+it.Path, "b"+it.Path
	if have.Kind != File {
		from = "/dev/null"
	}
	if want.Kind != File {
		to = "/dev/null"
	}
	_, text, _ := strings.Cut(string(diff.Diff(from, have.content, to, want.content)), "\n") // without its "diff" line
	return text
}

func (p *planner) compareAccount(c *Change) error {
	it := c.Item
	if p.h.opt.NoOwners {
		c.Do, c.Reason = Skip, "owners and accounts are left out"
		return nil
	}
	c.before = p.h.names.fact(it)
	switch {
	case c.before.odd != "":
		c.Do, c.Reason = Block, c.before.odd
	case !c.before.there() && !p.h.tree.machine() && !p.h.names.own:
		c.Do, c.Reason = Block, fmt.Sprintf("%s has no etc/passwd: no account can be made there", p.h.tree.path)
	case !c.before.there() && !validName(it.Name):
		c.Do, c.Reason = Block, fmt.Sprintf("%q is no name for an account: a to z, digits, _ and -, with a letter first", it.Name)
	case !c.before.there():
		c.Do, c.Differs, c.want = Make, []Difference{{What: "missing"}}, fact{Kind: it.Kind}
		p.making[it.Name] = true
	case it.Kind == Account && p.h.names.homeIn(it):
		c.want = c.before
		c.Do, c.Differs = Mend, []Difference{{What: "home", Have: p.h.names.byName[it.Name].home, Want: noHome}}
		if why := p.h.cannotMove(c.before); why != "" {
			c.Do, c.Reason = Keep, why
		}
	}
	return nil
}

func (p *planner) compareService(ctx context.Context, c *Change) (err error) {
	if !p.h.systemd() {
		c.Do, c.Reason = Skip, "systemd is not pid 1 here"
		if !p.h.tree.machine() {
			c.Reason = p.h.tree.path + " is no running machine"
		}
		return nil
	}
	if c.before, err = p.h.service(ctx, c.Item.Name); err != nil {
		return err
	}
	if c.before.odd != "" {
		c.Do, c.Reason = Block, c.before.odd
		return nil
	}
	c.want = fact{Kind: Service, Enabled: true, Running: c.Item.Running || c.before.Running}
	if !c.before.Enabled {
		c.Differs = append(c.Differs, Difference{What: "enabled", Have: "no", Want: "yes"})
	}
	if c.before.Running != c.want.Running {
		c.Differs = append(c.Differs, Difference{What: "running", Have: "no", Want: "yes"})
	}
	if len(c.Differs) > 0 {
		c.Do = Mend
	}
	return nil
}
