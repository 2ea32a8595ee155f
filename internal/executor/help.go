package executor

import (
	"cmp"
	"context"
	"errors"
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

const (
	// maxHelp is how many keys help lists: more than anybody reads.
	maxHelp = 500
	// maxHelpRights is how many rights, about, that may rest on.
	maxHelpRights = 2000
	// maxNote is the longest note that is shown of a key, in characters.
	maxNote = 200
)

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
	select { // one at a time of those at a server: it is work
	case e.k.board.helps <- struct{}{}:
		defer func() { <-e.k.board.helps }()
	case <-ctx.Done():
		return errors.New("others there ask for help; try again")
	}
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
		needs = slices.Concat([]gateway.Need{{Verb: access.View, Object: on}}, sight.Told[e.current.Session.ID], rest)
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
	session := *e.current.Session
	held := s.e.Gateway().Holds(s.live.Who(), s.sessionObject(session))
	return fmt.Sprintf(" %s, for %s: %s", tmux.JoinOwner(s.server.Owner(), session.Name), s.live.Who().Person(), held.Brief())
}

// presence is who is at the person's session, and whom to ask for more.
func (e *errand) presence(sight gateway.Sight) []chooser.Item {
	s := e.k.s
	var here []string
	for _, p := range sight.People[e.current.Session.ID] {
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
	m := tables.Session(e.current.Session.ID)
	if m == nil {
		return nil, nil, errNowhere
	}
	keys := pressed(tables)
	tried, reqs, err := (&trial{e: e, on: on}).tryAll(ctx, keys)
	if err != nil {
		return nil, nil, err
	}
	answers, err := e.k.s.e.Gateway().Permitted(ctx, reqs)
	if err != nil {
		return nil, nil, err
	}
	notes := e.notes(ctx, tables)
	items := []chooser.Item{{Left: "leave", Text: "by " + leavingKeys(m, keys), Fixed: true}}
	var needs []gateway.Need
	listed, more := 0, len(tried) < len(keys)
	for i, v := range tried {
		may, rests := v.answer(answers)
		if !may {
			continue
		}
		if listed++; listed > maxHelp || len(needs)+len(rests) > maxHelpRights {
			more = true
			break
		}
		b := keys[i]
		text := notes[b.Table][b.Key]
		if text == "" {
			text = commandNames(b)
		}
		items = append(items, chooser.Item{Left: m.Written(b.Table, b.Key), Text: text})
		needs = append(needs, rests...)
	}
	if more {
		items = append(items, chooser.Item{Left: "more", Text: "there are more keys than are looked at here", Fixed: true})
	}
	return items, needs, nil
}

// pressed are the keys of a keyboard that something is bound to. Those of copy mode
// are of a look back.
func pressed(tables *tmux.KeyTables) []tmux.BoundKey {
	var keys []tmux.BoundKey
	for _, table := range tables.Tables() {
		if !strings.HasPrefix(table, "copy-mode") {
			keys = append(keys, tables.Bound(table)...)
		}
	}
	return slices.DeleteFunc(keys, func(b tmux.BoundKey) bool { return ofMouse(b.Key) })
}

// maxLeaving is how many keys are told by which people leave.
const maxLeaving = 10

// leavingKeys are the keys by which people leave, which everybody may.
func leavingKeys(m *tmux.KeyMap, keys []tmux.BoundKey) string {
	var all []string
	for _, b := range keys {
		if leaving(b.Bound) && len(all) < maxLeaving {
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
	return cut(strings.Join(names, ", "), maxNote)
}

// cut gives the first characters of a text.
func cut(text string, most int) string {
	for i := range text {
		if most--; most < 0 {
			return text[:i]
		}
	}
	return text
}

// notes gives the notes of keys, by table, of those that are bound as in tables: what
// was said of another binding is not told. Without them help names commands.
func (e *errand) notes(ctx context.Context, tables *tmux.KeyTables) map[string]map[string]string {
	lines, err := tmux.NoteCommands(e.opts)
	if err != nil {
		return nil
	}
	var replies []control.Reply
	c, err := e.k.s.server.Control(ctx)
	if err == nil {
		replies, err = c.Ask(ctx, lines...)
	}
	if err != nil || len(replies) != len(lines) {
		return nil
	}
	now := e.k.board.look(ctx, time.Now(), e.opts)
	if now.err != nil {
		return nil
	}
	all := map[string]map[string]string{}
	for i, table := range tmux.NotedTables() {
		if replies[i].Err != nil {
			continue
		}
		noted := tmux.ParseNotes(string(replies[i].Data))
		all[table] = map[string]string{}
		for _, b := range now.tables.Bound(table) {
			if tables.Binds(b) {
				all[table][b.Key] = cut(noted[b.Key], maxNote)
			}
		}
	}
	return all
}
