package access

import (
	"fmt"
	"strings"
)

// Kind says what an Object is.
type Kind uint8

// The kinds, from the widest to the narrowest: each lies in the one before.
const (
	Host Kind = iota
	Server
	Session
	Window
	Pane
)

// String gives the kind's word.
func (k Kind) String() string {
	if int(k) < len(kindWords) {
		return kindWords[k]
	}
	return "object"
}

var kindWords = [...]string{"host", "server", "session", "window", "pane"}

// Object is a thing that a verb is done to: a host, server, session, window
// or pane, named by the ids of one incarnation of one server (ids are reused
// by the next incarnation, so an id alone names nothing).
//
// A narrower kind carries its whole path: a pane has its window, session and
// server. The zero Object is the host.
type Object struct {
	Kind Kind
	// Owner is the person whose server it is. It is also the first part of
	// the name at other people's doors: owner/session.
	Owner string
	// Incarnation tells this life of the server from the next one.
	Incarnation string
	// Session is the session by which the object was reached.
	Session SessionRef
	// Links are the other sessions that hold the same window: a forbid on
	// any of them counts, a permit on one of them does not.
	Links  []SessionRef
	Window WindowRef
	Pane   PaneRef
	// Reach is set for what is on this host and no tmux: the object is then that, and
	// its kind is Host. It is not changed.
	Reach *Reach
}

// SessionRef names a session: the id binds, the name is for selectors of
// standing grants and for people.
type SessionRef struct {
	ID   uint32
	Name string
	// Index is the place of the object's window in that session.
	Index int
}

// WindowRef names a window. Names of windows are set by programs in panes
// and so are no part of an object.
type WindowRef struct{ ID uint32 }

// PaneRef names a pane; Index is its place in the window.
type PaneRef struct {
	ID    uint32
	Index int
}

// String names the object for people and logs, by ids, for example
// alice/$1:@3.%7 .
func (o Object) String() string {
	var b strings.Builder
	switch {
	case o.Kind == Host && o.Reach != nil:
		return "host:" + o.Reach.String()
	case o.Kind == Host:
		return "host"
	case o.Kind >= Server:
		b.WriteString(o.Owner)
	}
	if o.Kind >= Session {
		fmt.Fprintf(&b, "/$%d", o.Session.ID)
	}
	if o.Kind >= Window {
		fmt.Fprintf(&b, ":@%d", o.Window.ID)
	}
	if o.Kind >= Pane {
		fmt.Fprintf(&b, ".%%%d", o.Pane.ID)
	}
	return b.String()
}

// Up gives the object one kind wider, down to the host.
func (o Object) Up() Object {
	switch o.Kind {
	case Pane:
		o.Pane = PaneRef{}
	case Window:
		o.Window, o.Links, o.Session.Index = WindowRef{}, nil, 0
	case Session:
		o.Session = SessionRef{}
	case Server:
		o.Owner, o.Incarnation = "", ""
	}
	if o.Kind > Host {
		o.Kind--
	}
	return o
}

// Key identifies an object for caches and maps, with everything a decision
// may rest on except Links.
type Key struct {
	Kind        Kind
	Owner       string
	Incarnation string
	Session     SessionRef
	Window      WindowRef
	Pane        PaneRef
	Reach       *Reach
}

// Key gives the object's key.
func (o Object) Key() Key {
	return Key{o.Kind, o.Owner, o.Incarnation, o.Session, o.Window, o.Pane, o.Reach}
}
