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
	Source *Found  // -s of detach-client, if it named a session
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
		case OnSource:
			d.add(n, sourceObject(r.Source))
		default:
			d.add(n, objectOf(n.On, r.Target))
		}
	}
	// Parts that do not lie in each other are each looked at.
	if f := r.Target; f.Session != nil && f.Pane != nil && !f.Whole() && len(d.all) > 0 {
		d.add(Need{Verb: verbView}, objectOf(OnSession, f))
		d.add(Need{Verb: verbView}, Object{Kind: PaneObject, Window: f.Pane.Window, Pane: f.Pane.ID})
	}
	d.closing(inv.Closing(snap, r.Target))
	return d.all
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

func sourceObject(f *Found) Object {
	if f == nil || f.Session == nil {
		return Object{}
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

// Closing is what an invocation closes: what it names, and what tmux then
// closes because it would be empty, whether the asker may see it or not.
type Closing struct {
	Panes    []*Pane
	Windows  []*Window
	Sessions []*Session
}

// Closing returns what the invocation would close in this state. A window that
// closes takes its panes with it, a session its windows; only the widest are
// listed, and only panes that were named one by one.
func (inv *Invocation) Closing(snap *Snapshot, f Found) Closing {
	var c Closing
	f = snap.entire(f)
	switch inv.Row.Name {
	case "kill-pane":
		if f.Window != nil && f.Pane != nil {
			c.killPanes(snap, f.Window, f.Pane, inv.Has('a'))
		}
	case "kill-window":
		if f.Session != nil && f.Window != nil {
			c.killWindows(snap, f, inv.Has('a'))
		}
	case "kill-session":
		if f.Session != nil && !inv.Has('C') {
			c.killSessions(snap, f.Session, inv.Has('a'), inv.Has('g'))
		}
	case "kill-server":
		for i := range snap.Sessions {
			c.Sessions = append(c.Sessions, &snap.Sessions[i])
		}
	case "new-window":
		if inv.Has('k') && f.Link != nil && f.Window != nil && f.Index >= 0 {
			c.Windows = append(c.Windows, f.Window)
		}
	}
	return c
}

// entire gives what was found as it is in s: it may have been found in what is
// left of s for somebody who does not see all, where windows and panes lack.
func (s *Snapshot) entire(f Found) Found {
	if f.Session != nil {
		if t := s.Session(f.Session.ID); t != nil {
			f.Session = t
		}
	}
	if f.Window != nil {
		if w := s.Window(f.Window.ID); w != nil {
			f.Window = w
		}
	}
	return f
}

func (c *Closing) killPanes(snap *Snapshot, w *Window, target *Pane, others bool) {
	if !others && len(w.Panes) == 1 {
		c.Panes = append(c.Panes, target)
		c.closeWindow(snap, w)
		return
	}
	for _, id := range w.Panes {
		if (id != target.ID) == others {
			if p := snap.Pane(id); p != nil {
				c.Panes = append(c.Panes, p)
			}
		}
	}
}

func (c *Closing) killWindows(snap *Snapshot, f Found, others bool) {
	if !others {
		c.closeWindow(snap, f.Window)
		return
	}
	done := map[WindowID]bool{f.Window.ID: true}
	for i := range f.Session.Links {
		id := f.Session.Links[i].Window
		if w := snap.Window(id); w != nil && !done[id] {
			done[id] = true
			c.closeWindow(snap, w)
		}
	}
}

// closeWindow closes a window in every session it is linked into, and the
// sessions that had nothing else.
func (c *Closing) closeWindow(snap *Snapshot, w *Window) {
	c.Windows = append(c.Windows, w)
	closed := map[WindowID]bool{}
	for _, other := range c.Windows {
		closed[other.ID] = true
	}
	for _, s := range snap.SessionsOf(w.ID) {
		left := 0
		for i := range s.Links {
			if !closed[s.Links[i].Window] {
				left++
			}
		}
		if left == 0 {
			c.Sessions = append(c.Sessions, s)
		}
	}
}

func (c *Closing) killSessions(snap *Snapshot, target *Session, others, group bool) {
	if !others && !group {
		c.Sessions = append(c.Sessions, target)
		return
	}
	for i := range snap.Sessions {
		s := &snap.Sessions[i]
		inGroup := target.Group != "" && s.Group == target.Group
		if group && !others && (s.ID == target.ID || inGroup) || others && s.ID != target.ID {
			c.Sessions = append(c.Sessions, s)
		}
	}
}
