package tmux

import (
	"math"
	"strings"
)

// Found is what a target names. Parts that tmux leaves open are nil: with
// [CanFail] anything may be, and in a visible-only snapshot the current window
// or the active pane may be hidden.
//
// Pane need not lie in Window, nor Window be Link's when the look-up failed
// half way under CanFail: decide on each part that is not nil.
type Found struct {
	Session *Session
	Link    *Winlink
	Window  *Window
	Pane    *Pane
	Index   int // window index, -1 for none; under WindowIndex it may be free
}

// Whole reports whether all parts were found and lie in each other.
func (f Found) Whole() bool {
	return f.Session != nil && f.Link != nil && f.Window != nil && f.Pane != nil &&
		f.Link.Window == f.Window.ID && f.Pane.Window == f.Window.ID
}

// Apart is the same without the snapshot that it was found in, which else would stay
// in memory as long as this does.
func (f Found) Apart() Found {
	return Found{Session: apart(f.Session), Link: apart(f.Link), Window: apart(f.Window), Pane: apart(f.Pane), Index: f.Index}
}

func apart[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

// TargetError says that a target names nothing; its text is tmux's own.
type TargetError struct {
	Kind TargetKind // what was looked for; NoTarget if there was no default
	Text string
}

// Error returns the text tmux prints.
func (e *TargetError) Error() string { return e.Text }

// ResolveContext is where a command comes from: it decides what an empty or
// relative target means. The first that is set counts.
type ResolveContext struct {
	Current *Found // what an earlier command of the same line made current
	// Pinned: nothing takes the place of Current when that has gone.
	Pinned  bool
	Session *SessionID // the session that the asking client shows
	Pane    *PaneID    // the pane that the asking client runs in (TMUX_PANE)
}

// Resolve finds what a target names, as the tmux of the snapshot does (empty means the
// default). It looks at nothing but the snapshot, so with a visible-only one
// nothing hidden is matched, counted or made the default.
//
// One thing tmux knows is not in a snapshot: which of several panes beside
// another one was active last, when it is neither the active nor the last pane
// of its window. {up-of} and its kin then take the first.
func Resolve(snap *Snapshot, how Lookup, target string, ctx ResolveContext) (Found, error) {
	f := finder{snap: snap, flags: how.Flags}
	f.Index = -1
	err := f.find(how.Kind, target, ctx)
	if err != nil && how.Flags&CanFail != 0 {
		return f.Found, nil
	}
	if err != nil {
		return Found{Index: -1}, err
	}
	return f.Found, nil
}

// TargetLookup returns how -t of this invocation is looked up. Two commands
// decide by the form of what was given, and one by another flag.
func (inv *Invocation) TargetLookup() Lookup {
	if inv.Row.Name == "move-window" && inv.Has('r') {
		return Lookup{TargetSession, CanFail} // tmux says nothing if there is none
	}
	target, _ := inv.Get('t')
	set := ""
	switch inv.Row.Name {
	case "attach-session":
		set = ":."
	case "switch-client":
		set = ":.%"
	}
	if set != "" && strings.ContainsAny(target, set) {
		return Lookup{TargetPane, 0}
	}
	return inv.Row.Target
}

// finder is a look-up under way. Its Found is filled step by step, and what a
// failed step leaves there is what tmux leaves there.
type finder struct {
	Found
	snap         *Snapshot
	flags        FindFlags
	current      Found
	exactSession bool
	exactWindow  bool
}

func (f *finder) find(kind TargetKind, target string, ctx ResolveContext) error {
	current, ok := f.defaultState(ctx)
	if !ok {
		return &TargetError{NoTarget, "no current target"}
	}
	f.current = current
	switch target {
	case "":
		f.useCurrent()
		return nil
	case "=", "{mouse}":
		return &TargetError{kind, "no mouse target"}
	case "~", "{marked}":
		marked, ok := f.markedState()
		if !ok {
			return &TargetError{kind, "no marked target"}
		}
		f.Found = marked
		return nil
	}
	return f.lookUp(splitTarget(kind, target))
}

// defaultState is what an empty target means.
func (f *finder) defaultState(ctx ResolveContext) (Found, bool) {
	if f.flags&DefaultMarked != 0 {
		if marked, ok := f.markedState(); ok {
			return marked, true
		}
	}
	if ctx.Current != nil {
		if now, ok := f.refresh(*ctx.Current, ctx.Pinned); ok || ctx.Pinned {
			return now, ok
		}
	}
	if ctx.Session != nil {
		if s := f.snap.Session(*ctx.Session); s != nil {
			return f.sessionState(s), true
		}
	}
	if ctx.Pane != nil {
		if p := f.snap.Pane(*ctx.Pane); p != nil {
			if s := f.bestWithWindow(p.Window); s != nil {
				return f.sessionState(s), true
			}
		}
	}
	if s := f.bestSession(f.allSessions()); s != nil {
		return f.sessionState(s), true
	}
	return Found{}, false
}

// refresh finds the same objects in this snapshot; moved, at whatever index the
// window is now.
func (f *finder) refresh(old Found, moved bool) (Found, bool) {
	if !old.Whole() {
		return Found{}, false
	}
	now := Found{
		Session: f.snap.Session(old.Session.ID), Window: f.snap.Window(old.Window.ID),
		Pane: f.snap.Pane(old.Pane.ID), Index: old.Link.Index,
	}
	if now.Session == nil {
		return Found{}, false
	}
	if now.Link = now.Session.Link(old.Link.Index); moved && (now.Link == nil || now.Link.Window != old.Window.ID) {
		now.Link = now.Session.LinkOf(old.Window.ID)
	}
	if now.Link != nil {
		now.Index = now.Link.Index
	}
	return now, now.Whole()
}

// sessionState is a session with its current window and that one's active
// pane; the index is that of the window.
func (f *finder) sessionState(s *Session) Found {
	found := Found{Session: s, Link: s.CurrentLink(), Index: -1}
	if found.Link != nil {
		found.Window = f.snap.Window(found.Link.Window)
		found.Pane = f.snap.ActivePane(found.Window)
		found.Index = found.Link.Index
	}
	return found
}

func (f *finder) markedState() (Found, bool) {
	m := f.snap.Marked
	if m == nil {
		return Found{}, false
	}
	found := Found{
		Session: f.snap.Session(m.Session), Window: f.snap.Window(m.Window),
		Pane: f.snap.Pane(m.Pane), Index: m.Index,
	}
	if found.Session != nil {
		found.Link = found.Session.Link(m.Index)
	}
	return found, found.Whole()
}

func (f *finder) useCurrent() {
	f.Found = f.current
	if f.flags&WindowIndex != 0 {
		f.Index = -1
	}
}

// targetParts are the pieces of session:window.pane that were given. A part
// that is empty counts as not given.
type targetParts struct {
	session, window, pane string
	exactSession          bool
	exactWindow           bool
	windowOnly            bool // it cannot be anything but a window
	paneOnly              bool // it cannot be anything but a pane
}

func splitTarget(kind TargetKind, target string) targetParts {
	var p targetParts
	before, after, colon := strings.Cut(target, ":")
	dotted := before
	if colon {
		dotted = after
	}
	head, tail, period := strings.Cut(dotted, ".")
	switch {
	case colon && period:
		p.session, p.window, p.pane = before, head, tail
		p.windowOnly, p.paneOnly = true, true
	case colon:
		p.session, p.window = before, after
		p.windowOnly = true
	case period:
		p.window, p.pane = head, tail
		p.paneOnly = true
	case strings.HasPrefix(target, "$"):
		p.session = target
	case strings.HasPrefix(target, "@"):
		p.window = target
	case strings.HasPrefix(target, "%"):
		p.pane = target
	case kind == TargetSession:
		p.session = target
	case kind == TargetWindow:
		p.window = target
	default:
		p.pane = target
	}
	p.session, p.exactSession = strings.CutPrefix(p.session, "=")
	p.window, p.exactWindow = strings.CutPrefix(p.window, "=")
	p.window = specialWindow(p.window)
	p.pane = specialPane(p.pane)
	return p
}

func specialWindow(s string) string {
	switch s {
	case "{start}":
		return "^"
	case "{last}":
		return "!"
	case "{end}":
		return "$"
	case "{next}":
		return "+"
	case "{previous}":
		return "-"
	}
	return s
}

func specialPane(s string) string {
	switch s {
	case "{last}":
		return "!"
	case "{next}":
		return "+"
	case "{previous}":
		return "-"
	case "{top}", "{bottom}", "{left}", "{right}",
		"{top-left}", "{top-right}", "{bottom-left}", "{bottom-right}":
		return s[1 : len(s)-1]
	}
	return s
}

func (f *finder) lookUp(p targetParts) error {
	f.exactSession, f.exactWindow = p.exactSession, p.exactWindow
	if p.pane != "" && f.flags&WindowIndex != 0 {
		return &TargetError{TargetPane, "can't specify pane here"}
	}
	noWindow := &TargetError{TargetWindow, "can't find window: " + p.window}
	noPane := &TargetError{TargetPane, "can't find pane: " + p.pane}
	if p.session != "" {
		return f.lookUpInSession(p, noWindow, noPane)
	}
	switch {
	case p.window != "":
		if !f.window(p.window, p.windowOnly) {
			return noWindow
		}
		if p.pane == "" {
			f.activeOfLink()
			return nil
		}
		if !f.paneInWindow(p.pane) {
			return noPane
		}
	case p.pane != "":
		if !f.pane(p.pane, p.paneOnly) {
			return noPane
		}
	default:
		f.useCurrent()
	}
	return nil
}

func (f *finder) lookUpInSession(p targetParts, noWindow, noPane *TargetError) error {
	if !f.session(p.session) {
		return &TargetError{TargetSession, "can't find session: " + p.session}
	}
	switch {
	case p.window == "" && p.pane == "":
		f.Found = f.sessionState(f.Session)
		f.Index = -1
	case p.pane == "":
		if !f.windowInSession(p.window) {
			return noWindow
		}
		f.activeOfLink()
	case p.window == "":
		if !f.paneInSession(p.pane) {
			return noPane
		}
	default:
		if !f.windowInSession(p.window) {
			return noWindow
		}
		if !f.paneInWindow(p.pane) {
			return noPane
		}
	}
	return nil
}

// activeOfLink makes the active pane of the found window the found pane.
func (f *finder) activeOfLink() {
	if f.Link != nil {
		f.Pane = f.snap.ActivePane(f.snap.Window(f.Link.Window))
	}
}

// strtonum reads a decimal number the way tmux does (blanks and a sign may
// lead), or reports that s is none or out of range.
func strtonum(s string, low, high int64) (int64, bool) {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	digits, negative := s, false
	if s != "" && (s[0] == '+' || s[0] == '-') {
		digits, negative = s[1:], s[0] == '-'
	}
	if !allDigits(digits) {
		return 0, false
	}
	var n int64
	for i := range len(digits) {
		if n > (math.MaxInt64-9)/10 {
			return 0, false
		}
		n = n*10 + int64(digits[i]-'0')
	}
	if negative {
		n = -n
	}
	return n, n >= low && n <= high
}

const (
	intMax  = math.MaxInt32
	uintMax = math.MaxUint32
)
