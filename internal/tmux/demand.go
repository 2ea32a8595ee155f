package tmux

// ObjectKind is the kind of thing a [Demand] is about.
type ObjectKind uint8

// The kinds of objects, widest first.
const (
	ServerObject ObjectKind = iota
	SessionObject
	WindowObject
	PaneObject
)

// Object names one object of one server by ids. Session is the path by which
// it was reached, where one was named; Window is set for windows and panes.
type Object struct {
	Kind       ObjectKind
	Session    SessionID
	HasSession bool
	Window     WindowID
	Pane       PaneID
}

// Demand is one verb that an invocation needs on one object.
type Demand struct {
	Verb string
	With string // attribute of the verb, such as "command"
	On   Object
}

// Resolved is what the targets of one invocation were resolved to.
type Resolved struct {
	Target Found   // -t, or its default
	Source *Found  // -s, or its default, of commands that take from somewhere
	Client *Client // the client named with -c or -t, if any
}

// Demands returns every verb the invocation needs, on ids: its [Needs], and
// what closes with what it closes. The snapshot must be the whole one, not
// only what the asker may see. A demand about something that was not found is
// made on the next wider object. Needs on listed rows are not here: rows
// without view are left out instead.
func (inv *Invocation) Demands(snap *Snapshot, r Resolved) []Demand {
	d := demands{seen: map[Demand]bool{}}
	for _, n := range inv.Needs() {
		switch n.On {
		case OnListed, OnOthers:
		case OnServer, OnNothing:
			d.add(n, Object{})
		case OnClient:
			d.add(n, clientObject(r.Client))
		case OnPanes:
			d.panes(n, snap, r.Target)
		case OnSource, OnSourceWindow, OnSourcePane:
			d.shared(n, inv.Row, snap, sourceObject(n.On, r.Source))
		default:
			d.shared(n, inv.Row, snap, objectOf(n.On, r.Target))
		}
	}
	d.parts(r.Target)
	if r.Source != nil {
		d.parts(*r.Source)
	}
	d.closing(inv.Closing(snap, r))
	return d.all
}

// parts: those that do not lie in each other are each looked at.
func (d *demands) parts(f Found) {
	if f.Session != nil && f.Pane != nil && !f.Whole() && len(d.all) > 0 {
		d.add(Need{Verb: verbView}, objectOf(OnSession, f))
		d.add(Need{Verb: verbView}, Object{Kind: PaneObject, Window: f.Pane.Window, Pane: f.Pane.ID})
	}
}

type demands struct {
	all  []Demand
	seen map[Demand]bool
}

// add makes a demand once; a window or pane is the same by whatever path.
func (d *demands) add(n Need, on Object) {
	one := Demand{Verb: n.Verb, With: n.With, On: on}
	key := one
	if on.Kind == WindowObject || on.Kind == PaneObject {
		key.On.Session, key.On.HasSession = 0, false
	}
	if !d.seen[key] {
		d.seen[key] = true
		d.all = append(d.all, one)
	}
}

// shared makes a demand on an object. What is done to the windows of a session is done
// to those of all sessions of its group; which of them it shows is its own.
func (d *demands) shared(n Need, row *Command, snap *Snapshot, on Object) {
	d.add(n, on)
	if on.Kind != SessionObject || !row.shares || n.Verb != verbSpawn && n.Verb != verbLayout {
		return
	}
	s := snap.Session(on.Session)
	for i := range snap.Sessions {
		if other := &snap.Sessions[i]; s != nil && other.ID != s.ID && grouped(other, s) {
			d.add(n, Object{Kind: SessionObject, Session: other.ID, HasSession: true})
		}
	}
}

// panes makes a demand on each pane of a window, also on those that the asker
// may not know of.
func (d *demands) panes(n Need, snap *Snapshot, f Found) {
	f = snap.entire(f)
	if f.Window == nil {
		d.add(n, objectOf(OnSession, f))
		return
	}
	for _, id := range f.Window.Panes {
		o := objectOf(OnWindow, f)
		o.Kind, o.Window, o.Pane = PaneObject, f.Window.ID, id
		d.add(n, o)
	}
}

func (d *demands) closing(c Closing) {
	for _, p := range c.Panes {
		d.add(Need{Verb: verbClosePane}, Object{Kind: PaneObject, Window: p.Window, Pane: p.ID})
	}
	for _, w := range c.Windows {
		d.add(Need{Verb: verbCloseWindow}, Object{Kind: WindowObject, Window: w.ID})
	}
	for _, s := range c.Sessions {
		d.add(Need{Verb: verbCloseSession}, Object{Kind: SessionObject, Session: s.ID, HasSession: true})
	}
}

func clientObject(c *Client) Object {
	if c == nil {
		return Object{}
	}
	return Object{Kind: SessionObject, Session: c.Session, HasSession: true}
}

func sourceObject(on TargetRef, f *Found) Object {
	if f == nil || f.Session == nil {
		return Object{}
	}
	switch on {
	case OnSourceWindow:
		return objectOf(OnWindow, *f)
	case OnSourcePane:
		return objectOf(OnPane, *f)
	}
	return objectOf(OnSession, *f)
}

// objectOf returns the part of f that on asks for, or the next wider one that
// was found.
func objectOf(on TargetRef, f Found) Object {
	var o Object
	if f.Session != nil {
		o.Session, o.HasSession = f.Session.ID, true
	}
	switch {
	case on == OnPane && f.Pane != nil:
		o.Kind, o.Window, o.Pane = PaneObject, f.Pane.Window, f.Pane.ID
	case (on == OnPane || on == OnWindow) && f.Window != nil && (f.Link != nil || f.Session == nil):
		o.Kind, o.Window = WindowObject, f.Window.ID
	case f.Session != nil:
		o.Kind = SessionObject
	}
	return o
}
