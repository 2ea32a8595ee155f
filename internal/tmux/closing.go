package tmux

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
func (inv *Invocation) Closing(snap *Snapshot, r Resolved) Closing {
	var c Closing
	f := snap.entire(r.Target)
	if r.Source != nil {
		c.taking(inv, snap, f, snap.entire(*r.Source))
	}
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
	case "unlink-window":
		if f.Session != nil && f.Link != nil {
			c.unlink(snap, f.Session, f.Link, true)
		}
	case "respawn-window":
		if f.Window != nil && len(f.Window.Panes) > 1 {
			c.killPanes(snap, f.Window, &Pane{ID: f.Window.Panes[0]}, true)
		}
	}
	return c
}

// taking adds what closes because something is taken from it, or put in its
// place.
func (c *Closing) taking(inv *Invocation, snap *Snapshot, to, from Found) {
	last := from.Window != nil && len(from.Window.Panes) == 1
	switch inv.Row.Name {
	case "join-pane", "move-pane":
		if last && (to.Window == nil || to.Window.ID != from.Window.ID) {
			c.closeWindow(snap, from.Window)
		}
	case "break-pane":
		if last {
			c.leave(snap, to, from)
		}
	case "link-window", "move-window":
		if inv.Has('r') {
			return
		}
		if inv.Has('k') && to.Session != nil && to.Index >= 0 && !inv.Has('a') && !inv.Has('b') {
			if old := to.Session.Link(to.Index); old != nil && (from.Window == nil || old.Window != from.Window.ID) {
				c.displace(snap, to.Session, old)
			}
		}
		if inv.Row.Name == "move-window" {
			c.leave(snap, to, from)
		}
	}
}

// leave: a window leaves one session for another, which may have had nothing
// else.
func (c *Closing) leave(snap *Snapshot, to, from Found) {
	if from.Session == nil || from.Link == nil || to.Session == nil || grouped(from.Session, to.Session) {
		return
	}
	c.unlink(snap, from.Session, from.Link, false)
}

// displace: another window takes the place of this one.
func (c *Closing) displace(snap *Snapshot, s *Session, l *Winlink) {
	if w := snap.Window(l.Window); w != nil && !linkedBeside(snap, s, l) {
		c.Windows = append(c.Windows, w)
	}
}

// unlink takes one link out of a session, and out of those of its group. The
// window closes if that was its last one and it goes nowhere else; sessions
// close that had nothing else.
func (c *Closing) unlink(snap *Snapshot, s *Session, l *Winlink, gone bool) {
	if gone {
		c.displace(snap, s, l)
	}
	if len(s.Links) > 1 {
		return
	}
	for i := range snap.Sessions {
		if other := &snap.Sessions[i]; grouped(other, s) {
			c.Sessions = append(c.Sessions, other)
		}
	}
}

// linkedBeside reports whether the window of a link has another one, in
// whatever session does not share this one's windows.
func linkedBeside(snap *Snapshot, s *Session, l *Winlink) bool {
	for _, other := range snap.SessionsOf(l.Window) {
		for i := range other.Links {
			o := &other.Links[i]
			if o.Window == l.Window && (o.Index != l.Index || !grouped(other, s)) {
				return true
			}
		}
	}
	return false
}

// grouped reports whether two sessions share their windows.
func grouped(a, b *Session) bool { return a.ID == b.ID || a.Group != "" && a.Group == b.Group }

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
