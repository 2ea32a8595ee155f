package executor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
)

// maxSteps is how many commands one key may come to, with what is asked and
// answered in between: far more than anybody binds.
const maxSteps = 100

// errand is what a key has asked for: commands that go through the line one by
// one, each decided as the person's who pressed it. Those that only mean
// something at the person's own terminal are done there: questions, choices, and
// in which table the next key is looked up.
type errand struct {
	k      *keyboard
	key    string
	todo   []step
	groups int
	steps  int // how many commands were decided on
	// current is what commands are about that do not say it: by its ids, and
	// nothing else is taken for it. nil: it is to be found out.
	current *tmux.Found
	moved   bool // the display may show something else since follow
	strayed bool // a command has led elsewhere, since the mouse was used
	closed  bool // at a place of one's own: one's pane has been closed, and one has gone nowhere since
	author  author
	mouse   *pointed // what was done with the mouse, nil for keys
	opts    tmux.ParseOptions
}

// author says whose words a command is in.
type author uint8

const (
	binder author = iota // of whoever bound the key
	both                 // of theirs, with some of the person's own
	person               // the person's own
)

// step is one command; if it fails, those of its group that follow are dropped.
type step struct {
	inv    *tmux.Invocation
	group  int
	late   bool // it was put behind what followed it, once
	author author
}

// run does what a key is bound to.
func (k *keyboard) run(ctx context.Context, key string, b *tmux.Binding) error {
	return k.carry(ctx, key, b, nil)
}

// carry is run for a key, or for what was done with the mouse.
func (k *keyboard) carry(ctx context.Context, key string, b *tmux.Binding, mouse *pointed) error {
	e := &errand{k: k, key: key, opts: k.s.reading(), mouse: mouse}
	commands, err := b.Commands()
	if err != nil {
		k.s.att.Notice(e.told("", e.unread(ctx, err)))
		return nil
	}
	commands = e.aim(commands)
	if len(commands) == 1 && leaves(commands[0]) {
		return e.step(ctx, step{inv: commands[0]}) // whatever the server says
	}
	if k.looking() && len(commands) <= maxSteps && !slices.ContainsFunc(commands, func(inv *tmux.Invocation) bool { return !inMode(inv) }) {
		e.next(commands) // they are about nothing of the server's
		return e.run(ctx)
	}
	return e.carryOut(ctx, commands)
}

// carryOut decides commands as a whole and does them.
func (e *errand) carryOut(ctx context.Context, commands []*tmux.Invocation) error {
	err := e.k.s.typedFirst(ctx)
	if err == nil {
		err = e.locate(ctx)
	}
	if err == nil {
		err = e.preview(ctx, commands, false)
	}
	if err != nil {
		e.k.s.att.Notice(e.told("", err))
		return nil
	}
	e.next(commands)
	return e.run(ctx)
}

// unread writes why commands are refused that cannot be read, and gives what the
// person is told: not what they say, which may not be theirs to know.
func (e *errand) unread(ctx context.Context, why error) error {
	s := e.k.s
	err := s.e.Gateway().Refuse(ctx, gateway.Request{Identity: s.live.Who()}, []string{"key", e.key}, why)
	if e.author == person || !errors.Is(err, why) {
		return err
	}
	return errors.New("what this key is bound to is not read here; the log says why")
}

// locate finds out where the person is, unless that is known.
func (e *errand) locate(ctx context.Context) error {
	if e.current != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	if own := e.k.s.own; own != nil && (e.mouse == nil || e.strayed) {
		at, snap, err := own.current(ctx)
		if err != nil {
			return err
		}
		e.current, e.opts = at, snap.Reading()
		return nil
	}
	snap, err := e.look(ctx)
	if err != nil {
		return err
	}
	e.opts = snap.Reading()
	if e.mouse != nil && !e.strayed {
		e.current = e.mouse.at
		return nil
	}
	e.current, err = e.k.s.current(ctx, snap)
	return err
}

// current is the pane on the person's screen, nil if it is not known as a whole.
func (s *seat) current(ctx context.Context, snap *tmux.Snapshot) (*tmux.Found, error) {
	session, err := s.where(ctx, snap)
	if err != nil {
		return nil, err
	}
	target := session.String() + ":"
	if id := s.active.Load(); id != nil {
		if p := snap.Pane(*id); p != nil {
			target += p.Window.String() + "." + p.ID.String()
		}
	}
	return paneAt(snap, target), nil // or it is what is current in the session
}

// paneAt is the pane that a target of ids names, nil if it is not there as a whole.
func paneAt(snap *tmux.Snapshot, target string) *tmux.Found {
	f, err := tmux.Resolve(snap, tmux.Lookup{Kind: tmux.TargetPane}, target, tmux.ResolveContext{})
	if err != nil || !f.Whole() {
		return nil
	}
	return &f
}

// next puts commands before all that is still to be done.
func (e *errand) next(commands []*tmux.Invocation) {
	steps := make([]step, 0, len(commands)+len(e.todo))
	for _, inv := range commands {
		steps = append(steps, step{inv, e.groups + inv.Group, false, e.author})
	}
	if n := len(commands); n > 0 {
		e.groups += commands[n-1].Group + 1
	}
	e.todo = append(steps, e.todo...)
}

// run does one step after the other. What fails is told.
func (e *errand) run(ctx context.Context) error {
	for len(e.todo) > 0 && ctx.Err() == nil {
		now := e.todo[0]
		e.todo = e.todo[1:]
		e.author = now.author
		err := e.step(ctx, now)
		switch {
		case errors.Is(err, errAsked):
			e.follow(ctx)
			return nil // the answer goes on with it
		case errors.Is(err, attach.ErrDetached):
			return err
		case err != nil:
			e.failed(now, err)
		}
	}
	e.follow(ctx)
	return nil
}

// failed tells why a step was not done, and drops what follows it in its group.
func (e *errand) failed(now step, err error) {
	e.k.s.att.Notice(e.told(now.inv.Row.Name+": ", err))
	for len(e.todo) > 0 && e.todo[0].group == now.group {
		e.todo = e.todo[1:]
	}
}

// follow finds out which session is shown now, as the next key is one of that.
// What cannot be found out now is when something is shown, or typed.
func (e *errand) follow(ctx context.Context) {
	if !e.moved {
		return
	}
	e.moved = false
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	snap, err := e.look(ctx)
	if err == nil {
		_, err = e.k.s.where(ctx, snap)
	}
	if err != nil && ctx.Err() == nil {
		e.k.s.att.Notice(e.told("", err))
	}
}

// errAsked is the end of a step that waits for an answer.
var errAsked = errors.New("the person is asked")

// step does one command.
func (e *errand) step(ctx context.Context, now step) error {
	inv := now.inv
	if mine, err := e.private(ctx, inv); mine {
		return err
	}
	switch {
	case leaves(inv) && !now.late && len(e.todo) > 0: // that is done first, as long as they are there
		e.todo = append(e.todo, step{inv, e.groups, true, now.author})
		e.groups++
		return nil
	case entersTable(inv):
		table, _ := inv.Get('T')
		if tables := e.k.board.known(); tables == nil || !tables.Has(table) {
			return errors.New("there is no such key table")
		}
		e.k.at.Enter(table, time.Now())
		return nil
	case e.asksFirst(inv):
		return e.question(ctx, now)
	case chooses(inv):
		return e.choose(ctx, inv)
	}
	printed, err := e.hand(ctx, inv)
	if leaves(inv) {
		return attach.ErrDetached // whatever becomes of the display
	}
	if err == nil && printed != "" {
		first, more, _ := strings.Cut(strings.TrimRight(printed, "\n"), "\n")
		if more != "" {
			first += " …"
		}
		e.k.s.att.Notice(first)
	}
	return err
}

// hand gives one command to the line, and returns what it printed.
func (e *errand) hand(ctx context.Context, inv *tmux.Invocation) (string, error) {
	if e.k.s.p.Plan().ReadOnly && !leaves(inv) && inv.Row.Name != "switch-client" {
		return "", errors.New("your display takes no keys: attach again without -r")
	}
	if e.k.s.own != nil && besideOwn(inv) {
		return "", errors.New("it goes by what is current for all, and you are at a place of your own")
	}
	if !leaves(inv) {
		if err := e.locate(ctx); err != nil {
			return "", err
		}
		if own := e.k.s.own; own != nil && (e.closed || (e.mouse == nil || e.strayed) && !own.shows(e.current)) {
			return "", errUnseen
		}
	}
	req, client := e.request(inv)
	r, err := e.k.s.e.Gateway().Handle(ctx, req)
	if r.Release != nil {
		r.Release()
	}
	if err == nil && r.Exit != 0 && !r.GoesOn {
		err = errors.New(cmp.Or(strings.TrimSpace(client.printed()), r.Message, fmt.Sprintf("it failed, with exit code %d", r.Exit)))
	}
	if moves(inv) {
		e.moved = true
		e.k.s.elsewhere()
	}
	if err == nil {
		err = e.led(ctx, inv, r.Current)
	}
	return client.printed(), err
}

// led finds out what is current after a command that was done: what it was before,
// unless the command is one by which tmux, too, has another current from then on.
func (e *errand) led(ctx context.Context, inv *tmux.Invocation, to *tmux.Found) (err error) {
	own := e.k.s.own
	switch {
	case to != nil:
		e.current = to
		if own == nil {
			break
		}
		there := false
		if there, err = own.arrive(ctx, *to); !there {
			e.current = nil
		}
		e.closed = e.closed && !there
	case leads(inv):
		e.current = nil
	case own != nil && closes(inv): // where they are then is their own to say
		now, err := e.look(ctx)
		if e.current != nil && (err != nil || now.Pane(e.current.Pane.ID) == nil) {
			e.closed, e.current = true, nil
		}
	case closes(inv):
		e.current = e.left(ctx)
	}
	e.strayed = e.strayed || e.current == nil
	return err
}

// left is what is current after something was closed: where that was not it, or where
// its window is still there, nothing else is taken for it that is shown meanwhile.
func (e *errand) left(ctx context.Context) *tmux.Found {
	was := e.current
	if was == nil {
		return nil
	}
	snap, err := e.look(ctx)
	if err != nil || snap.Pane(was.Pane.ID) != nil {
		return was
	}
	return paneAt(snap, was.Session.ID.String()+":"+was.Window.ID.String())
}

// look asks the server for its state.
func (e *errand) look(ctx context.Context) (*tmux.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	snap, err := e.k.s.server.Snapshot(ctx, tmux.Core)
	if err != nil {
		return nil, fmt.Errorf("ask the tmux server for its state: %w", err)
	}
	return snap, nil
}

// request makes a request of a command, by the person and at their display.
func (e *errand) request(inv *tmux.Invocation) (gateway.Request, *keyClient) {
	s := e.k.s
	session := s.stage.Load().session.ID
	client := newKeyClient(s.client)
	if inv.Row.Name == "display-message" && !inv.Has('p') {
		inv = inv.Clone()
		inv.SetBare('p') // it is shown to this person, on a line of ours
	}
	req := gateway.Request{
		Identity: s.live.Who(), Invocation: inv, Here: s.server.Owner(), Session: &session, Display: s.tty,
		Client: client, By: s, Bound: true, Current: e.current,
	}
	if s.own != nil {
		req.Seen = s.own.seen
	}
	return req, client
}

// preview decides all commands before the first of them runs, with those that
// the person would be asked about: nobody is asked in vain.
func (e *errand) preview(ctx context.Context, commands []*tmux.Invocation, asked bool) error {
	if e.steps += len(commands); e.steps > maxSteps {
		return e.unread(ctx, fmt.Errorf("they are more than %d commands", maxSteps))
	}
	var reqs []gateway.Request
	var inner [][]*tmux.Invocation
	for _, inv := range commands {
		switch {
		case entersTable(inv), chooses(inv): // decided when it is chosen
		case e.privacy(inv) != forAll: // and when it is done
		case e.asksFirst(inv) && inv.Row.Name == "command-prompt": // and when it is answered
		case e.asksFirst(inv):
			nested, err := e.nested(ctx, inv, 0)
			if err != nil {
				return err
			}
			inner = append(inner, nested)
		default:
			req, _ := e.request(inv)
			reqs = append(reqs, req)
		}
	}
	g := e.k.s.e.Gateway()
	if err := g.PreviewAll(ctx, reqs); err != nil {
		return err
	}
	if len(reqs) == 1 && (asked || len(commands) > 1) { // PreviewAll leaves one to Handle
		if err := g.Preview(ctx, reqs[0]); err != nil {
			return err
		}
	}
	for _, nested := range inner {
		if err := e.preview(ctx, nested, true); err != nil {
			return err
		}
	}
	return nil
}

// nested gives the commands that an argument of a command holds.
func (e *errand) nested(ctx context.Context, inv *tmux.Invocation, at int) ([]*tmux.Invocation, error) {
	for _, n := range inv.Nested() {
		if n.Arg != at {
			continue
		}
		commands, err := n.Commands(e.opts)
		if err != nil {
			return nil, e.unread(ctx, err)
		}
		return e.aim(commands), nil
	}
	return nil, errors.New("there are no commands in it")
}

// choose decides an if-shell whose condition is a format. The condition is
// answered as display-message would answer it to this person.
func (e *errand) choose(ctx context.Context, inv *tmux.Invocation) error {
	asking := &tmux.Invocation{Row: tmux.FindCommand("display-message"), Typed: "display-message"}
	asking.SetBare('p')
	if t, ok := inv.Get('t'); ok {
		asking.Set('t', t)
	}
	asking.Args = []string{untimed(inv.Args[0])}
	answer, err := e.hand(ctx, asking)
	if err != nil {
		return err
	}
	answer, at := strings.TrimSuffix(answer, "\n"), 1
	if answer == "" || answer == "0" {
		at = 2
	}
	if at >= len(inv.Args) {
		return nil
	}
	branch, err := e.nested(ctx, inv, at)
	if err != nil {
		return err
	}
	if err := e.preview(ctx, branch, false); err != nil {
		return err
	}
	e.next(branch)
	return nil
}

// untimed keeps a format's percent signs from being those of a time.
func untimed(format string) string { return strings.ReplaceAll(format, "%", "%%") }

// entersTable: switch-client -T is about nothing but the next key.
func entersTable(inv *tmux.Invocation) bool {
	return inv.Row.Name == "switch-client" && inv.Has('T') && !inv.Has('c')
}

// chooses: the condition is a format, and nothing is run to find out.
func chooses(inv *tmux.Invocation) bool { return inv.Row.Name == "if-shell" && inv.Has('F') }

// leaves: the person's own display is detached, and no more.
func leaves(inv *tmux.Invocation) bool {
	return inv.Row.Name == "detach-client" && len(inv.Flags) == 0
}

// moves: the display may show something else after it, or another pane be active.
func moves(inv *tmux.Invocation) bool {
	switch inv.Row.Name {
	case "send-keys", "send-prefix", "display-message", "rename-window", "refresh-client":
		return false
	case "resize-pane":
		return inv.Has('Z')
	}
	return true
}

// leads: what follows it is about where it led, as in tmux.
func leads(inv *tmux.Invocation) bool {
	switch inv.Row.Name {
	case "select-pane", "last-pane":
		return !hasAny(inv, "degmMPT")
	case "attach-session", "break-pane", "join-pane", "move-pane", "new-session", "new-window", "split-window", "new-pane":
		return !inv.Has('d')
	case "rotate-window", "select-window", "next-window", "previous-window", "last-window", "switch-client":
		return true
	}
	return false
}

func hasAny(inv *tmux.Invocation, letters string) bool {
	return slices.ContainsFunc([]byte(letters), inv.Has)
}

// closes: what was current may have gone by it.
func closes(inv *tmux.Invocation) bool {
	switch inv.Row.Name {
	case "kill-pane", "kill-window", "kill-session", "unlink-window":
		return true
	}
	return false
}
