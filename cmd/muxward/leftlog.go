package main

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/audit"
	"github.com/muxward/muxward/internal/guard"
	"github.com/muxward/muxward/internal/tmux"
)

// leftLife is one life of a server, with its state. Whatever the log tells of another
// one is not there any more.
type leftLife struct {
	owner string
	snap  *tmux.Snapshot
	// server is the one that was asked.
	server *guard.Server
}

// leftPane is a pane that somebody has made, or in which they may have begun something.
type leftPane struct {
	// Sure means that tmux has said that their command made it, and that nobody else
	// has begun a program in it since, as far as muxward was asked for that.
	Sure bool   `json:"sure"`
	Pane string `json:"pane"`
	// Name is where it is now, PID its first process, and Runs what runs in it now.
	Name string    `json:"name"`
	PID  int       `json:"pid"`
	Runs string    `json:"runs,omitempty"`
	When time.Time `json:"when"`
	Note string    `json:"note,omitempty"`
	// Hangup says what came of ending it, if that was asked for.
	Hangup string `json:"hangup,omitempty"`

	life *leftLife
	pane *tmux.Pane
}

// leftAct is what else they asked for that may go on, or stand: what became of it, and
// what others made of it since, is not looked at.
type leftAct struct {
	Kind string    `json:"kind"`
	By   string    `json:"by"`
	On   string    `json:"on"`
	Last time.Time `json:"last"`
	// Times is how often.
	Times int    `json:"times"`
	Note  string `json:"note,omitempty"`

	life *leftLife
}

// leaves says what a command may leave, "" if nothing that stays.
func leaves(command string) string {
	switch command {
	case "new-session", "new-window", "split-window", "new-pane":
		return "pane"
	case "respawn-pane", "respawn-window":
		return "program"
	case "pipe-pane":
		return "pipe"
	case "run-shell", "if-shell", "source-file", "display-popup", "confirm-before", "command-prompt", "display-menu":
		return "job"
	case "set-buffer", "load-buffer", "capture-pane":
		return "buffer"
	case "send-keys", "send-prefix", "paste-buffer":
		return "typed"
	case "set-hook":
		return "hook"
	case "bind-key", "unbind-key":
		return "binding"
	case "set-option", "set-window-option":
		return "option"
	case "set-environment":
		return "environment"
	case "server-access":
		return "access"
	}
	return ""
}

// leftIntent is a command of theirs whose outcome has not been read yet.
type leftIntent struct {
	life *leftLife
	name string
	on   string
	when time.Time
}

type leftKey struct {
	life *leftLife
	pane tmux.PaneID
}

type actKey struct {
	life           *leftLife
	name, on, note string
}

// mostActs is how many different acts are kept. Panes are as many as there are.
const mostActs = 1000

// leftReader goes through the log for what one person has left.
type leftReader struct {
	person string
	lives  map[string]*leftLife // as the log writes them
	asked  map[uint64]leftIntent
	panes  map[leftKey]*leftPane
	acts   map[actKey]*leftAct
	// typed are the panes that they typed in, or made, and direct the servers at which
	// they typed at a display that takes keys itself, in whatever was shown there. What is
	// asked for from inside may be theirs.
	typed  map[leftKey]bool
	direct map[*leftLife]bool
	more   int // acts that were left out
}

func newLeftReader(person string) *leftReader {
	return &leftReader{
		person: audit.Escape(person), lives: map[string]*leftLife{}, asked: map[uint64]leftIntent{},
		panes: map[leftKey]*leftPane{}, acts: map[actKey]*leftAct{}, typed: map[leftKey]bool{},
		direct: map[*leftLife]bool{},
	}
}

// wants reports whether a line of the log may matter.
func (r *leftReader) wants(line []byte) bool {
	return bytes.Contains(line, []byte(`"person":"`+r.person+`"`)) ||
		bytes.Contains(line, []byte(`"inside":"`)) || bytes.Contains(line, []byte(`"respawn-`))
}

// read takes one record.
func (r *leftReader) read(rec *audit.Record) {
	life := r.lives[rec.Server]
	if life == nil {
		return
	}
	theirs := rec.Person == r.person
	switch rec.Kind {
	case access.EventIntent:
		if len(rec.Executed) > 0 {
			r.intent(life, rec, theirs)
		}
	case access.EventOutcome, access.EventAttach, access.EventUnknown:
		if theirs {
			r.outcome(life, rec)
		} else if from := r.inside(life, rec.Inside); from != "" {
			r.made(life, rec, "made from inside "+from+", where they may have typed")
		}
	case access.EventKeys, access.EventKey:
		if theirs {
			r.keys(life, rec.Objects)
		}
	}
}

func (r *leftReader) intent(life *leftLife, rec *audit.Record, theirs bool) {
	name := rec.Executed[0]
	kind := leaves(name)
	if kind == "program" {
		r.respawned(life, rec, theirs)
	}
	if !theirs || kind == "" {
		return
	}
	if kind == "typed" {
		r.keys(life, rec.Objects)
	}
	in := leftIntent{life: life, name: name, when: rec.Time}
	if len(rec.Objects) > 0 {
		in.on = rec.Objects[0]
	}
	r.asked[rec.Seq] = in
}

// outcome takes how a command of theirs ended. One that failed, or was not waited for,
// may have been done.
func (r *leftReader) outcome(life *leftLife, rec *audit.Record) {
	in, known := r.asked[rec.Ref]
	delete(r.asked, rec.Ref)
	switch {
	case r.made(life, rec, ""), !known:
	case rec.Kind == access.EventUnknown || rec.Exit == nil:
		r.act(in, "what became of it is not in the log")
	case *rec.Exit != 0:
		r.act(in, "it failed, or was not waited for")
	case leaves(in.name) == "pane":
		r.act(in, "tmux has not said what it made")
	default:
		r.act(in, "")
	}
}

// made takes what a command has made, and reports whether the record says so. A note
// makes it unsure. What has gone is not kept.
func (r *leftReader) made(life *leftLife, rec *audit.Record, note string) bool {
	if rec.Exit == nil || len(rec.Verbs) > 0 { // what a permit in use has noted
		return false
	}
	for _, o := range rec.Objects {
		_, id := idsOf(o)
		pane := life.snap.Pane(id.n)
		if !id.given || pane == nil {
			continue
		}
		key := leftKey{life, pane.ID}
		r.typed[key] = true
		if r.panes[key] == nil || note == "" {
			r.panes[key] = &leftPane{Sure: note == "", When: rec.Time, Note: note, life: life, pane: pane}
		}
	}
	return len(rec.Objects) > 0
}

// respawned takes that somebody began another program in a pane, or in a window.
func (r *leftReader) respawned(life *leftLife, rec *audit.Record, theirs bool) {
	for _, o := range rec.Objects {
		window, id := idsOf(o)
		pane := life.snap.Pane(id.n)
		if id.given && pane == nil || !id.given && !window.given {
			continue
		}
		if theirs && id.given && r.panes[leftKey{life, pane.ID}] == nil {
			r.panes[leftKey{life, pane.ID}] = &leftPane{When: rec.Time, Note: "they began a program in it, and have not made it", life: life, pane: pane}
		}
		for key, p := range r.panes {
			if !theirs && key.life == life && (id.given && key.pane == id.n || !id.given && p.pane.Window == window.n) {
				p.Sure, p.Note = false, "somebody else began a program in it since"
			}
		}
	}
}

// keys takes where they typed.
func (r *leftReader) keys(life *leftLife, objects []string) {
	known := false
	for _, o := range objects {
		if _, pane := idsOf(o); pane.given {
			known = true
			r.typed[leftKey{life, pane.n}] = true
		}
	}
	if !known {
		r.direct[life] = true
	}
}

// inside gives the pane that a request came from, if they may have typed there.
func (r *leftReader) inside(life *leftLife, inside string) string {
	id, ok := strings.CutPrefix(inside, audit.Escape(life.owner)+"/")
	pane, err := tmux.ParsePaneID(id)
	if !ok || err != nil || !r.typed[leftKey{life, pane}] && !r.direct[life] {
		return ""
	}
	return id
}

// act keeps a command of theirs, once for all alike.
func (r *leftReader) act(in leftIntent, note string) {
	key := actKey{in.life, in.name, in.on, note}
	a := r.acts[key]
	if a == nil && len(r.acts) >= mostActs {
		r.more++
		return
	}
	if a == nil {
		a = &leftAct{Kind: leaves(in.name), By: in.name, On: in.on, Note: note, life: in.life}
		r.acts[key] = a
	}
	a.Times++
	if in.when.After(a.Last) {
		a.Last = in.when
	}
}

// rest takes what has no outcome in the log, and gives all in order.
func (r *leftReader) rest() ([]*leftPane, []*leftAct) {
	for _, in := range r.asked {
		r.act(in, "what became of it is not in the log")
	}
	panes := slices.SortedFunc(maps.Values(r.panes), func(a, b *leftPane) int {
		return cmp.Or(a.When.Compare(b.When), cmp.Compare(a.life.owner, b.life.owner), cmp.Compare(a.pane.ID, b.pane.ID))
	})
	acts := slices.SortedFunc(maps.Values(r.acts), func(a, b *leftAct) int {
		return cmp.Or(a.Last.Compare(b.Last), cmp.Compare(a.By, b.By), cmp.Compare(a.On, b.On), cmp.Compare(a.Note, b.Note))
	})
	return panes, acts
}

// numbered is an id of an object, if that has one.
type numbered[T any] struct {
	n     T
	given bool
}

// idsOf reads the window and the pane of an object as the log has it: alice/$1:@2.%3 ,
// or less of it.
func idsOf(o string) (window numbered[tmux.WindowID], pane numbered[tmux.PaneID]) {
	_, ids, _ := strings.Cut(o, "/")
	ids, p, _ := strings.Cut(ids, ".")
	_, w, _ := strings.Cut(ids, ":")
	var err error
	window.n, err = tmux.ParseWindowID(w)
	window.given = err == nil
	pane.n, err = tmux.ParsePaneID(p)
	pane.given = err == nil
	return window, pane
}
