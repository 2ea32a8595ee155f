package tmux

import (
	"path"
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
	Line    int            // number of the row in a list
	UID     int            // of the server
	Host    string         // name of the server's host
	Zone    *time.Location // of the server; nil for UTC
}

// ContextOf returns the context of what a target names, filled up the way tmux
// does: the session's current window, the window's active pane.
func ContextOf(snap *Snapshot, f Found) FormatContext {
	c := FormatContext{Snap: snap, Session: f.Session, Link: f.Link, Window: f.Window, Pane: f.Pane}
	if c.Link == nil && c.Session != nil {
		c.Link = c.Session.CurrentLink()
	}
	if c.Link != nil {
		c.Window = snap.Window(c.Link.Window)
	}
	if c.Pane == nil {
		c.Pane = snap.ActivePane(c.Window)
	}
	return c
}

// Expand returns the format's text in this context, without line break.
func (f *Format) Expand(c FormatContext) string {
	var b strings.Builder
	c.expand(&b, f.parts)
	return b.String()
}

// formatTrue reports whether a format expanded to what tmux takes for true:
// anything but nothing and 0.
func formatTrue(s string) bool { return s != "" && s != "0" }

func (c *FormatContext) expand(b *strings.Builder, parts []formatNode) {
	for i := range parts {
		if b.Len() > maxFormatOut {
			return
		}
		b.WriteString(c.value(&parts[i]))
	}
}

func (c *FormatContext) text(parts []formatNode) string {
	var b strings.Builder
	c.expand(&b, parts)
	return b.String()
}

func (c *FormatContext) value(n *formatNode) string {
	var value string
	switch n.kind {
	case textNode:
		value = n.text
	case varNode:
		value = c.variable(n.variable, n.mods)
	case nestedNode:
		value = c.text(n.left)
	case condNode:
		cond := c.text(n.cond)
		if formatTrue(cond) && (n.text == "" || cond != n.text) {
			value = c.text(n.left)
		} else {
			value = c.text(n.right)
		}
	case compareNode:
		value = "0"
		if compareText(n.op, c.text(n.left), c.text(n.right)) {
			value = "1"
		}
	}
	return n.mods.apply(value)
}

// variable returns a variable's value with the modifiers that tmux applies to
// plain variables only.
func (c *FormatContext) variable(v *formatVariable, m formatMods) string {
	value := clean(v.get(c))
	if m.isTime {
		return c.timeText(value, m)
	}
	if v.isTime && value == "0" {
		value = ""
	}
	if m.basename && value != "" {
		value = path.Base(value)
	}
	if m.dirname && value != "" {
		value = path.Dir(value)
	}
	if m.quoteShell {
		value = escapeChars(value, "|&;<>()$`\\\"'*?[# =%", '\\')
	}
	if m.quoteStyle {
		value = escapeChars(value, "#", '#')
	}
	return value
}

func (c *FormatContext) timeText(value string, m formatMods) string {
	seconds, err := strconv.ParseInt(value, 10, 64)
	if err != nil || seconds <= 0 {
		return ""
	}
	zone := c.Zone
	if zone == nil {
		zone = time.UTC
	}
	t := time.Unix(seconds, 0).In(zone)
	if m.hasFormat {
		return Strftime(m.timeFormat, t)
	}
	return t.Format(time.ANSIC)
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
	case "||":
		return formatTrue(left) || formatTrue(right)
	case "&&":
		return formatTrue(left) && formatTrue(right)
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
	case ">=":
		return left >= right
	}
	return fnmatch(left, right) // m
}

// apply does what modifiers do to any value: cut, fill up, measure.
func (m *formatMods) apply(value string) string {
	if m.limit != 0 {
		if cut := trimWidth(value, m.limit); cut != value {
			switch {
			case m.limit > 0:
				value = cut + m.marker
			default:
				value = m.marker + cut
			}
		}
	}
	if fill := m.pad; fill != 0 {
		wide := textWidth(value)
		switch {
		case fill > wide:
			value += strings.Repeat(" ", min(fill-wide, maxFormatOut))
		case -fill > wide:
			value = strings.Repeat(" ", min(-fill-wide, maxFormatOut)) + value
		}
	}
	if m.length {
		value = strconv.Itoa(len(value))
	}
	if m.width {
		value = strconv.Itoa(textWidth(value))
	}
	return value
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
