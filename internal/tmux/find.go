package tmux

import "strings"

// The steps of a look-up. Each fills its part of the finder and says whether
// it found something.

func (f *finder) allSessions() []*Session {
	all := make([]*Session, len(f.snap.Sessions))
	for i := range f.snap.Sessions {
		all[i] = &f.snap.Sessions[i]
	}
	return all
}

// bestSession is the one used last; with PreferUnattached, one that nobody is
// attached to goes first. Within one second, which is all a snapshot knows,
// the one attached to last and then the newest wins.
func (f *finder) bestSession(list []*Session) *Session {
	var best *Session
	for _, s := range list {
		if best == nil || f.better(s, best) {
			best = s
		}
	}
	return best
}

func (f *finder) better(s, than *Session) bool {
	if f.flags&PreferUnattached != 0 && (than.Attached != 0) != (s.Attached != 0) {
		return s.Attached == 0
	}
	if s.Activity != than.Activity {
		return s.Activity > than.Activity
	}
	if s.LastAttached != than.LastAttached {
		return s.LastAttached > than.LastAttached
	}
	return s.ID > than.ID
}

func (f *finder) bestWithWindow(id WindowID) *Session {
	return f.bestSession(f.snap.SessionsOf(id))
}

// bestLink is the session's link of a window: the current one if it is of that
// window, else the first.
func (f *finder) bestLink(id WindowID) bool {
	if cur := f.Session.CurrentLink(); cur != nil && cur.Window == id {
		f.Link, f.Index = cur, cur.Index
		return true
	}
	for i := range f.Session.Links {
		if l := &f.Session.Links[i]; l.Window == id {
			f.Link, f.Index = l, l.Index
			return true
		}
	}
	return false
}

// session finds a session by id, name, client, start of name, or pattern.
func (f *finder) session(s string) bool {
	if s[0] == '$' {
		f.Session = nil
		if id, ok := strtonum(s[1:], 0, uintMax); ok {
			f.Session = f.snap.Session(SessionID(id))
		}
		return f.Session != nil
	}
	if f.Session = f.snap.SessionByName(s); f.Session != nil {
		return true
	}
	if c := findClient(f.snap, s); c != nil {
		if f.Session = f.snap.Session(c.Session); f.Session != nil {
			return true
		}
	}
	if f.exactSession {
		return false
	}
	if one, n := f.onlySession(func(name string) bool { return strings.HasPrefix(name, s) }); n > 0 {
		if n == 1 {
			f.Session = one
		}
		return n == 1
	}
	one, n := f.onlySession(func(name string) bool { return fnmatch(s, name) })
	if n == 1 {
		f.Session = one
	}
	return n == 1
}

// onlySession returns the first session whose name matches, and how many do
// (two stand for more).
func (f *finder) onlySession(match func(string) bool) (one *Session, n int) {
	for i := range f.snap.Sessions {
		if match(f.snap.Sessions[i].Name) {
			if n++; n > 1 {
				return one, n
			}
			one = &f.snap.Sessions[i]
		}
	}
	return one, n
}

// window finds a window without a session given: by id anywhere, else in the
// current session; unless it must be a window, a session's name stands for
// that session's current window.
func (f *finder) window(s string, only bool) bool {
	if s[0] == '@' {
		if f.Window = f.windowByID(s); f.Window == nil {
			return false
		}
		if f.Session = f.bestWithWindow(f.Window.ID); f.Session == nil {
			return false
		}
		return f.bestLink(f.Window.ID)
	}
	f.Session = f.current.Session
	if f.windowInSession(s) {
		return true
	}
	if only || !f.session(s) {
		return false
	}
	if f.Link = f.Session.CurrentLink(); f.Link == nil {
		return false
	}
	f.Window = f.snap.Window(f.Link.Window)
	if f.flags&WindowIndex == 0 {
		f.Index = f.Link.Index
	}
	return true
}

func (f *finder) windowByID(s string) *Window {
	if id, ok := strtonum(s[1:], 0, uintMax); ok {
		return f.snap.Window(WindowID(id))
	}
	return nil
}

// takeLink makes a link the found one.
func (f *finder) takeLink(l *Winlink) bool {
	f.Link = l
	if l == nil {
		return false
	}
	f.Index = l.Index
	f.Window = f.snap.Window(l.Window)
	return true
}

// windowInSession finds a window in the found session: by id, offset, special
// character, index, name, start of name, or pattern.
func (f *finder) windowInSession(s string) bool {
	cur := f.Session.CurrentLink()
	f.Link = cur
	if cur != nil {
		f.Window = f.snap.Window(cur.Window)
	}
	if s[0] == '@' {
		f.Window = f.windowByID(s)
		return f.Window != nil && f.Session.has(f.Window.ID) && f.bestLink(f.Window.ID)
	}
	if !f.exactWindow {
		if s[0] == '+' || s[0] == '-' {
			if done, ok := f.windowByOffset(s, cur); done {
				return ok
			}
		}
		if l, done := f.windowBySign(s); done {
			return f.takeLink(l)
		}
	}
	if s[0] != '+' && s[0] != '-' {
		if index, ok := strtonum(s, 0, intMax); ok {
			if l := f.Session.Link(int(index)); l != nil {
				return f.takeLink(l)
			}
			f.Link = nil
			if f.flags&WindowIndex != 0 {
				f.Index = int(index)
				return true
			}
		}
	}
	return f.windowByName(s)
}

// windowByOffset reads +n and -n. done is false if the look-up goes on.
func (f *finder) windowByOffset(s string, cur *Winlink) (done, ok bool) {
	if cur == nil {
		return true, false
	}
	n := int64(1)
	if len(s) > 1 {
		// What is no number counts as 0: the current window.
		if n, ok = strtonum(s[1:], 1, intMax); !ok {
			n = 0
		}
	}
	if f.flags&WindowIndex != 0 {
		if s[0] == '+' {
			if intMax-int64(cur.Index) < n {
				return true, false
			}
			f.Index = cur.Index + int(n)
			return true, true
		}
		if n > int64(cur.Index) {
			return true, false
		}
		f.Index = cur.Index - int(n)
		return true, true
	}
	at, links := 0, f.Session.Links
	for i := range links {
		if links[i].Index == cur.Index {
			at = i
		}
	}
	return true, f.takeLink(&links[step(at, n, len(links), s[0] == '-')])
}

// step goes n places on (or back) from at in a ring.
func step(at int, n int64, ring int, back bool) int {
	move := int(n % int64(ring))
	if back {
		move = ring - move
	}
	return (at + move) % ring
}

// windowBySign reads ! ^ and $.
func (f *finder) windowBySign(s string) (l *Winlink, done bool) {
	links := f.Session.Links
	if len(links) == 0 {
		return nil, s == "!" || s == "^" || s == "$"
	}
	switch s {
	case "!":
		if len(f.Session.Last) > 0 {
			l = f.Session.Link(f.Session.Last[0])
		}
		return l, true
	case "^":
		return &links[0], true
	case "$":
		return &links[len(links)-1], true
	}
	return nil, false
}

func (f *finder) windowByName(s string) bool {
	matches := []func(string) bool{
		func(name string) bool { return name == s },
		func(name string) bool { return strings.HasPrefix(name, s) },
		func(name string) bool { return fnmatch(s, name) },
	}
	if f.exactWindow {
		matches = matches[:1]
	}
	for _, match := range matches {
		f.Link = nil
		for i := range f.Session.Links {
			l := &f.Session.Links[i]
			if w := f.snap.Window(l.Window); w == nil || !match(w.Name) {
				continue
			}
			if f.Link != nil {
				return false
			}
			f.Link = l
		}
		if f.Link != nil {
			return f.takeLink(f.Link)
		}
	}
	return false
}

// pane finds a pane without session and window given: by id anywhere, else in
// the current window, else what is named as a window or session.
func (f *finder) pane(s string, only bool) bool {
	if s[0] == '%' {
		if f.Pane = f.paneByID(s); f.Pane == nil {
			return false
		}
		f.Window = f.snap.Window(f.Pane.Window)
		if f.Session = f.bestWithWindow(f.Pane.Window); f.Session == nil {
			return false
		}
		return f.bestLink(f.Pane.Window)
	}
	f.Session, f.Link, f.Window, f.Index = f.current.Session, f.current.Link, f.current.Window, f.current.Index
	if f.paneInWindow(s) {
		return true
	}
	if only || !f.window(s, false) {
		return false
	}
	f.Pane = f.snap.ActivePane(f.Window)
	return true
}

func (f *finder) paneByID(s string) *Pane {
	if id, ok := strtonum(s[1:], 0, uintMax); ok {
		return f.snap.Pane(PaneID(id))
	}
	return nil
}

// paneInSession finds a pane in the found session: by id, else in its current
// window.
func (f *finder) paneInSession(s string) bool {
	if s[0] == '%' {
		if f.Pane = f.paneByID(s); f.Pane == nil {
			return false
		}
		f.Window = f.snap.Window(f.Pane.Window)
		return f.bestLink(f.Pane.Window)
	}
	if !f.takeLink(f.Session.CurrentLink()) {
		return false
	}
	return f.paneInWindow(s)
}

// paneInWindow finds a pane in the found window.
func (f *finder) paneInWindow(s string) bool {
	w := f.Window
	if w == nil {
		return false
	}
	if s[0] == '%' {
		f.Pane = f.paneByID(s)
		return f.Pane != nil && f.Pane.Window == w.ID
	}
	if s == "!" {
		f.Pane = nil
		if w.HasLast {
			f.Pane = f.snap.Pane(w.Last)
		}
		return f.Pane != nil
	}
	if side, ok := sideOf(s); ok {
		f.Pane = f.beside(f.origin(w), side)
		return f.Pane != nil
	}
	if s[0] == '+' || s[0] == '-' {
		if f.Pane = f.paneByOffset(s); f.Pane != nil {
			return true
		}
	}
	if index, ok := strtonum(s, 0, intMax); ok {
		if f.Pane = f.snap.PaneAt(w, int(index)); f.Pane != nil {
			return true
		}
	}
	f.Pane = f.paneByCorner(w, s)
	return f.Pane != nil
}

// origin is the pane that another one is beside or behind: before 3.4 the current one,
// whatever window is meant.
func (f *finder) origin(w *Window) *Pane {
	if f.snap.Version.AtLeast(v34) {
		return f.snap.ActivePane(w)
	}
	return f.current.Pane
}

// paneByOffset goes on from that pane, and from the end of its window to the found
// window.
func (f *finder) paneByOffset(s string) *Pane {
	from := f.origin(f.Window)
	if from == nil || len(f.Window.Panes) == 0 {
		return nil
	}
	n := int64(1)
	if len(s) > 1 {
		var ok bool
		if n, ok = strtonum(s[1:], 1, intMax); !ok {
			return from // what is no number counts as 0
		}
	}
	var ring []PaneID
	if w := f.snap.Window(from.Window); w != nil {
		ring = w.Panes
	}
	at := 0
	for i, id := range ring {
		if id == from.ID {
			at = i
		}
	}
	there := f.Window.Panes
	if s[0] == '+' {
		if n <= int64(len(ring)-1-at) {
			return f.snap.Pane(ring[at+int(n)])
		}
		n -= int64(len(ring) - at)
		return f.snap.Pane(there[n%int64(len(there))])
	}
	if n <= int64(at) {
		return f.snap.Pane(ring[at-int(n)])
	}
	n -= int64(at + 1)
	return f.snap.Pane(there[int64(len(there))-1-n%int64(len(there))])
}
