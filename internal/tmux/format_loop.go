package tmux

import (
	"cmp"
	"slices"
	"strings"
)

// formatLoop is what a loop goes over, and in which order. Only what the
// snapshot holds is gone over, and the asker's holds what they may see.
type formatLoop struct {
	over     byte // S, W, P or L
	order    byte // i, n or t
	reversed bool
}

func (r *modsReader) addLoop(one oneModifier) error {
	how := ""
	var err error
	if len(one.args) > 0 { // only from 3.6 on
		if how, err = r.fixed(one, 0); err != nil {
			return err
		}
	}
	next := formatLoop{over: one.name[0], order: 'i', reversed: strings.Contains(how, "r")}
	for _, order := range []byte("int") {
		if strings.IndexByte(how, order) >= 0 {
			next.order = order
			break
		}
	}
	// Of several loops the widest is done.
	if r.loop.over == 0 || strings.IndexByte("SWPL", next.over) <= strings.IndexByte("SWPL", r.loop.over) {
		r.loop = next
	}
	r.choose(loopNode, "")
	return nil
}

// loopRowWork is what one row of a loop costs beside its text.
const loopRowWork = 16

// runLoop expands a loop; ok is false if there is nothing to go over.
func (e *expansion) runLoop(n *formatNode) (string, bool) {
	rows, ok := e.loopRows(n.loop)
	if !ok {
		return "", false
	}
	if n.loop.reversed {
		slices.Reverse(rows)
	}
	outer := e.c
	defer func() { e.c = outer }()
	var b strings.Builder
	for i := range rows {
		if !e.spend(loopRowWork) || b.Len() > maxFormatOut {
			break
		}
		row := &rows[i].FormatContext
		row.last = i == len(rows)-1
		e.c = row
		parts := n.parts[0]
		if len(n.parts) > 1 && rows[i].current {
			parts = n.parts[1]
		}
		b.WriteString(e.text(parts))
	}
	return b.String(), true
}

// loopRow is what a loop is at.
type loopRow struct {
	FormatContext
	current bool
}

func (e *expansion) loopRows(l formatLoop) ([]loopRow, bool) {
	switch l.over {
	case 'S':
		return e.sessionLoop(l), true
	case 'W':
		return e.windowLoop(l)
	case 'P':
		return e.paneLoop()
	}
	return e.clientLoop(l), true
}

// inner is the context for something else on the same server.
func (e *expansion) inner(f Found, kind formatKind) FormatContext {
	c := contextOf(e.c.Snap, f)
	c.UID, c.Host, c.Zone, c.Now = e.c.UID, e.c.Host, e.c.Zone, e.c.Now
	c.Client, c.command, c.shared, c.kind = e.c.Client, e.c.command, e.c.shared, kind
	return c
}

func (e *expansion) sessionLoop(l formatLoop) []loopRow {
	list := make([]*Session, len(e.c.Snap.Sessions))
	for i := range e.c.Snap.Sessions {
		list[i] = &e.c.Snap.Sessions[i]
	}
	byName := func(a, b *Session) int { return strings.Compare(a.Name, b.Name) }
	switch {
	case l.order == 'i' && e.version.AtLeast(v36):
		slices.SortFunc(list, func(a, b *Session) int { return compareID(a.ID, b.ID) })
	case l.order == 't':
		slices.SortFunc(list, func(a, b *Session) int { return cmp.Or(cmp.Compare(b.Activity, a.Activity), byName(a, b)) })
	default:
		slices.SortFunc(list, byName)
	}
	rows := make([]loopRow, len(list))
	for i, s := range list {
		rows[i].FormatContext = e.inner(Found{Session: s}, sessionKind)
		rows[i].current = e.c.Client != nil && e.c.Client.Session == s.ID
	}
	return rows
}

func (e *expansion) windowLoop(l formatLoop) ([]loopRow, bool) {
	s := e.c.Session
	if s == nil {
		return nil, false
	}
	rows := make([]loopRow, 0, len(s.Links))
	for i := range s.Links {
		link := &s.Links[i]
		row := loopRow{e.inner(Found{Session: s, Link: link}, windowKind), link.Index == s.Current}
		if row.Window != nil {
			rows = append(rows, row)
		}
	}
	l.sort(rows, byWindows)
	return rows, true
}

// sort puts rows into the order of the loop, by name or the latest first, if it
// has one. Rows that are alike come by name.
func (l formatLoop) sort(rows []loopRow, compare compareRows) {
	by := ""
	switch l.order {
	case 'n':
		by = "name"
	case 't':
		by = "activity"
	default:
		return
	}
	slices.SortStableFunc(rows, func(a, b loopRow) int {
		return cmp.Or(compare(by, &a.FormatContext, &b.FormatContext), compare("name", &a.FormatContext, &b.FormatContext))
	})
}

func (e *expansion) paneLoop() ([]loopRow, bool) {
	w := e.c.Window
	if w == nil {
		return nil, false
	}
	ids := w.Panes
	if e.version.AtLeast(v36) {
		ids = slices.Sorted(slices.Values(ids))
	}
	rows := make([]loopRow, 0, len(ids))
	for _, id := range ids {
		if p := e.c.Snap.Pane(id); p != nil {
			found := Found{Session: e.c.Session, Link: e.c.Link, Window: w, Pane: p}
			rows = append(rows, loopRow{e.inner(found, paneKind), w.HasActive && w.Active == id})
		}
	}
	return rows, true
}

func (e *expansion) clientLoop(l formatLoop) []loopRow {
	rows := make([]loopRow, len(e.c.Snap.Clients))
	for i := range e.c.Snap.Clients {
		found := Found{Session: e.c.Session, Link: e.c.Link, Window: e.c.Window, Pane: e.c.Pane}
		rows[i].FormatContext = e.inner(found, e.c.kind)
		rows[i].Client = &e.c.Snap.Clients[i]
	}
	l.sort(rows, byClients)
	return rows
}
