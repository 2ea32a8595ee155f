package tmux

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// FormatContext is what a format is expanded over. Parts that are nil give
// empty values.
type FormatContext struct {
	Snap    *Snapshot
	Session *Session
	Link    *Winlink
	Window  *Window
	Pane    *Pane
	Client  *Client
	Buffer  *Buffer
	UID     int            // of the server
	Host    string         // name of the server's host
	Zone    *time.Location // of the server; nil for UTC
	Now     time.Time      // for ages; when the snapshot was taken, if zero

	kind    formatKind   // what the row is about
	line    string       // number of the row in a list, if it has one
	command string       // that the format is for
	last    bool         // the last one of a loop
	shared  *formatIndex // made for all rows of a list together, when needed
}

type formatKind uint8

const (
	otherKind formatKind = iota
	sessionKind
	windowKind
	paneKind
)

// contextOf returns the context of what a target names, filled up the way tmux
// does: the session's current window, the window's active pane.
func contextOf(snap *Snapshot, f Found) FormatContext {
	c := FormatContext{Snap: snap, Session: f.Session, Link: f.Link, Window: f.Window, Pane: f.Pane}
	switch {
	case f.Pane != nil:
		c.kind = paneKind
	case f.Link != nil:
		c.kind = windowKind
	case f.Session != nil:
		c.kind = sessionKind
	}
	if c.Link == nil && c.Session != nil {
		c.Link = c.Session.CurrentLink()
	}
	if c.Link != nil {
		c.Window = snap.Window(c.Link.Window)
	}
	if c.Pane == nil {
		c.Pane = snap.ActivePane(c.Window)
	}
	c.Buffer = snap.topBuffer()
	return c
}

// topBuffer returns the paste buffer that tmux pastes by default, or nil.
func (s *Snapshot) topBuffer() *Buffer {
	for i := range s.Buffers {
		// From 3.4 on one with a name of its own is not pasted by default.
		number, automatic := strings.CutPrefix(s.Buffers[i].Name, "buffer")
		if automatic && allDigits(number) || !s.Version.AtLeast(v34) {
			return &s.Buffers[i]
		}
	}
	return nil
}

// Expand returns the format's text in this context, without line break. It is
// empty if that would take too much work.
func (f *Format) Expand(c FormatContext) string {
	text, err := f.expand(&c, newFormatWork(1))
	if err != nil {
		return ""
	}
	return text
}

// formatTrue reports whether a format expanded to what tmux takes for true:
// anything but nothing and 0.
func formatTrue(s string) bool { return s != "" && s != "0" }

// formatWork is what is left of the steps that one answer may take. Steps, not
// time, so that the same format is always refused or never.
type formatWork struct{ left int }

const (
	baseFormatWork = 1 << 22 // some tenths of a second
	rowFormatWork  = 256     // more for each row of a list
)

func newFormatWork(rows int) *formatWork {
	return &formatWork{baseFormatWork + rows*rowFormatWork}
}

func (f *Format) expand(c *FormatContext, work *formatWork) (string, error) {
	if c.shared == nil {
		c.shared = &formatIndex{}
	}
	e := &expansion{c: c, version: f.version, work: work}
	text := e.text(f.parts)
	return text, e.err
}

// expansion is one expansion of a format.
type expansion struct {
	c       *FormatContext
	version Version
	work    *formatWork
	err     error
}

// spend takes steps, and reports whether there were enough.
func (e *expansion) spend(steps int) bool {
	if e.work.left -= steps; e.work.left < 0 && e.err == nil {
		e.err = &FormatError{"format takes too much work"}
	}
	return e.err == nil
}

// text expands parts. A part that cannot be expanded at all ends it, as in
// tmux.
func (e *expansion) text(parts []formatNode) string {
	if text, ok := plainParts(parts); ok {
		e.spend(1)
		return text
	}
	var b strings.Builder
	for i := range parts {
		value, ok := e.value(&parts[i])
		if !ok || !e.spend(1+len(value)/64) {
			break
		}
		if b.Len()+len(value) > maxFormatOut {
			e.err = &FormatError{"what the format expands to is too long"}
			break
		}
		b.WriteString(value)
	}
	return b.String()
}

func (e *expansion) value(n *formatNode) (string, bool) {
	value := ""
	switch n.kind {
	case textNode:
		value = n.text
	case varNode:
		value, _ = e.variable(n.variable, &n.mods)
	case nestedNode:
		value = e.text(n.parts[0])
	case condNode:
		value = e.condition(n)
	case compareNode:
		left, right := e.text(n.parts[0]), e.text(n.parts[1])
		if n.op == "m" {
			value = flagText(n.mods.match.match(e, left, right))
		} else {
			value = flagText(compareText(n.op, left, right))
		}
	case boolNode:
		value = flagText(e.all(n.op == "&&", n.parts))
	case notNode:
		value = flagText(!formatTrue(e.text(n.parts[0])))
	case truthNode:
		value = flagText(formatTrue(e.text(n.parts[0])))
	case charNode:
		if c, ok := strtonum(e.text(n.parts[0]), 32, 126); ok {
			value = string(rune(c))
		}
	case repeatNode:
		value = e.repeat(e.text(n.parts[0]), e.text(n.parts[1]))
	case exprNode:
		value = n.mods.expr.calculate(n.op, e.text(n.parts[0]), e.text(n.parts[1]))
	case nameNode:
		var ok bool
		if value, ok = e.named(n.op, e.text(n.parts[0])); !ok {
			return "", false
		}
	case loopNode:
		var ok bool
		if value, ok = e.runLoop(n); !ok {
			return "", false
		}
	}
	return e.modify(&n.mods, value), true
}

// condition returns the value of the first branch that is true.
func (e *expansion) condition(n *formatNode) string {
	for i := range n.branches {
		if e.holds(&n.branches[i], &n.mods) {
			return e.text(n.branches[i].then)
		}
	}
	if len(n.parts) == 0 {
		return ""
	}
	return e.text(n.parts[0])
}

func (e *expansion) holds(b *formatBranch, m *formatMods) bool {
	if b.name != nil {
		if value, ok := e.variable(b.name, m); ok {
			return formatTrue(value)
		}
	}
	found := e.text(b.cond)
	return found != b.raw && formatTrue(found)
}

// all joins truths: by and if every one must hold, else by or.
func (e *expansion) all(every bool, parts [][]formatNode) bool {
	for _, part := range parts {
		if formatTrue(e.text(part)) != every {
			return !every
		}
	}
	return every
}

func (e *expansion) repeat(text, times string) string {
	n, ok := strtonum(times, 1, 10000)
	if !ok {
		return ""
	}
	if int(n)*len(text) > maxFormatMade {
		e.err = &FormatError{"what the format expands to is too long"}
		return ""
	}
	return strings.Repeat(text, int(n))
}

// named reports, as 1 or 0, whether a session or one of the session's windows
// is called so.
func (e *expansion) named(what, name string) (string, bool) {
	if what == "s" {
		e.spend(len(e.c.Snap.Sessions) / 16)
		return flagText(slices.ContainsFunc(e.c.Snap.Sessions, func(s Session) bool { return clean(s.Name) == name })), true
	}
	if e.c.Session == nil {
		return "", false
	}
	e.spend(len(e.c.Session.Links))
	return flagText(slices.ContainsFunc(e.c.Session.Links, func(l Winlink) bool {
		w := e.c.Snap.Window(l.Window)
		return w != nil && clean(w.Name) == name
	})), true
}

// variable returns a variable's value with the modifiers that tmux applies to
// plain variables only; ok is false if it has none here.
func (e *expansion) variable(v *formatVariable, m *formatMods) (string, bool) {
	value, ok := "", false
	if e.version.AtLeast(v.since) {
		value, ok = v.get(e.c)
	}
	value = clean(value)
	if m.isTime {
		return e.timeText(value, m)
	}
	if !ok {
		return "", false
	}
	if m.basename {
		value = path.Base(value)
	}
	if m.dirname {
		value = dirname(value)
	}
	if m.quoteShell {
		value = escapeChars(value, "|&;<>()$`\\\"'*?[# =%", '\\')
	}
	if m.quoteStyle {
		value = escapeChars(value, "#", '#')
	}
	return value, true
}

// dirname is dirname(3): nothing but the last part is taken away.
func dirname(s string) string {
	end := strings.LastIndexByte(strings.TrimRight(s, "/"), '/')
	dir := strings.TrimRight(s[:max(end, 0)], "/")
	switch {
	case dir != "":
		return dir
	case strings.HasPrefix(s, "/"):
		return "/"
	}
	return "."
}

func (e *expansion) timeText(value string, m *formatMods) (string, bool) {
	seconds, err := strconv.ParseInt(value, 10, 64)
	if err != nil || seconds <= 0 {
		return "", false
	}
	zone := e.c.Zone
	if zone == nil {
		zone = time.UTC
	}
	t := time.Unix(seconds, 0).In(zone)
	switch {
	case m.pretty:
		now := e.c.Now
		if now.IsZero() {
			now = time.Unix(e.c.Snap.Now, 0)
		}
		return prettyTime(t, now.In(zone)), true
	case m.timeFormat != nil:
		return Strftime(stripFormat(m.timeFormat.get(e)), t), true
	}
	return t.Format(time.ANSIC), true
}

func escapeChars(s, special string, with byte) string {
	if !strings.ContainsAny(s, special) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(special, s[i]) >= 0 {
			b.WriteByte(with)
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func compareText(op, left, right string) bool {
	switch op {
	case "==":
		return left == right
	case "!=":
		return left != right
	case "<":
		return left < right
	case ">":
		return left > right
	case "<=":
		return left <= right
	}
	return left >= right
}

// get returns the argument's text.
func (a *formatArg) get(e *expansion) string {
	if a.parts == nil {
		return a.text
	}
	return e.text(a.parts)
}

// size returns an argument that is a number of columns.
func (e *expansion) size(a *formatArg) int {
	most := int64(intMax)
	if e.version.AtLeast(v37) {
		most = 10000
	}
	return modNumber(a.get(e), most)
}

// modify does what modifiers do to any value: replace, cut, fill up, measure.
func (e *expansion) modify(m *formatMods, value string) string {
	for i := range m.subs {
		value = m.subs[i].apply(e, value, m.subs[i].with.get(e))
	}
	if (m.limit != nil || m.pad != nil || m.width) && !e.spend(len(value)/4) {
		return "" // what is measured is read character by character
	}
	if m.limit != nil {
		if limit := e.size(m.limit); limit != 0 {
			value = e.cut(m, value, limit)
		}
	}
	if m.pad != nil {
		value = e.fill(value, e.size(m.pad))
	}
	if m.length {
		value = strconv.Itoa(len(value))
	}
	if m.width {
		value = strconv.Itoa(textWidth(value))
	}
	return value
}

func (e *expansion) cut(m *formatMods, value string, limit int) string {
	short := trimWidth(value, limit)
	if m.marker == nil || short == value {
		return short
	}
	if limit > 0 {
		return short + m.marker.get(e)
	}
	return m.marker.get(e) + short
}

func (e *expansion) fill(value string, columns int) string {
	missing := max(columns, -columns) - plainWidth(value)
	if missing <= 0 {
		return value
	}
	if missing > maxFormatMade {
		e.err = &FormatError{"what the format expands to is too long"}
		return value
	}
	if columns > 0 {
		return value + strings.Repeat(" ", missing)
	}
	return strings.Repeat(" ", missing) + value
}

// clean makes a value fit for a terminal and for one line.
func clean(s string) string {
	if plainText(s) {
		return s
	}
	return strings.ReplaceAll(Clean(s), "\n", "?")
}

func plainText(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
