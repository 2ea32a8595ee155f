package executor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/chooser"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/control"
)

// maxHelp is how many keys help looks at: more than anybody reads.
const maxHelp = 500

// helps: list-keys of somebody whose keys muxward reads is an overview for them.
func helps(inv *tmux.Invocation) bool { return inv.Row.Name == "list-keys" }

// help shows the person what they may do where they are. That of each key is
// decided as if it were pressed now; what is refused is not listed, nor what it
// would be about.
func (e *errand) help(ctx context.Context) error {
	s := e.k.s
	if err := e.locate(ctx); err != nil {
		return err
	}
	if e.current == nil {
		return errNowhere
	}
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	var needs []gateway.Need
	r, err := s.act(ctx, e.current, "help", nil, access.View, func(ctx context.Context, on access.Object) (gateway.Result, error) {
		sight, err := s.e.Gateway().Sight(ctx, s.live.Who(), s.server.Owner())
		if err != nil {
			return gateway.Result{}, err
		}
		v := e.k.board.look(ctx, time.Now(), e.opts)
		if v.err != nil {
			return gateway.Result{}, v.err
		}
		list := &chooser.List{Title: e.title(), Foot: "/ finds, q leaves", Items: e.presence(sight)}
		keys, rest, err := e.mayPress(ctx, v.tables, on)
		if err != nil {
			return gateway.Result{}, err
		}
		list.Items = append(list.Items, keys...)
		needs = append([]gateway.Need{{Verb: access.View, Object: on}}, rest...)
		return gateway.Result{Value: list}, nil
	})
	if err != nil {
		return err
	}
	list, ok := r.Value.(*chooser.List)
	if !ok {
		return fmt.Errorf("there is no help; this is a fault of muxward")
	}
	return e.k.open(ctx, &sheet{list: list}, needs)
}

// title says where the person is and what they may do there.
func (e *errand) title() string {
	s := e.k.s
	session := s.stage.Load().session
	held := s.e.Gateway().Holds(s.live.Who(), s.sessionObject(session))
	return fmt.Sprintf(" %s, for %s: %s", tmux.JoinOwner(s.server.Owner(), session.Name), s.live.Who().Person(), held.Brief())
}

// presence is who is at the person's session, and whom to ask for more.
func (e *errand) presence(sight gateway.Sight) []chooser.Item {
	s := e.k.s
	var here []string
	for _, p := range sight.People[s.stage.Load().session.ID] {
		here = append(here, p.Person+typist(p))
	}
	return []chooser.Item{
		{Left: "here", Text: cmp.Or(strings.Join(here, ", "), "nobody that you may see"), Fixed: true},
		{Left: "more", Text: "ask " + s.server.Owner() + " for rights that you miss; muxward explain tells which", Fixed: true},
	}
}

// typist says of somebody that they may type, and that they do.
func typist(p gateway.Present) string {
	switch {
	case p.Typing:
		return " (typing)"
	case p.MayType:
		return " (may type)"
	}
	return ""
}

// mayPress lists the keys whose commands the person may run now, with the needs
// that this rests on.
func (e *errand) mayPress(ctx context.Context, tables *tmux.KeyTables, on access.Object) ([]chooser.Item, []gateway.Need, error) {
	m := tables.Session(e.k.s.stage.Load().session.ID)
	if m == nil {
		return nil, nil, errNowhere
	}
	var keys []tmux.BoundKey
	for _, table := range tables.Tables() {
		if !strings.HasPrefix(table, "copy-mode") { // they are of a look back
			keys = append(keys, tables.Bound(table)...)
		}
	}
	keys = slices.DeleteFunc(keys, func(b tmux.BoundKey) bool { return ofMouse(b.Key) })
	keys = keys[:min(len(keys), maxHelp)]
	t := &trial{e: e, on: on}
	for _, b := range keys {
		t.try(ctx, b)
	}
	var err error
	if t.answers, err = e.k.s.e.Gateway().Permitted(ctx, t.reqs); err != nil {
		return nil, nil, err
	}
	notes := e.notes(ctx)
	items := []chooser.Item{{Left: "leave", Text: "by " + leavingKeys(m, keys), Fixed: true}}
	var needs []gateway.Need
	for _, b := range keys {
		may, rests := t.try(ctx, b)
		if !may {
			continue
		}
		text := notes[b.Table][b.Key]
		if text == "" {
			text = commandNames(b)
		}
		items = append(items, chooser.Item{Left: m.Written(b.Table, b.Key), Text: text})
		needs = append(needs, rests...)
	}
	return items, needs, nil
}

// leavingKeys are the keys by which people leave, which everybody may.
func leavingKeys(m *tmux.KeyMap, keys []tmux.BoundKey) string {
	var all []string
	for _, b := range keys {
		if leaving(b.Bound) {
			all = append(all, m.Written(b.Table, b.Key))
		}
	}
	return cmp.Or(strings.Join(all, ", "), "closing the terminal")
}

// ofMouse reports whether a key is of the mouse.
func ofMouse(key string) bool {
	return strings.Contains(key, "Mouse") || strings.Contains(key, "Wheel") || strings.Contains(key, "Click")
}

// commandNames is what a key without a note does, by the names of its commands: what
// else its owner has written there is for them to know.
func commandNames(b tmux.BoundKey) string {
	commands, err := b.Bound.Commands()
	if err != nil {
		return ""
	}
	var names []string
	for _, inv := range commands {
		names = append(names, inv.Row.Name)
	}
	return strings.Join(names, ", ")
}

// notes gives the notes of keys, by table. Without them help names commands.
func (e *errand) notes(ctx context.Context) map[string]map[string]string {
	lines, err := tmux.NoteCommands(e.opts)
	if err != nil {
		return nil
	}
	var replies []control.Reply
	c, err := e.k.s.server.Control(ctx)
	if err == nil {
		replies, err = c.Do(ctx, lines...)
	}
	if err != nil || len(replies) != len(lines) {
		return nil
	}
	all := map[string]map[string]string{}
	for i, table := range tmux.NotedTables() {
		if replies[i].Err == nil {
			all[table] = tmux.ParseNotes(string(replies[i].Data))
		}
	}
	return all
}

// trial finds out which keys a person may press, in two rounds that take the same
// way: the first gathers what there is to decide, the second has the answers.
type trial struct {
	e       *errand
	on      access.Object // the pane that is current
	reqs    []gateway.Request
	answers []gateway.Permission // nil in the first round
	next    int
	needs   []gateway.Need
}

// try goes through what a key is bound to.
func (t *trial) try(ctx context.Context, b tmux.BoundKey) (may bool, needs []gateway.Need) {
	commands, err := b.Bound.Commands()
	if err != nil || len(commands) == 0 {
		return false, nil
	}
	t.needs = nil
	may = t.all(ctx, commands)
	return may, t.needs
}

// all reports whether all of several commands would be done. Each is gone through,
// whatever comes of the one before.
func (t *trial) all(ctx context.Context, commands []*tmux.Invocation) bool {
	may := true
	for _, inv := range commands {
		may = t.one(ctx, inv) && may
	}
	return may
}

func (t *trial) one(ctx context.Context, inv *tmux.Invocation) bool {
	e := t.e
	switch e.privacy(inv) {
	case looksOn:
		return t.holds(access.Scroll) && t.holds(access.View)
	case pastesOwn:
		return t.holds(access.Type)
	case helping, picking, waits:
		return true
	case keysIn, reports, selected:
		return false // it means nothing here
	}
	switch {
	case leaves(inv), entersTable(inv):
		return true
	case chooses(inv):
		return t.branches(ctx, inv)
	case e.asksFirst(inv):
		return t.asked(ctx, inv)
	}
	if t.answers == nil {
		req, _ := e.request(inv)
		t.reqs = append(t.reqs, req)
		return true
	}
	if t.next >= len(t.answers) {
		return false // the rounds have not gone the same way; this is a fault of muxward
	}
	answer := t.answers[t.next]
	t.next++
	t.needs = append(t.needs, answer.Needs...)
	return answer.Allowed
}

// holds reports whether the person holds a verb on the pane that is current.
func (t *trial) holds(verb access.Verb) bool {
	need := gateway.Need{Verb: verb, Object: t.on}
	t.needs = append(t.needs, need)
	return t.e.k.s.live.Decide(need).Allow
}

// branches reports whether one of the branches of a condition would be done.
func (t *trial) branches(ctx context.Context, inv *tmux.Invocation) bool {
	may := false
	for _, n := range inv.Nested() {
		kept := len(t.needs)
		commands, err := n.Commands(t.e.opts)
		if err == nil && t.all(ctx, commands) {
			may = true
		} else {
			t.needs = t.needs[:kept]
		}
	}
	return may
}

// anyAnswer stands for what somebody answers a prompt with.
const anyAnswer = "muxward-any-answer"

// asked reports whether what a question leads to would be done. What an answer
// would choose is taken for what is current.
func (t *trial) asked(ctx context.Context, inv *tmux.Invocation) bool {
	if inv.Row.Name == "command-prompt" && saysCommands(inv) {
		return true // it is decided by what they say
	}
	may := false
	for _, n := range inv.Nested() {
		var commands []*tmux.Invocation
		var err error
		if inv.Row.Name == "command-prompt" {
			commands, err = n.Filled(slices.Repeat([]string{anyAnswer}, maxPrompts), t.e.opts)
		} else {
			commands, err = n.Commands(t.e.opts)
		}
		if err != nil {
			return false
		}
		for _, c := range commands {
			for _, letter := range []byte("st") {
				if v, ok := c.Get(letter); ok && strings.Contains(v, anyAnswer) {
					c.Delete(letter)
				}
			}
		}
		may = t.all(ctx, commands)
	}
	return may
}
