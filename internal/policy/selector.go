package policy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

// Selector names objects in policy files:
//
//   - the host, and so everything
//     alice            alice's server
//     alice/work       her session work
//     alice/*          every session of hers, but not the server itself
//     alice/work*      her sessions whose name begins with work
//     alice/work:1     the window with index 1 in that session
//     alice/work:1.2   the pane with index 2 in that window
//
// A star stands only at the end of a session's name. Ids such as %3 name
// nothing beyond one life of a server, and programs in panes choose the names
// of windows: neither can be written.
type Selector struct {
	Kind  access.Kind
	Owner string
	// Session is the session's name, or its beginning if Prefix is set.
	Session string
	Prefix  bool
	Window  int
	Pane    int
}

// maxSession is the longest session name in a selector, maxSelector the
// longest selector, in bytes.
const (
	maxSession  = 128
	maxSelector = 256
)

// maxIndex is the greatest index of a window or pane in a selector.
const maxIndex = 1<<31 - 1

// ParseSelector reads a selector. The error says what is wrong with it and
// what to write instead.
func ParseSelector(s string) (Selector, error) {
	if len(s) > maxSelector {
		return Selector{}, fmt.Errorf("the selector has %d bytes; use at most %d", len(s), maxSelector)
	}
	if err := checkText("the selector", s); err != nil {
		return Selector{}, err
	}
	switch {
	case s == "":
		return Selector{}, errors.New(`the selector is empty; write "*", OWNER, OWNER/SESSION, OWNER/SESSION:WINDOW or OWNER/SESSION:WINDOW.PANE`)
	case s == "*":
		return Selector{Kind: access.Host}, nil
	case strings.ContainsRune("%@$", rune(s[0])):
		return Selector{}, fmt.Errorf("the id %q names nothing once the server restarts; name the session and the indexes instead, as alice/work:1.2", s)
	}
	owner, rest, below := strings.Cut(s, "/")
	if !below && strings.ContainsAny(s, ":.") && strings.ContainsRune(s, ':') {
		return Selector{}, fmt.Errorf("%q does not say whose session it is; write OWNER/%s", s, s)
	}
	if _, err := identity.CanonicalName(owner); err != nil {
		return Selector{}, fmt.Errorf("the owner in %q is no name: %w", s, err)
	}
	sel := Selector{Kind: access.Server, Owner: owner}
	if !below {
		return sel, nil
	}
	return parseBelow(sel, rest)
}

// parseBelow reads what follows the owner: SESSION[:WINDOW[.PANE]].
func parseBelow(sel Selector, rest string) (Selector, error) {
	name, indexes, hasIndex := strings.Cut(rest, ":")
	sel.Kind = access.Session
	if err := checkSession(name); err != nil {
		return Selector{}, err
	}
	if sel.Session, sel.Prefix = strings.CutSuffix(name, "*"); strings.Contains(sel.Session, "*") {
		return Selector{}, fmt.Errorf("a star stands only at the end of a session's name, not as in %q", name)
	}
	if !hasIndex {
		return sel, nil
	}
	if sel.Prefix {
		return Selector{}, fmt.Errorf("a star ends the selector: %q can have no window after it", name)
	}
	window, pane, hasPane := strings.Cut(indexes, ".")
	var err error
	if sel.Window, err = parseIndex("window", window); err != nil {
		return Selector{}, err
	}
	sel.Kind = access.Window
	if !hasPane {
		return sel, nil
	}
	if sel.Pane, err = parseIndex("pane", pane); err != nil {
		return Selector{}, err
	}
	sel.Kind = access.Pane
	return sel, nil
}

func checkSession(name string) error {
	switch {
	case name == "":
		return errors.New("the session's name is empty; write OWNER/SESSION, or OWNER/* for all of them")
	case len(name) > maxSession:
		return fmt.Errorf("the session's name has %d bytes; use at most %d", len(name), maxSession)
	case strings.ContainsRune("%@$", rune(name[0])):
		return fmt.Errorf("the id %q names nothing once the server restarts; name the session instead", name)
	case name[0] == '=':
		return fmt.Errorf("names in policy files are always exact: leave out the = of %q", name)
	case strings.Contains(name, "."):
		return fmt.Errorf("a session's name holds no dot, as in %q; a pane is written SESSION:WINDOW.PANE", name)
	}
	return nil
}

func parseIndex(what, s string) (int, error) {
	n, err := strconv.Atoi(s)
	switch {
	case s != "" && strings.ContainsRune("%@", rune(s[0])):
		return 0, fmt.Errorf("the id %q names nothing once the server restarts; give the %s's index", s, what)
	case err != nil || n < 0 || n > maxIndex || strconv.Itoa(n) != s:
		return 0, fmt.Errorf("%q is no index of a %s; write a number (names of windows are set by the programs in them, and so never match)", s, what)
	}
	return n, nil
}

// String gives the selector as it is written in files.
func (s Selector) String() string {
	if s.Kind == access.Host {
		return "*"
	}
	b := s.Owner
	if s.Kind >= access.Session {
		b += "/" + s.Session
		if s.Prefix {
			b += "*"
		}
	}
	if s.Kind >= access.Window {
		b += ":" + strconv.Itoa(s.Window)
	}
	if s.Kind >= access.Pane {
		b += "." + strconv.Itoa(s.Pane)
	}
	return b
}

// Object gives an object that the selector names, with all ids zero: for
// questions about policy rather than about a running server. A selector with
// a star gives the session whose name is what stands before the star.
func (s Selector) Object() access.Object {
	o := access.Object{Kind: s.Kind, Owner: s.Owner}
	if s.Kind >= access.Session {
		o.Session.Name = s.Session
	}
	if s.Kind >= access.Window {
		o.Session.Index = s.Window
	}
	if s.Kind >= access.Pane {
		o.Pane.Index = s.Pane
	}
	return o
}

// name writes the path by which o was reached as a selector: what entities
// are called in Cedar.
func name(o access.Object) string {
	switch o.Kind {
	case access.Host:
		return "*"
	case access.Server:
		return o.Owner
	case access.Session:
		return o.Owner + "/" + o.Session.Name
	}
	var buf [96]byte
	b := append(buf[:0], o.Owner...)
	b = append(append(b, '/'), o.Session.Name...)
	b = strconv.AppendInt(append(b, ':'), int64(o.Session.Index), 10)
	if o.Kind == access.Pane {
		b = strconv.AppendInt(append(b, '.'), int64(o.Pane.Index), 10)
	}
	return string(b)
}
