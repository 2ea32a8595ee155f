package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/audit"
	"github.com/muxward/muxward/internal/guard"
	"github.com/muxward/muxward/internal/tmux"
)

// leftBehind is what goes on that a person began, as far as it is known.
type leftBehind struct {
	Person string `json:"person"`
	// Since is the time of the first of the Records of the log that were read. Notes say
	// what was not looked at.
	Since   time.Time   `json:"since"`
	Records int         `json:"records"`
	Notes   []string    `json:"notes,omitempty"`
	Things  []leftThing `json:"things"`
	// More is how many further things were left out.
	More int `json:"more,omitempty"`
}

// leftThing is one of them. It is theirs for sure, or may be.
type leftThing struct {
	Sure bool   `json:"sure"`
	Kind string `json:"kind"`
	// On is where it is, by ids, and Name the same in words.
	On   string    `json:"on"`
	Name string    `json:"name,omitempty"`
	When time.Time `json:"when"`
	// Command is what they asked for, and Note why it is not sure.
	Command   []string      `json:"command,omitempty"`
	Note      string        `json:"note,omitempty"`
	Processes []leftProcess `json:"processes,omitempty"`
	// Hangup says what came of ending it, if that was asked for.
	Hangup string `json:"hangup,omitempty"`

	place *leftServer
	pane  *tmux.Pane
}

// leftServer is a server that runs, with its state.
type leftServer struct {
	server *guard.Server
	snap   *tmux.Snapshot
}

// Kinds of things. The first is ended by --hangup.
const (
	leftPane    = "pane"
	leftProgram = "program"
	leftPipe    = "pipe"
	leftJob     = "job"
	leftBuffer  = "buffer"
	leftTyped   = "typed in"
	leftGrant   = "grant"
)

// leavesBehind says what kind of thing a command leaves, "" if it leaves none.
func leavesBehind(command string) string {
	switch command {
	case "new-session", "new-window", "split-window", "new-pane":
		return leftPane
	case "respawn-pane", "respawn-window":
		return leftProgram
	case "pipe-pane":
		return leftPipe
	case "run-shell", "if-shell", "source-file", "display-popup":
		return leftJob
	case "set-buffer", "load-buffer", "capture-pane":
		return leftBuffer
	case "send-keys", "send-prefix", "paste-buffer":
		return leftTyped
	case "set-hook":
		return "hook"
	case "bind-key", "unbind-key":
		return "binding"
	case "set-option", "set-window-option":
		return "option"
	case "set-environment":
		return "environment"
	case "server-access":
		return "access list"
	}
	return ""
}

// note says once what was not looked at.
func (l *leftBehind) note(text string) {
	if !slices.Contains(l.Notes, text) {
		l.Notes = append(l.Notes, text)
	}
}

// leftReader goes through the log for what one person has left.
type leftReader struct {
	person  string
	scope   access.Object
	servers map[string]*leftServer // by their lives, as the log writes them
	asked   map[uint64]leftIntent  // whose outcome is not read yet
	typed   map[string]leftThing   // the last of each pane
	things  []leftThing
}

// leftIntent is an intent.
type leftIntent struct {
	command, objects []string
	when             time.Time
	server           string
}

// read takes one record.
func (r *leftReader) read(rec *audit.Record) {
	if rec.Person != audit.Escape(r.person) {
		return
	}
	switch rec.Kind {
	case access.EventIntent:
		if len(rec.Executed) > 0 && leavesBehind(rec.Executed[0]) != "" && r.servers[rec.Server] != nil {
			r.asked[rec.Seq] = leftIntent{slices.Clone(rec.Executed), slices.Clone(rec.Objects), rec.Time, rec.Server}
		}
	case access.EventOutcome, access.EventAttach, access.EventUnknown:
		in, known := r.asked[rec.Ref]
		if !known {
			return
		}
		delete(r.asked, rec.Ref)
		if rec.Kind == access.EventUnknown {
			r.unknown(in)
		} else if rec.Exit == nil || *rec.Exit == 0 {
			r.done(in, rec.Objects)
		}
	case access.EventKeys:
		for _, o := range rec.Objects {
			r.typing(r.servers[rec.Server], o, rec.Time)
		}
	}
}

// rest takes what has no outcome in the log.
func (r *leftReader) rest() {
	for _, in := range r.asked {
		r.unknown(in)
	}
	for _, t := range r.typed {
		r.things = append(r.things, t)
	}
	slices.SortStableFunc(r.things, func(a, b leftThing) int { return a.When.Compare(b.When) })
}

func (r *leftReader) unknown(in leftIntent) {
	r.add(leftThing{Kind: leavesBehind(in.command[0]), Note: "what became of it is not in the log"}, in, objectOf(in.objects))
}

// done takes a command that was carried out; made are the panes that were new then.
func (r *leftReader) done(in leftIntent, made []string) {
	t := leftThing{Sure: true, Kind: leavesBehind(in.command[0])}
	place := r.servers[in.server]
	switch t.Kind {
	case leftPane:
		if len(made) != 1 {
			t.Sure, t.Note = false, "several were new when it had run: one of them is theirs"
		}
		if len(made) == 0 {
			t.Note = "what it made was gone at once, or not seen"
			r.add(t, in, place.server.Owner())
		}
		for _, o := range made {
			if paneIn(place, o) != nil {
				r.add(t, in, o)
			}
		}
	case leftTyped:
		r.typing(place, objectOf(in.objects), in.when)
	case leftPipe:
		if p := paneIn(place, objectOf(in.objects)); p != nil && p.Piped {
			r.add(t, in, objectOf(in.objects))
		}
	case leftProgram:
		t.Sure, t.Note = false, "others may have begun another one there since"
		if paneIn(place, objectOf(in.objects)) != nil {
			r.add(t, in, objectOf(in.objects))
		}
	case leftJob:
		t.Sure, t.Note = false, "whether it goes on is not known"
		r.add(t, in, objectOf(in.objects))
	case leftBuffer:
		r.buffer(t, in, place)
	default:
		r.add(t, in, objectOf(in.objects))
	}
}

// buffer takes what makes a buffer. One without a name is called by a number that is
// not in the log.
func (r *leftReader) buffer(t leftThing, in leftIntent, place *leftServer) {
	prints := slices.ContainsFunc(in.command[1:], func(w string) bool { return strings.HasPrefix(w, "-p") })
	if in.command[0] == "capture-pane" && prints {
		return
	}
	if i := slices.Index(in.command, "-b"); i >= 0 && i+1 < len(in.command) {
		name := in.command[i+1]
		if !slices.ContainsFunc(place.snap.Buffers, func(b tmux.Buffer) bool { return audit.Escape(b.Name) == name }) {
			return
		}
	} else {
		t.Sure, t.Note = false, "which of the buffers it is is not known"
	}
	r.add(t, in, place.server.Owner())
}

// typing notes that they typed into a pane.
func (r *leftReader) typing(place *leftServer, o string, when time.Time) {
	if place == nil || !r.within(place, o) {
		return
	}
	pane := paneIn(place, o)
	if pane == nil && strings.Contains(o, "%") {
		return
	}
	t := leftThing{Kind: leftTyped, On: o, When: when, place: place, pane: pane, Note: "others may have begun what runs there"}
	if pane == nil {
		t.Note = "they hold every verb there: what they began by keys of their own display is not known"
	}
	r.typed[place.server.Incarnation()+o] = t
}

// add takes a thing if it is in what was asked about.
func (r *leftReader) add(t leftThing, in leftIntent, o string) {
	place := r.servers[in.server]
	if !r.within(place, o) {
		return
	}
	t.On, t.When, t.Command, t.place = o, in.when, in.command, place
	if t.Kind == leftPane || t.Kind == leftProgram || t.Kind == leftPipe {
		t.pane = paneIn(place, o)
	}
	r.things = append(r.things, t)
}

// within reports whether an object, as the log writes it, lies in what was asked about.
// Of a pane it is looked up where it is now.
func (r *leftReader) within(place *leftServer, o string) bool {
	s := r.scope
	if s.Kind == access.Host {
		return true
	}
	if place.server.Owner() != s.Owner {
		return false
	}
	if s.Kind == access.Server {
		return true
	}
	pane := paneIn(place, o)
	if pane == nil {
		rest, ok := strings.CutPrefix(o, s.String())
		return ok && (rest == "" || strings.ContainsRune(":.", rune(rest[0])))
	}
	inSession := slices.ContainsFunc(place.snap.SessionsOf(pane.Window), func(t *tmux.Session) bool { return uint32(t.ID) == s.Session.ID })
	return inSession && (s.Kind < access.Window || uint32(pane.Window) == s.Window.ID) && (s.Kind < access.Pane || uint32(pane.ID) == s.Pane.ID)
}

// objectOf gives the narrowest of the objects that a command was decided on.
func objectOf(objects []string) string {
	best := ""
	for _, o := range objects {
		if len(o) > len(best) {
			best = o
		}
	}
	return best
}

// paneIn gives the pane that an object names, nil if there is none any more.
func paneIn(place *leftServer, o string) *tmux.Pane {
	i := strings.LastIndexByte(o, '%')
	if i < 0 {
		return nil
	}
	id, err := tmux.ParsePaneID(o[i:])
	if err != nil {
		return nil
	}
	return place.snap.Pane(id)
}

// nameOf gives where a pane is in words.
func nameOf(place *leftServer, pane *tmux.Pane) string {
	for _, s := range place.snap.SessionsOf(pane.Window) {
		for _, l := range s.Links {
			if l.Window == pane.Window {
				return fmt.Sprintf("%s/%s:%d.%d", place.server.Owner(), tmux.Clean(s.Name), l.Index, pane.Index)
			}
		}
	}
	return ""
}
