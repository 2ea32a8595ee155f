package policy

import (
	"fmt"
	"strings"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"

	"github.com/muxward/muxward/internal/access"
)

// Governing are the verbs by which muxward itself is governed. They are none
// of tmux's, and are refused to connections from inside a pane.
const Governing access.VerbSet = 1<<access.Share | 1<<access.Kick | 1<<access.Lock |
	1<<access.Approve | 1<<access.Record | 1<<access.Audit

// TmuxVerbs are what tmux commands need: who holds them on a server may do there
// whatever tmux can.
const TmuxVerbs = access.TmuxVerbs

// Entity types of the schema. Objects are called by what selects them:
// Pane::"alice/work:1.2".
const (
	typePerson  types.EntityType = "Person"
	typeGroup   types.EntityType = "Group"
	typeAction  types.EntityType = "Action"
	typeHost    types.EntityType = "Host"
	typeServer  types.EntityType = "Server"
	typeSession types.EntityType = "Session"
	typeWindow  types.EntityType = "Window"
	typePane    types.EntityType = "Pane"
)

// objectType gives the entity type of a kind.
func objectType(k access.Kind) types.EntityType {
	switch k {
	case access.Server:
		return typeServer
	case access.Session:
		return typeSession
	case access.Window:
		return typeWindow
	case access.Pane:
		return typePane
	}
	return typeHost
}

// objectKind gives the kind of an entity type, and whether it has one.
func objectKind(t types.EntityType) (access.Kind, bool) {
	for k := access.Host; k <= access.Pane; k++ {
		if objectType(k) == t {
			return k, true
		}
	}
	return 0, false
}

// Schema gives the Cedar schema that policies are checked against.
func Schema() string {
	var b strings.Builder
	b.WriteString(`// People and groups are those of people.yaml.
entity Group in [Group];
entity Person in [Group];

// Objects are called by their selectors: Server::"alice",
// Session::"alice/work", Window::"alice/work:1", Pane::"alice/work:1.2".
// There is one Host, Host::"*". Window and pane are indexes, as in tmux.
// Names of windows and titles are not here: programs in panes set them.
entity Host;
entity Server in [Host] { owner: Person };
entity Session in [Server] { owner: Person, session: String };
entity Window in [Session] { owner: Person, session: String, window: Long };
entity Pane in [Window] { owner: Person, session: String, window: Long, pane: Long };

type Context = {
  granted: Bool,   // a grant of grants.yaml permits this
  own: Bool,       // the object lies on the person's own server
  inside: Bool,    // the connection comes from inside a guarded pane
  command: Bool,   // a spawn that names its own command
  door: String,    // the door, such as "tmux" or "ctl"
  account: String, // the Unix account the connection came from, "" if unknown
  mfa: Bool,       // a second factor was proved, which only the ssh door asks for
  now: datetime
};

// Roles are groups of actions: action in Action::"typist".
`)
	for _, r := range access.Roles() {
		fmt.Fprintf(&b, "action %q;\n", r)
	}
	b.WriteString("\n// The verbs.\n")
	for _, v := range access.Verbs() {
		var in []string
		for _, r := range access.Roles() {
			if set, _ := r.Verbs(); set.Has(v) {
				in = append(in, fmt.Sprintf("%q", r))
			}
		}
		fmt.Fprintf(&b, "action %q in [%s] appliesTo {\n  principal: [Person], resource: [Host, Server, Session, Window, Pane], context: Context\n};\n",
			v, strings.Join(in, ", "))
	}
	b.WriteString("\n// What is no tmux. Only entries of ssh.yaml permit these; policies may forbid them.\n")
	for _, v := range access.Reaching.List() {
		fmt.Fprintf(&b, "action %q appliesTo {\n  principal: [Person], resource: [Host], context: Context\n};\n", v)
	}
	return b.String()
}

// Builtin gives, as Cedar, what holds in every policy. Decide carries the same
// rules out in Go, because they are asked at every question; that both agree
// is tested.
func Builtin() string {
	var gov []string
	for _, v := range Governing.List() {
		gov = append(gov, fmt.Sprintf("Action::%q", v))
	}
	return `@id("inside")
@reason("whoever may type into a pane could have asked this")
forbid (principal, action in [` + strings.Join(gov, ", ") + `], resource)
when { context.inside };

@id("owner")
@reason("owners may do everything on their own server")
permit (principal, action, resource)
when { resource has owner && resource.owner == principal };

@id("granted")
@reason("a grant of grants.yaml permits it")
permit (principal, action, resource)
when { context.granted };
`
}

// newValidator makes the checker of policies.
func newValidator() (*validate.Validator, error) {
	var s schema.Schema
	s.SetFilename("muxward.cedarschema")
	if err := s.UnmarshalCedar([]byte(Schema())); err != nil {
		return nil, fmt.Errorf("muxward's own schema is broken: %w", err)
	}
	resolved, err := s.Resolve()
	if err != nil {
		return nil, fmt.Errorf("muxward's own schema is broken: %w", err)
	}
	return validate.New(resolved, validate.WithStrict()), nil
}

// staticEntities are the people, groups and actions, each with all its
// ancestors: a miss in `in` then costs one look-up.
func staticEntities(ps *people) types.EntityMap {
	m := types.EntityMap{}
	put := func(uid types.EntityUID, parents []types.EntityUID) {
		m[uid] = types.Entity{UID: uid, Parents: types.NewEntityUIDSet(parents...)}
	}
	above := groupsAbove(ps)
	for _, g := range ps.groups {
		put(types.NewEntityUID(typeGroup, types.String(g.name)), groupUIDs(above[g.name]))
	}
	for _, p := range ps.list {
		put(types.NewEntityUID(typePerson, types.String(p.name)), groupUIDs(p.groups))
	}
	for _, v := range access.Verbs() {
		var in []types.EntityUID
		for _, r := range access.Roles() {
			if set, _ := r.Verbs(); set.Has(v) {
				in = append(in, types.NewEntityUID(typeAction, types.String(r)))
			}
		}
		put(actionUID(v), in)
	}
	for _, v := range access.Reaching.List() {
		put(actionUID(v), nil)
	}
	return m
}

func groupUIDs(names []string) []types.EntityUID {
	out := make([]types.EntityUID, len(names))
	for i, n := range names {
		out[i] = types.NewEntityUID(typeGroup, types.String(n))
	}
	return out
}

// groupsAbove gives, for each group, those that contain it directly: Cedar
// itself climbs from there.
func groupsAbove(ps *people) map[string][]string {
	above := map[string][]string{}
	for _, g := range ps.groups {
		for _, sub := range g.within {
			above[sub] = append(above[sub], g.name)
		}
	}
	return above
}

func actionUID(v access.Verb) types.EntityUID {
	return types.NewEntityUID(typeAction, types.String(v.String()))
}

func personUID(name string) types.EntityUID {
	return types.NewEntityUID(typePerson, types.String(name))
}

// world is what Cedar sees during one evaluation: the static entities, and
// the object by one of its paths. It implements types.EntityGetter.
type world struct {
	static types.EntityMap
	uid    types.EntityUID
	object access.Object
	flat   bool // nothing asks what the object lies in
	made   bool
	entity types.Entity
}

func newWorld(static types.EntityMap, o access.Object) *world {
	return &world{static: static, object: o, uid: types.NewEntityUID(objectType(o.Kind), types.String(name(o)))}
}

// Get gives an entity. The object's is made when it is first asked for. What
// it lies in is not found on its own: its ancestors are its parents here, and
// policies can say nothing else about them.
func (w *world) Get(uid types.EntityUID) (types.Entity, bool) {
	if uid != w.uid {
		e, ok := w.static[uid]
		return e, ok
	}
	if !w.made {
		w.entity, w.made = objectEntity(w.uid, w.object, w.flat), true
	}
	return w.entity, true
}

func objectEntity(uid types.EntityUID, o access.Object, flat bool) types.Entity {
	var parents [4]types.EntityUID
	n := 0
	for up := o; up.Kind > access.Host && !flat; n++ {
		up = up.Up()
		parents[n] = types.NewEntityUID(objectType(up.Kind), types.String(name(up)))
	}
	attrs := types.RecordMap{}
	if o.Kind >= access.Server {
		attrs["owner"] = personUID(o.Owner)
	}
	if o.Kind >= access.Session {
		attrs["session"] = types.String(o.Session.Name)
	}
	if o.Kind >= access.Window {
		attrs["window"] = types.Long(o.Session.Index)
	}
	if o.Kind >= access.Pane {
		attrs["pane"] = types.Long(o.Pane.Index)
	}
	return types.Entity{UID: uid, Parents: types.NewEntityUIDSet(parents[:n]...), Attributes: types.NewRecord(attrs)}
}

// contextRecord makes Cedar's context of a question, with the attributes that
// are looked at: the checker has seen that there are no others.
func contextRecord(fields uint, q *access.Question, granted, own bool) types.Record {
	m := make(types.RecordMap, 8)
	put := func(bit uint, name types.String, v types.Value) {
		if fields&bit != 0 {
			m[name] = v
		}
	}
	put(useGranted, "granted", types.Boolean(granted))
	put(useOwn, "own", types.Boolean(own))
	put(useInside, "inside", types.Boolean(q.Who.Inside != ""))
	put(useCommand, "command", types.Boolean(q.Command))
	put(useDoor, "door", types.String(q.Who.Door))
	put(useAccount, "account", types.String(q.Who.Account))
	put(useMFA, "mfa", types.Boolean(q.Who.MFA))
	if fields&useNow != 0 {
		m["now"] = types.NewDatetime(q.At)
	}
	if len(m) == 0 {
		return types.Record{}
	}
	return types.NewRecord(m)
}
