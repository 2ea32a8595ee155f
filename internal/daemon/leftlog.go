package daemon

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

// leftLife is one life of a server, with its state. Whatever the log tells of another
// one is not there any more.
type leftLife struct {
	owner string
	snap  *tmux.Snapshot
	// server is the one that was asked.
	server *guard.Server
}

// leftPane is one as it was found.
type leftPane struct {
	acts.LeftPane
	life *leftLife
	pane *tmux.Pane
	// process is what was first in it, and from the pane that it was asked for in.
	process int
	from    string
}

// leftAct is one as it was found.
type leftAct struct {
	acts.LeftAct
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

// leftIntent is a command of theirs whose outcome has not been read yet. It may be
// theirs if it came from inside a pane where they typed.
type leftIntent struct {
	from string
	// taker is who was to have a line typed that they had suggested, "" if it is none.
	taker string
	// came is what the end of that suggestion says, where the outcome does not.
	came grants.Answer
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
	// suggested is how often others took a line of theirs there, and they typed not.
	typed     map[leftKey]bool
	suggested map[leftKey]int
	direct    map[*leftLife]bool
	// unclear is how often it is not known where they have begun something.
	unclear map[*leftLife]int
	more    int // acts that were left out
}

func newLeftReader(person string) *leftReader {
	return &leftReader{
		person: audit.Escape(person), lives: map[string]*leftLife{}, asked: map[uint64]leftIntent{},
		panes: map[leftKey]*leftPane{}, acts: map[actKey]*leftAct{}, typed: map[leftKey]bool{}, suggested: map[leftKey]int{},
		direct: map[*leftLife]bool{}, unclear: map[*leftLife]int{},
	}
}

// wants reports whether a line of the log may matter.
func (r *leftReader) wants(line []byte) bool {
	return bytes.Contains(line, []byte(`"person":"`+r.person+`"`)) || bytes.Contains(line, []byte(`"inside":"`)) ||
		bytes.Contains(line, []byte(`"author":"`+r.person+`"`))
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
func (r *leftReader) ended(life *leftLife, rec *audit.Record) {
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
func (r *leftReader) takes(life *leftLife, rec *audit.Record) {
	in := leftIntent{life: life, name: "suggest", when: rec.Time, taker: rec.Person}
	if len(rec.Objects) > 0 {
		in.on = rec.Objects[0]
	}
	if key, ok := in.pane(); ok {
		r.suggested[key]++
	}
	r.asked[rec.Seq] = in
}

// pane gives the pane that it is about, if it is about one.
func (in leftIntent) pane() (leftKey, bool) {
	_, pane := idsOf(in.on)
	return leftKey{in.life, pane.n}, pane.given
}

// taken takes what came of that, as its outcome says.
func (r *leftReader) taken(in leftIntent, answer grants.Answer) {
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

func (r *leftReader) intent(life *leftLife, rec *audit.Record, theirs bool) {
	in := leftIntent{life: life, name: rec.Executed[0], when: rec.Time}
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
		r.unclear[life]++
	}
	if len(rec.Objects) > 0 {
		in.on = rec.Objects[0]
	}
	r.asked[rec.Seq] = in
}

// outcome takes how a command of theirs, or of what may be theirs, ended. One that
// failed, or was not waited for, may have been done.
func (r *leftReader) outcome(life *leftLife, rec *audit.Record, theirs bool) {
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
func (r *leftReader) lost(in leftIntent, note string) {
	if leaves(in.name) == "pane" {
		r.unclear[in.life]++
	}
	r.act(in, note)
}

// made takes what a command has made, and reports whether the record says so. What was
// asked for from inside a pane is not surely theirs. What has gone is not kept.
func (r *leftReader) made(life *leftLife, rec *audit.Record, from string) bool {
	if rec.Exit == nil {
		return false
	}
	for _, o := range rec.Objects {
		_, id := idsOf(o)
		pane := life.snap.Pane(id.n)
		if !id.given || pane == nil {
			continue
		}
		p := &leftPane{LeftPane: acts.LeftPane{Sure: from == "", When: rec.Time}, life: life, pane: pane, process: rec.Process, from: from}
		switch {
		case from != "":
			p.Note = "made from inside " + from + ", where " + r.where(life, from)
		case pane.PID != rec.Process:
			p.Sure, p.Note = false, "they made it, and a program was begun in it since"
		}
		key := leftKey{life, pane.ID}
		r.typed[key] = true
		if r.panes[key] == nil || from == "" {
			r.panes[key] = p
		}
	}
	return len(rec.Objects) > 0
}

// began takes that another program was asked for in a pane, or in a window. Whether one
// that they have made still has its first process is looked at for itself.
func (r *leftReader) began(life *leftLife, rec *audit.Record, from string) {
	window, id := idsOf("/" + targetOf(rec.Executed))
	panes := []tmux.PaneID{id.n}
	if !id.given {
		w := life.snap.Window(window.n)
		if !window.given || w == nil { // it may go on in another one
			r.unclear[life]++
			return
		}
		panes = w.Panes
	}
	note := "they asked for a program in it, and have not made it"
	if from != "" {
		note = "a program was asked for in it from inside " + from + ", where " + r.where(life, from)
	}
	for _, n := range panes {
		key, pane := leftKey{life, n}, life.snap.Pane(n)
		if pane == nil {
			continue
		}
		r.typed[key] = true
		if r.panes[key] == nil {
			r.panes[key] = &leftPane{LeftPane: acts.LeftPane{When: rec.Time, Note: note}, life: life, pane: pane, from: from}
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

// inside gives the pane that a request came from, if they may have typed there, or others
// have what they suggested.
func (r *leftReader) inside(life *leftLife, inside string) string {
	id, ok := strings.CutPrefix(inside, audit.Escape(life.owner)+"/")
	pane, err := tmux.ParsePaneID(id)
	key := leftKey{life, pane}
	if !ok || err != nil || !r.typed[key] && r.suggested[key] == 0 && !r.direct[life] {
		return ""
	}
	return id
}

// where says why what is asked for from inside a pane may be theirs.
func (r *leftReader) where(life *leftLife, from string) string {
	pane, _ := tmux.ParsePaneID(from) // it is what inside gave
	if r.typed[leftKey{life, pane}] || r.direct[life] || r.suggested[leftKey{life, pane}] == 0 {
		return "they may have typed"
	}
	return "others took what they suggested"
}

// act keeps a command of theirs, once for all alike.
func (r *leftReader) act(in leftIntent, note string) {
	if in.from != "" || leaves(in.name) != "job" && gone(in.life.snap, in.on) {
		return // it may be somebody else's, or has ended with what it was about
	}
	key := actKey{in.life, in.name, in.on, note}
	a := r.acts[key]
	if a == nil && len(r.acts) >= mostActs {
		r.more++
		return
	}
	if a == nil {
		a = &leftAct{LeftAct: acts.LeftAct{Kind: leaves(in.name), By: in.name, On: in.on, Note: note}, life: in.life}
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
		if in.taker != "" {
			r.taken(in, in.came)
			continue
		}
		r.lost(in, "what became of it is not in the log")
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
