package executor

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/muxward/muxward/internal/tmux"
)

// notice is a notification of control mode as a guest gets it.
type notice struct {
	// What it is about: whoever may not view each of them is not told. Windows
	// stand for all of their panes.
	session *tmux.SessionID
	window  *tmux.WindowID
	pane    *tmux.PaneID
	// line is what is shown, without a newline. If it names a session, the name
	// stands between line and nothing, as its owner's.
	line  string
	named string
	// layout is the window's, if that is told; renamed is set for its name,
	// which stands behind line then.
	layout  string
	renamed bool
	// closed is set when what it is about has gone.
	closed bool
	// drawn is set for what a pane has drawn.
	drawn bool
	// at is which of the notifications that came together it is.
	at int
	// listed is set for one that says only that there are other sessions now.
	listed bool
}

// subjects are the notifications that a guest is told of, and what their
// first words are about: $ a session, @ a window, % a pane. The rest of each is
// a for data of a pane, l for a layout, n for a name, s for a session's name,
// and empty for nothing. Whatever is not here is not for guests.
var subjects = map[string]string{
	"output":                 "%a",
	"extended-output":        "%a",
	"pause":                  "%",
	"continue":               "%",
	"pane-mode-changed":      "%",
	"layout-change":          "@l",
	"window-add":             "@",
	"window-close":           "@",
	"window-renamed":         "@n",
	"window-pane-changed":    "@%",
	"session-changed":        "$s",
	"session-renamed":        "$s",
	"session-window-changed": "$@",
	"sessions-changed":       "",
}

// readNotice reads a notification for a guest. It takes only what has exactly
// the form that tmux gives it, and writes it anew.
func readNotice(l []byte) (n notice, ok bool) {
	if !bytes.HasPrefix(l, []byte("%")) {
		return n, false
	}
	kind, rest, more := strings.Cut(string(l[1:]), " ")
	form, known := subjects[kind]
	if !known || more == (form == "") {
		return n, false
	}
	n.line = "%" + kind
	n.closed, n.listed = kind == "window-close", kind == "sessions-changed"
	for form != "" {
		switch form[0] {
		case '$', '@', '%':
			var id string
			if id, rest, more = strings.Cut(rest, " "); !n.about(form[0], id) {
				return n, false
			}
			n.line += " " + id
		case 'a':
			n.drawn = true
			return n, more && n.data(kind, rest)
		case 'l':
			n.line += " " + tmux.Clean(rest)
			n.layout, _, _ = strings.Cut(rest, " ")
			return n, more && plainLayout(rest)
		case 'n':
			n.renamed = true
			return n, more
		case 's':
			n.named = tmux.Clean(rest)
			return n, more && rest != "" // a session has a name
		}
		form = form[1:]
	}
	return n, !more
}

// about notes one thing that the notification is about.
func (n *notice) about(mark byte, id string) bool {
	switch mark {
	case '$':
		s, err := tmux.ParseSessionID(id)
		n.session = &s
		return err == nil
	case '@':
		w, err := tmux.ParseWindowID(id)
		n.window = &w
		return err == nil
	}
	p, err := tmux.ParsePaneID(id)
	n.pane = &p
	return err == nil
}

// data takes what a pane has drawn. Bytes that a terminal would obey by
// themselves, and what turns the direction of writing, are written as octal,
// which says the same.
func (n *notice) data(kind, rest string) bool {
	if kind == "extended-output" {
		age, drawn, ok := strings.Cut(rest, " : ")
		if !ok || strings.Trim(age, "0123456789") != "" {
			return false
		}
		n.line += " " + age + " :"
		rest = drawn
	}
	n.line += " " + octal(rest)
	return true
}

func octal(s string) string {
	clean := true
	for _, c := range s {
		if obeyed(c) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		c, size := utf8.DecodeRuneInString(s)
		if obeyed(c) {
			for i := range size {
				fmt.Fprintf(&b, `\%03o`, s[i])
			}
		} else {
			b.WriteString(s[:size])
		}
		s = s[size:]
	}
	return b.String()
}

// obeyed reports whether a terminal does more with a character than draw it.
func obeyed(c rune) bool {
	return c == utf8.RuneError || unicode.IsControl(c) || unicode.In(c, unicode.Bidi_Control, unicode.Zl, unicode.Zp)
}

// plainLayout: two layouts and the marks of a window.
func plainLayout(s string) bool {
	return strings.Trim(s, "0123456789abcdef,x[]{}<> *-#!~MZ") == ""
}
