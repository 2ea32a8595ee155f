package tmux

import (
	"slices"
	"sort"
	"strings"
)

// Snapshot is the state of one tmux server at one moment: a plain value that
// nobody changes once it is made. Pointers that its methods return point into
// it and must not be written through.
type Snapshot struct {
	Incarnation Incarnation
	Version     Version
	Options     Options
	Sessions    []Session // sorted by name, bytewise: the order tmux lists them in
	Windows     []Window  // sorted by id, each once, however often it is linked
	Panes       []Pane    // sorted by id
	Clients     []Client  // in the order of list-clients; those without session are not there; none with [Places]
	Buffers     []Buffer  // in the order of list-buffers; only with [Full]
	Marked      *Marked   // the marked pane, or nil
	Detail      Detail    // how much was fetched
	Now         int64     // seconds since 1970 when it was taken, 0 if unknown; set by who fetched it

	byName map[string]int
}

// Options are the server-wide options that decide something here.
type Options struct {
	Aliases []CommandAlias // server option command-alias

	// Only with Full.
	SetClipboard   string // server option set-clipboard: on, external, off
	ExitUnattached bool
	DefaultShell   string // global session option
	DefaultCommand string // global session option
}

// Session is one session. Times are seconds since 1970, 0 for never.
type Session struct {
	ID           SessionID
	Name         string
	Group        string // name of its session group, empty for none
	Activity     int64
	LastAttached int64
	Attached     int   // how many clients show it
	Current      int   // index of the current window, -1 if hidden
	Last         []int // indexes of the windows that were current before, latest first
	Links        []Winlink
	BaseIndex    int  // option base-index: where new windows start
	Renumber     bool // option renumber-windows: no index stays free

	// Only with Full.
	GroupSize int
	Created   int64
	Path      string // working directory
}

// Winlink puts a window into a session at an index. One window may be linked
// at several indexes and into several sessions.
type Winlink struct {
	Index    int
	Window   WindowID
	Activity bool
	Bell     bool
	Silence  bool
}

// Window is one window.
type Window struct {
	ID            WindowID
	Name          string
	Panes         []PaneID // in index order
	Active        PaneID
	HasActive     bool // false if the active pane is hidden
	Last          PaneID
	HasLast       bool
	Width, Height int
	Zoomed        bool
	PaneBase      int    // option pane-base-index
	BorderStatus  string // option pane-border-status: off, top, bottom
	Layout        string // of all panes, even while one is zoomed

	// Only with Full.
	VisibleLayout         string
	Activity              int64
	CellWidth, CellHeight int         // pixels, 0 if unknown
	Linked                []SessionID // where it is linked, in the order that was done; nil if unknown
}

// Pane is one pane. Title, CurrentCommand, CurrentPath, StartCommand and Path
// are chosen by the programs inside: data to show, never a reason to allow.
// Where tmux reported other than printable ASCII there, "?" stands.
type Pane struct {
	ID            PaneID
	Window        WindowID
	Index         int
	Left, Top     int
	Width, Height int
	PID           int
	TTY           string

	// Only with Full.
	Mode           string // name of the mode it is in, empty for none
	InMode         int    // depth of modes, 0 for none
	Dead           bool
	InputOff       bool
	Synchronized   bool
	Piped          bool
	Alternate      bool
	Title          string
	CurrentCommand string
	CurrentPath    string
	StartCommand   string
	HistorySize    int
	HistoryLimit   int
	HistoryBytes   int64
	CursorX        int
	CursorY        int
	DeadStatus     string

	values     []string // of paneFields
	modeValues []string // of modeFields, if it is in a mode
}

// Client is one client that shows a session.
type Client struct {
	Name     string // path of its terminal, or client-PID
	TTY      string // path of its terminal; empty for a control client
	PID      int
	Session  SessionID
	Activity int64
	Flags    string // comma separated, such as "attached,focused,UTF-8"

	// Only with Full.
	UID         int
	Created     int64
	Width       int // columns, -1 if it never told its size
	Height      int // lines, -1 if it never told its size
	TermName    string
	LastSession string
	User        string // by [Snapshot.SetUser]

	values []string // of clientFields
}

// SetUser says whose the clients of a uid are, in a snapshot with Full. tmux is not asked for it (client_user):
// it would have the name service switch say it, and serve nobody until a directory answers.
func (s *Snapshot) SetUser(uid uint32, name string) {
	if s.Detail != Full || !s.Version.AtLeast(v33) { // else it tells no uid
		return
	}
	for i := range s.Clients {
		if int64(s.Clients[i].UID) == int64(uid) {
			s.Clients[i].User = name
		}
	}
}

// Buffer is one paste buffer of the server.
type Buffer struct {
	Name    string
	Size    int
	Created int64
	Sample  string // start of the content, escaped by tmux
}

// Marked is the marked pane and the place it was marked at.
type Marked struct {
	Session SessionID
	Index   int
	Window  WindowID
	Pane    PaneID
}

// Reading says how the server reads command lines; of no snapshot nothing is
// known.
func (s *Snapshot) Reading() ParseOptions {
	if s == nil {
		return ParseOptions{}
	}
	return ParseOptions{Version: s.Version, Aliases: s.Options.Aliases}
}

// Bare is what holds of the server whatever is in it: who it is, its version and
// options.
func (s *Snapshot) Bare() *Snapshot {
	if s == nil {
		return nil
	}
	return &Snapshot{Incarnation: s.Incarnation, Version: s.Version, Options: s.Options, Detail: s.Detail, Now: s.Now}
}

// WithClientsOf is a state of places with the clients of an older one, if there is one: where
// they were then, if that is there still.
func (s *Snapshot) WithClientsOf(old *Snapshot) *Snapshot {
	with := *s
	with.Detail, with.Clients = Core, nil
	if old == nil {
		return &with
	}
	for _, c := range old.Clients {
		if s.Session(c.Session) != nil {
			with.Clients = append(with.Clients, c)
		}
	}
	return &with
}

// Session returns the session with this id, or nil.
func (s *Snapshot) Session(id SessionID) *Session {
	for i := range s.Sessions {
		if s.Sessions[i].ID == id {
			return &s.Sessions[i]
		}
	}
	return nil
}

// SessionByName returns the session with exactly this name, or nil.
func (s *Snapshot) SessionByName(name string) *Session {
	if i, ok := s.byName[name]; ok {
		return &s.Sessions[i]
	}
	return nil
}

// Window returns the window with this id, or nil.
func (s *Snapshot) Window(id WindowID) *Window {
	if i := s.windowIndex(id); i >= 0 {
		return &s.Windows[i]
	}
	return nil
}

// windowIndex is where the window with this id is, -1 if it is not there.
func (s *Snapshot) windowIndex(id WindowID) int {
	// By index: comparing whole windows would copy them.
	i := sort.Search(len(s.Windows), func(i int) bool { return s.Windows[i].ID >= id })
	if i == len(s.Windows) || s.Windows[i].ID != id {
		return -1
	}
	return i
}

// Pane returns the pane with this id, or nil.
func (s *Snapshot) Pane(id PaneID) *Pane {
	if i := s.paneIndex(id); i >= 0 {
		return &s.Panes[i]
	}
	return nil
}

// paneIndex is where the pane with this id is, -1 if it is not there.
func (s *Snapshot) paneIndex(id PaneID) int {
	i := sort.Search(len(s.Panes), func(i int) bool { return s.Panes[i].ID >= id })
	if i == len(s.Panes) || s.Panes[i].ID != id {
		return -1
	}
	return i
}

func compareID[T ~uint32](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Client returns the client with exactly this name, or nil.
func (s *Snapshot) Client(name string) *Client {
	for i := range s.Clients {
		if s.Clients[i].Name == name {
			return &s.Clients[i]
		}
	}
	return nil
}

// SessionsOf returns the sessions that a window is linked into, in the order
// of names.
func (s *Snapshot) SessionsOf(id WindowID) []*Session {
	var all []*Session
	for i := range s.Sessions {
		if s.Sessions[i].has(id) {
			all = append(all, &s.Sessions[i])
		}
	}
	return all
}

// Link returns the session's link at an index, or nil.
func (s *Session) Link(index int) *Winlink {
	for i := range s.Links {
		if s.Links[i].Index == index {
			return &s.Links[i]
		}
	}
	return nil
}

// LinkOf returns the first link of a window in this session, or nil.
func (s *Session) LinkOf(window WindowID) *Winlink {
	for i := range s.Links {
		if s.Links[i].Window == window {
			return &s.Links[i]
		}
	}
	return nil
}

// CurrentLink returns the link of the session's current window, or nil if
// that one is hidden.
func (s *Session) CurrentLink() *Winlink { return s.Link(s.Current) }

func (s *Session) has(id WindowID) bool { return s.LinkOf(id) != nil }

// PaneAt returns the pane of the window with this index, or nil.
func (s *Snapshot) PaneAt(w *Window, index int) *Pane {
	for _, id := range w.Panes {
		if p := s.Pane(id); p != nil && p.Index == index {
			return p
		}
	}
	return nil
}

// ActivePane returns the window's active pane, or nil if that one is hidden.
func (s *Snapshot) ActivePane(w *Window) *Pane {
	if w == nil || !w.HasActive {
		return nil
	}
	return s.Pane(w.Active)
}

// Selects reports whether showing what a target names (attach-session,
// switch-client) would change which window the session shows to everybody, or
// which pane is active in it. That is layout, where merely showing is not; it
// is not among [Invocation.Demands], because a display of one's own need not
// do it.
func (s *Snapshot) Selects(f Found) bool {
	if f.Session == nil || f.Link == nil {
		return false
	}
	if f.Link.Index != f.Session.Current {
		return true
	}
	w := s.Window(f.Link.Window)
	return f.Pane != nil && w != nil && (!w.HasActive || w.Active != f.Pane.ID)
}

// Visible returns the part of the snapshot that see allows: panes for which it
// says yes on at least one path, windows with such a pane, sessions with such
// a window. What remains neither names nor counts anything that was left out;
// window and pane indexes stay as they are on the server. Clients of hidden
// sessions, paste buffers and the marked pane, if hidden, are left out too.
func (s *Snapshot) Visible(see func(*Session, *Winlink, *Pane) bool) *Snapshot {
	v := &Snapshot{
		Incarnation: s.Incarnation, Version: s.Version, Options: s.Options,
		Detail: s.Detail, Now: s.Now,
	}
	seen := sight{of: s, panes: make([]bool, len(s.Panes)), windows: make([]bool, len(s.Windows)), sessions: map[SessionID]bool{}}
	for i := range s.Sessions {
		if kept, ok := seen.session(&s.Sessions[i], see); ok {
			v.Sessions = append(v.Sessions, kept)
			seen.sessions[kept.ID] = true
		}
	}
	for i := range s.Windows {
		if seen.windows[i] {
			v.Windows = append(v.Windows, seen.window(s.Windows[i]))
		}
	}
	for i := range s.Panes {
		if seen.panes[i] {
			v.Panes = append(v.Panes, s.Panes[i])
		}
	}
	for i := range s.Clients {
		if seen.sessions[s.Clients[i].Session] {
			c := s.Clients[i]
			if last := s.SessionByName(c.LastSession); last == nil || !seen.sessions[last.ID] {
				c.LastSession = ""
			}
			v.Clients = append(v.Clients, c)
		}
	}
	if m := s.Marked; m != nil && seen.pane(m.Pane) && seen.sessions[m.Session] {
		if kept := v.Session(m.Session); kept != nil && kept.Link(m.Index) != nil {
			v.Marked = m
		}
	}
	v.hideGroups()
	v.index()
	return v
}

// sight is what of a snapshot was seen: panes and windows by where they are in it.
type sight struct {
	of             *Snapshot
	panes, windows []bool
	sessions       map[SessionID]bool
}

// pane reports whether a pane was seen.
func (v *sight) pane(id PaneID) bool {
	i := v.of.paneIndex(id)
	return i >= 0 && v.panes[i]
}

// session returns the session with only its visible links, and notes what it
// saw; false if that is nothing.
func (v *sight) session(full *Session, see func(*Session, *Winlink, *Pane) bool) (kept Session, ok bool) {
	var links []Winlink
	for i := range full.Links {
		link := &full.Links[i]
		at := v.of.windowIndex(link.Window)
		if at < 0 {
			continue
		}
		seen := false
		for _, id := range v.of.Windows[at].Panes {
			if p := v.of.paneIndex(id); p >= 0 && see(full, link, &v.of.Panes[p]) {
				v.panes[p], seen = true, true
			}
		}
		if seen {
			v.windows[at] = true
			links = append(links, *link)
		}
	}
	if len(links) == 0 {
		return kept, false
	}
	kept = *full
	kept.Links, kept.Last = links, nil
	for _, index := range full.Last {
		if kept.Link(index) != nil {
			kept.Last = append(kept.Last, index)
		}
	}
	if kept.CurrentLink() == nil {
		kept.Current = -1
	}
	return kept, true
}

// window leaves hidden panes out. A layout describes all of them, and
// the window's activity may be theirs, so these are left out as well if one is
// hidden.
func (v *sight) window(w Window) Window {
	var kept []PaneID
	for _, id := range w.Panes {
		if v.pane(id) {
			kept = append(kept, id)
		}
	}
	if len(kept) != len(w.Panes) {
		w.Layout, w.VisibleLayout, w.Activity = "", "", 0
	}
	w.Panes = kept
	w.HasActive = w.HasActive && v.pane(w.Active)
	w.HasLast = w.HasLast && v.pane(w.Last)
	w.Linked = slices.DeleteFunc(slices.Clone(w.Linked), func(id SessionID) bool { return !v.sessions[id] })
	return w
}

// hideGroups forgets the groups of which no other member is visible, and
// counts only members that are.
func (s *Snapshot) hideGroups() {
	size := make(map[string]int)
	for i := range s.Sessions {
		size[s.Sessions[i].Group]++
	}
	for i := range s.Sessions {
		one := &s.Sessions[i]
		if one.Group == "" {
			continue
		}
		if one.GroupSize = size[one.Group]; one.GroupSize < 2 && one.Group != one.Name {
			one.Group, one.GroupSize = "", 0
		}
	}
}

// NewSnapshot returns a snapshot made of these parts, sorted and indexed as
// the methods of [Snapshot] need it. [ParseSnapshot] does this itself; this is
// for snapshots made by hand or from a model that is kept up to date.
func NewSnapshot(parts Snapshot) *Snapshot {
	s := parts
	s.Sessions, s.Windows, s.Panes = slices.Clone(s.Sessions), slices.Clone(s.Windows), slices.Clone(s.Panes)
	s.index()
	return &s
}

// index sorts the parts as documented and makes look-up by name fast.
func (s *Snapshot) index() {
	slices.SortFunc(s.Sessions, func(a, b Session) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(s.Windows, func(a, b Window) int { return compareID(a.ID, b.ID) })
	slices.SortFunc(s.Panes, func(a, b Pane) int { return compareID(a.ID, b.ID) })
	s.byName = make(map[string]int, len(s.Sessions))
	for i := range s.Sessions {
		s.byName[s.Sessions[i].Name] = i
	}
}
