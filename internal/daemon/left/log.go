package left

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/audit"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/guard"
	"github.com/muxward/muxward/internal/tmux"
)

// Life is one life of a server, with its state. Whatever the log tells of another
// one is not there any more.
type Life struct {
	Owner string         // whose server it is
	Snap  *tmux.Snapshot // read only
	// Server is the one that was asked.
	Server *guard.Server
}

// Pane is one as it was found. Where it is now, and what runs in it, is for who tells of it to
// fill in.
type Pane struct {
	acts.LeftPane
	Life *Life
	Now  *tmux.Pane // in Life.Snap
	// From is the pane that it was asked for in, "" if in none.
	From string
	// process is what was first in it.
	process int
}

// Act is one as it was found, at a server.
type Act struct {
	acts.LeftAct
	Life *Life
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
	case "suggest":
		return "suggested"
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

// nests reports whether a command runs others, which tmux itself takes apart, so that
// nobody hears what these have made.
func nests(words []string) bool {
	switch words[0] {
	case "if-shell", "source-file", "confirm-before":
		return true
	case "run-shell":
		return slices.Contains(words, "-C")
	case "set-hook":
		return slices.Contains(words, "-R")
	}
	return false
}

// targetOf gives what -t names in a respawn as the log has it, "" if that is not there.
func targetOf(words []string) string {
	for i := 1; i+1 < len(words) && strings.HasPrefix(words[i], "-") && words[i] != "--"; i++ {
		switch words[i] {
		case "-t":
			return words[i+1]
		case "-c", "-e":
			i++
		}
	}
	return ""
}

// intent is a command of theirs whose outcome has not been read yet. It may be
// theirs if it came from inside a pane where they typed.
type intent struct {
	from string
	// taker is who was to have a line typed that they had suggested, "" if it is none.
	taker string
	// came is what the end of that suggestion says, where the outcome does not.
	came grants.Answer
	life *Life
	name string
	on   string
	when time.Time
}

type place struct {
	life *Life
	pane tmux.PaneID
}

type actKey struct {
	life           *Life
	name, on, note string
}

// mostActs is how many different acts are kept. Panes are as many as there are.
const mostActs = 1000

// Reader goes through the log for what one person has left. It is for one goroutine; make one
// with [New], and set Lives before anything is read.
type Reader struct {
	person string
	// Lives are the servers in question, by their owner and incarnation as the log writes them.
	Lives map[string]*Life
	asked map[uint64]intent
	panes map[place]*Pane
	acts  map[actKey]*Act
	// typed are the panes that they typed in, or made. What is asked for from inside may be theirs.
	// suggested is how often others took a line of theirs there, and they typed not.
	typed     map[place]bool
	suggested map[place]int
	// Direct are the servers at which they typed at a display that takes keys itself, in whatever
	// was shown there: likewise.
	Direct map[*Life]bool
	// Unclear is how often it is not known where they have begun something.
	Unclear map[*Life]int
	// More is how many acts were left out.
	More int
}

// New is a reader for what a person has left.
func New(person string) *Reader {
	return &Reader{
		person: audit.Escape(person), Lives: map[string]*Life{}, asked: map[uint64]intent{},
		panes: map[place]*Pane{}, acts: map[actKey]*Act{}, typed: map[place]bool{}, suggested: map[place]int{},
		Direct: map[*Life]bool{}, Unclear: map[*Life]int{},
	}
}

// Wants reports whether a line of the log may matter.
func (r *Reader) Wants(line []byte) bool {
	return bytes.Contains(line, []byte(`"person":"`+r.person+`"`)) || bytes.Contains(line, []byte(`"inside":"`)) ||
		bytes.Contains(line, []byte(`"author":"`+r.person+`"`))
}

// Read takes one record.
func (r *Reader) Read(rec *audit.Record) {
	life := r.Lives[rec.Server]
	if life == nil {
		return
	}
	theirs := rec.Person == r.person
	switch rec.Kind {
	case access.EventIntent:
		switch {
		case len(rec.Executed) > 0:
			r.intent(life, rec, theirs)
		case rec.Author == r.person:
			r.takes(life, rec)
		}
	case access.EventOutcome, access.EventAttach, access.EventUnknown:
		r.outcome(life, rec, theirs)
	case access.EventKeys, access.EventKey:
		if theirs {
			r.keys(life, rec.Objects)
		}
	case access.EventSuggest:
		if rec.Author == r.person {
			r.ended(life, rec)
		}
	}
}

// ended takes the end of a suggestion of theirs, which is on record before the outcome of
// whoever took it: that may never be.
func (r *Reader) ended(life *Life, rec *audit.Record) {
	for seq, in := range r.asked {
		if in.taker == rec.Person && in.life == life && slices.Contains(rec.Objects, in.on) && in.came == "" { // what ends later is another one
			in.came = grants.Answer(rec.Answer)
			r.asked[seq] = in
		}
	}
}

// takes takes that somebody is about to have a line typed that they had suggested: from
// here on it may run. Who takes it begins what that begins, and it is told of them as
// their keys are; here it is told as suggested.
func (r *Reader) takes(life *Life, rec *audit.Record) {
	in := intent{life: life, name: "suggest", when: rec.Time, taker: rec.Person}
	if len(rec.Objects) > 0 {
		in.on = rec.Objects[0]
	}
	if key, ok := in.pane(); ok {
		r.suggested[key]++
	}
	r.asked[rec.Seq] = in
}

// pane gives the pane that it is about, if it is about one.
func (in intent) pane() (place, bool) {
	_, pane := idsOf(in.on)
	return place{in.life, pane.n}, pane.given
}

// taken takes what came of that, as its outcome says.
func (r *Reader) taken(in intent, answer grants.Answer) {
	switch answer {
	case grants.Ran:
		r.act(in, "suggested by them, run by "+in.taker)
	case grants.Typed:
		r.act(in, "suggested by them, typed without Enter by "+in.taker)
	case grants.Unsure:
		r.act(in, "suggested by them, taken by "+in.taker+"; tmux has not said whether it was typed")
	case "":
		r.act(in, "suggested by them, and "+in.taker+" may have had it typed: what became of it is not in the log")
	default: // it was not typed
		if key, ok := in.pane(); ok {
			r.suggested[key]--
		}
	}
}

func (r *Reader) intent(life *Life, rec *audit.Record, theirs bool) {
	in := intent{life: life, name: rec.Executed[0], when: rec.Time}
	if !theirs {
		in.from = r.inside(life, rec.Inside)
	}
	kind := leaves(in.name)
	if !theirs && in.from == "" || kind == "" {
		return
	}
	switch {
	case kind == "program":
		r.began(life, rec, in.from)
	case kind == "typed" && theirs:
		r.keys(life, rec.Objects)
	case nests(rec.Executed):
		r.Unclear[life]++
	}
	if len(rec.Objects) > 0 {
		in.on = rec.Objects[0]
	}
	r.asked[rec.Seq] = in
}

// outcome takes how a command of theirs, or of what may be theirs, ended. One that
// failed, or was not waited for, may have been done.
func (r *Reader) outcome(life *Life, rec *audit.Record, theirs bool) {
	if rec.Kind != access.EventUnknown && len(rec.Verbs) > 0 {
		return // what a permit in use has noted
	}
	in, known := r.asked[rec.Ref]
	delete(r.asked, rec.Ref)
	if in.taker != "" {
		r.taken(in, cmp.Or(grants.Answer(rec.Answer), in.came))
		return
	}
	if !theirs && in.from == "" {
		in.from = r.inside(life, rec.Inside)
	}
	if !theirs && in.from == "" {
		return
	}
	switch {
	case r.made(life, rec, in.from), !known:
	case rec.Kind == access.EventUnknown || rec.Exit == nil:
		r.lost(in, "what became of it is not in the log")
	case rec.Reason != "":
		r.lost(in, "it was not waited for")
	case *rec.Exit != 0:
		r.act(in, "it failed")
	case leaves(in.name) == "pane":
		r.lost(in, "tmux has not said what it made")
	default:
		r.act(in, "")
	}
}

// lost takes a command of which nobody knows what it did.
func (r *Reader) lost(in intent, note string) {
	if leaves(in.name) == "pane" {
		r.Unclear[in.life]++
	}
	r.act(in, note)
}

// made takes what a command has made, and reports whether the record says so. What was
// asked for from inside a pane is not surely theirs. What has gone is not kept.
func (r *Reader) made(life *Life, rec *audit.Record, from string) bool {
	if rec.Exit == nil {
		return false
	}
	for _, o := range rec.Objects {
		_, id := idsOf(o)
		pane := life.Snap.Pane(id.n)
		if !id.given || pane == nil {
			continue
		}
		p := &Pane{LeftPane: acts.LeftPane{Sure: from == "", When: rec.Time}, Life: life, Now: pane, process: rec.Process, From: from}
		switch {
		case from != "":
			p.Note = "made from inside " + from + ", where " + r.where(life, from)
		case pane.PID != rec.Process:
			p.Sure, p.Note = false, "they made it, and a program was begun in it since"
		}
		key := place{life, pane.ID}
		r.typed[key] = true
		if r.panes[key] == nil || from == "" {
			r.panes[key] = p
		}
	}
	return len(rec.Objects) > 0
}

// began takes that another program was asked for in a pane, or in a window. Whether one
// that they have made still has its first process is looked at for itself.
func (r *Reader) began(life *Life, rec *audit.Record, from string) {
	window, id := idsOf("/" + targetOf(rec.Executed))
	panes := []tmux.PaneID{id.n}
	if !id.given {
		w := life.Snap.Window(window.n)
		if !window.given || w == nil { // it may go on in another one
			r.Unclear[life]++
			return
		}
		panes = w.Panes
	}
	note := "they asked for a program in it, and have not made it"
	if from != "" {
		note = "a program was asked for in it from inside " + from + ", where " + r.where(life, from)
	}
	for _, n := range panes {
		key, pane := place{life, n}, life.Snap.Pane(n)
		if pane == nil {
			continue
		}
		r.typed[key] = true
		if r.panes[key] == nil {
			r.panes[key] = &Pane{LeftPane: acts.LeftPane{When: rec.Time, Note: note}, Life: life, Now: pane, From: from}
		}
	}
}

// keys takes where they typed.
func (r *Reader) keys(life *Life, objects []string) {
	known := false
	for _, o := range objects {
		if _, pane := idsOf(o); pane.given {
			known = true
			r.typed[place{life, pane.n}] = true
		}
	}
	if !known {
		r.Direct[life] = true
	}
}

// inside gives the pane that a request came from, if they may have typed there, or others
// have what they suggested.
func (r *Reader) inside(life *Life, inside string) string {
	id, ok := strings.CutPrefix(inside, audit.Escape(life.Owner)+"/")
	pane, err := tmux.ParsePaneID(id)
	key := place{life, pane}
	if !ok || err != nil || !r.typed[key] && r.suggested[key] == 0 && !r.Direct[life] {
		return ""
	}
	return id
}

// where says why what is asked for from inside a pane may be theirs.
func (r *Reader) where(life *Life, from string) string {
	pane, _ := tmux.ParsePaneID(from) // it is what inside gave
	if r.typed[place{life, pane}] || r.Direct[life] || r.suggested[place{life, pane}] == 0 {
		return "they may have typed"
	}
	return "others took what they suggested"
}

// act keeps a command of theirs, once for all alike.
func (r *Reader) act(in intent, note string) {
	if in.from != "" || leaves(in.name) != "job" && gone(in.life.Snap, in.on) {
		return // it may be somebody else's, or has ended with what it was about
	}
	key := actKey{in.life, in.name, in.on, note}
	a := r.acts[key]
	if a == nil && len(r.acts) >= mostActs {
		r.More++
		return
	}
	if a == nil {
		a = &Act{LeftAct: acts.LeftAct{Kind: leaves(in.name), By: in.name, On: in.on, Note: note}, Life: in.life}
		r.acts[key] = a
	}
	a.Times++
	if in.when.After(a.Last) {
		a.Last = in.when
	}
}

// Rest takes what has no outcome in the log, and gives all in order.
func (r *Reader) Rest() ([]*Pane, []*Act) {
	for _, in := range r.asked {
		if in.taker != "" {
			r.taken(in, in.came)
			continue
		}
		r.lost(in, "what became of it is not in the log")
	}
	panes := slices.SortedFunc(maps.Values(r.panes), func(a, b *Pane) int {
		return cmp.Or(a.When.Compare(b.When), cmp.Compare(a.Life.Owner, b.Life.Owner), cmp.Compare(a.Now.ID, b.Now.ID))
	})
	acts := slices.SortedFunc(maps.Values(r.acts), func(a, b *Act) int {
		return cmp.Or(a.Last.Compare(b.Last), cmp.Compare(a.By, b.By), cmp.Compare(a.On, b.On), cmp.Compare(a.Note, b.Note))
	})
	return panes, acts
}

// numbered is an id of an object, if that has one.
type numbered[T any] struct {
	n     T
	given bool
}

// gone reports whether an object as the log has it is not there any more. A pane, or a
// window, may lie elsewhere by now, and what it lay in have gone.
func gone(snap *tmux.Snapshot, o string) bool {
	window, pane := idsOf(o)
	switch {
	case pane.given:
		return snap.Pane(pane.n) == nil
	case window.given:
		return snap.Window(window.n) == nil
	}
	_, ids, _ := strings.Cut(o, "/")
	session, err := tmux.ParseSessionID(ids)
	return err == nil && snap.Session(session) == nil
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
