package sshd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/chooser"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
)

const (
	// idleTime is how long somebody may look at the list and choose nothing.
	idleTime = 10 * time.Minute
	// maxAnswer is the longest answer, in bytes.
	maxAnswer = 128
)

// place is a session that somebody may see.
type place struct {
	name   string // in their words
	target string // by its id
	may    string // what they may do there
	held   int    // how many people are attached
	// incarnation is the server's: another one gives the same ids again.
	incarnation string
	gone        bool // it has ended while it was chosen
	// profile is the session profile that it is of, or, where it does not run, would be.
	profile string
}

// is reports whether both are one session.
func (p place) is(q place) bool { return p.target == q.target && p.incarnation == q.incarnation }

// places are all of them, in the order of tmux.
type places []place

// list asks for the sessions that the person may see, in the line like anything
// else, and prints what page makes of them before that is over.
func (x *session) list(ctx context.Context, page func(places) string) (places, error) {
	g, who := x.c.s.Gateway, x.c.who
	act := &gateway.Act{Name: "lobby", Open: true, Shows: true, Do: func(ctx context.Context, _ access.Object) (gateway.Result, error) {
		all, err := visible(ctx, g, who)
		if err == nil {
			err = x.show(ctx, []byte(page(all)), false)
		}
		return gateway.Result{Value: all}, err
	}}
	r, err := g.Handle(ctx, gateway.Request{Identity: who, Door: Door, Act: act})
	all, _ := r.Value.(places)
	return all, err
}

// Lobby is the list as those read it who have no terminal, and the targets in it, for
// those who come by another sshd.
func Lobby(ctx context.Context, g *gateway.Gateway, who identity.Identity) (text string, targets []string, err error) {
	all, err := visible(ctx, g, who)
	for _, p := range all {
		targets = append(targets, p.target)
	}
	return all.plain(), targets, err
}

func visible(ctx context.Context, g *gateway.Gateway, who identity.Identity) (places, error) {
	found, err := g.Visible(ctx, who)
	if err != nil {
		return nil, err
	}
	attached := map[string]int{}
	for _, a := range g.Who() {
		attached[a.Owner+"/"+a.Session]++
	}
	offered := map[string]gateway.Offered{}
	var all places
	for _, o := range g.Offered(ctx, who) {
		offered[tmux.JoinOwner(o.Name, o.Session)] = o
	}
	for _, f := range found {
		for _, s := range f.Visible.Sessions {
			p := place{name: s.Name, target: s.ID.String()}
			if f.Owner != who.Person() {
				p.name, p.target = tmux.JoinOwner(f.Owner, s.Name), tmux.JoinOwner(f.Owner, p.target)
			}
			p.incarnation = f.Incarnation
			p.held = attached[f.Owner+"/"+s.ID.String()]
			p.may = g.Holds(who, access.Object{
				Kind: access.Session, Owner: f.Owner, Incarnation: f.Incarnation,
				Session: access.SessionRef{ID: uint32(s.ID), Name: s.Name},
			}).Brief()
			if o, ok := offered[tmux.JoinOwner(f.Owner, s.Name)]; ok {
				p.profile = o.Name
				delete(offered, tmux.JoinOwner(f.Owner, s.Name))
			}
			all = append(all, p)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(offered)) {
		o := offered[name]
		all = append(all, place{name: o.Name, target: o.Name, may: "starts it", profile: o.Name})
	}
	return all, nil
}

// named gives the place of exactly that name. A profile's comes first: nobody else can make
// a session that is taken for it.
func (ps places) named(name string) *place {
	for i := range ps {
		if ps[i].profile == name && name != "" {
			return &ps[i]
		}
	}
	for i := range ps {
		if ps[i].name == name {
			return &ps[i]
		}
	}
	return nil
}

// like gives the places with text in their names.
func (ps places) like(text string) places {
	var out places
	for _, p := range ps {
		if chooser.Matches(p.name, text) {
			out = append(out, p)
		}
	}
	return out
}

// nothing is the text for whom there is nothing, whatever there is for others.
const nothing = "no session is here for you\n"

// plain lists the places for programs: a name and what may be done, in a line.
func (ps places) plain() string {
	if len(ps) == 0 {
		return nothing
	}
	var b strings.Builder
	for _, p := range ps {
		fmt.Fprintf(&b, "%s\t%s\n", tmux.Sanitize(p.name), p.may)
	}
	return b.String()
}

// choose gives the place that an answer means: by its number in the list that is
// shown, or the only one that has the text in its name.
func (ps places) choose(answer string, shown places) *place {
	if n, err := strconv.Atoi(answer); err == nil && n >= 1 && n <= len(shown) {
		if shown[n-1].gone {
			return nil
		}
		return &shown[n-1]
	}
	if answer == "" {
		return nil
	}
	if p := ps.named(answer); p != nil {
		return p
	}
	if found := ps.like(answer); len(found) == 1 {
		return &found[0]
	}
	return nil
}

// leaves says what may be typed.
const leaves = "number or part of a name; q leaves"

// size is the screen's, which has room for something in any case.
func (x *session) screenSize() (cols, rows int) {
	size, _ := x.term.Window() // it knows one always
	if size.Cols == 0 || size.Rows == 0 {
		return 80, 24
	}
	return max(size.Cols, 20), max(size.Rows, 8)
}

// rows are the lines of the list, with what stands below it, for a screen on which one
// more line is needed. The one at that place of the shown ones is marked.
func (x *session) rows(all, shown places, marked int, below []string) []string {
	cols, rows := x.screenSize()
	lines := []string{x.cut("muxward: you are "+x.c.who.Person(), cols-1)}
	switch {
	case len(all) == 0:
		lines = append(lines, strings.TrimSuffix(nothing, "\n"))
	case len(shown) == 0:
		lines = append(lines, x.cut(fmt.Sprintf("none of your %d sessions is called so", len(all)), cols-1))
	}
	room := max(rows-4-len(below), 1)
	from := min(max(marked-room+2, 0), max(len(shown)-room-1, 0))
	for i, p := range shown[min(from, len(shown)):] {
		i += from
		if left := len(shown) - i; i-from >= room && left > 1 {
			lines = append(lines, x.cut(fmt.Sprintf("... and %d more: type a part of the name", left), cols-1))
			break
		}
		text := x.row(i, p, cols)
		if i == marked {
			text = "\x1b[7m" + text + "\x1b[0m"
		}
		lines = append(lines, text)
	}
	for _, text := range below {
		lines = append(lines, x.cut(text, cols-1))
	}
	return lines
}

// row is one place in the list.
func (x *session) row(i int, p place, cols int) string {
	if p.gone {
		return x.cut(fmt.Sprintf("%d  (has ended)", i+1), cols-1)
	}
	people := ""
	if p.held > 0 {
		people = fmt.Sprintf(", %d here", p.held)
	}
	name := chooser.Seen(p.name)
	if !cleans() {
		name = p.name
	}
	text := x.cut(fmt.Sprintf("%d  %s  %s%s", i+1, name, p.may, people), cols-1)
	if x.utf8() {
		return chooser.Isolated(text)
	}
	return text
}

// cut makes text fit into a line of so many columns.
func (x *session) cut(text string, cols int) string {
	return chooser.Cut(x.readable(strings.ReplaceAll(text, "\n", "?")), cols)
}

// ask reads a line. Ending the input is leaving.
func (x *session) ask(ctx context.Context, prompt string) (string, error) {
	if err := x.print(ctx, []byte(prompt), false); err != nil {
		return "", err
	}
	x.in.setDeadline(time.Now().Add(idleTime))
	stop := context.AfterFunc(ctx, func() { x.in.setDeadline(longAgo) })
	defer stop()
	var e editor
	buf := make([]byte, 64)
	for {
		n, err := x.in.read(buf, nil, func() error { return context.Cause(ctx) })
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil:
			return "", errors.New("nothing was chosen for a long time")
		case errors.Is(err, io.EOF):
			return "q", nil
		case err != nil:
			return "", causeOf(ctx, err)
		}
		echo, done := e.feed(buf[:n])
		if err := x.print(ctx, []byte(echo), false); err != nil {
			return "", err
		}
		if done {
			return strings.TrimSpace(string(e.line)), nil
		}
	}
}

func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// editor is a line that is being typed. What is behind its end is dropped.
type editor struct {
	line   []byte
	escape int // 1 behind an escape, 2 inside a sequence
	moved  int // how often down was pressed more than up
}

// move notes an arrow key by what its sequence ends with.
func (e *editor) move(final byte) {
	switch {
	case e.escape != 2:
	case final == 'A':
		e.moved--
	case final == 'B':
		e.moved++
	}
}

// otherWay is the answer of who wants the list by lines, or on the screen.
const otherWay = "\x01"

// feed takes what was typed, and gives what is to be shown of it.
func (e *editor) feed(typed []byte) (echo string, done bool) {
	var b strings.Builder
	for _, c := range typed {
		switch {
		case e.escape > 0:
			if e.escape == 1 && (c == '[' || c == 'O') {
				e.escape = 2
			} else if e.escape == 1 || c >= 0x40 {
				e.move(c)
				e.escape = 0
			}
		case c == 0x1b:
			e.escape = 1
		case c == '\r' || c == '\n':
			return b.String() + "\n", true
		case c == 3 || c == 4: // C-c, C-d
			e.line = []byte("q")
			return b.String() + "\n", true
		case c == 0x0c: // C-l
			e.line = []byte(otherWay)
			return b.String() + "\n", true
		case c == 0x15: // C-u
			b.WriteString(strings.Repeat("\b \b", utf8.RuneCount(e.line)))
			e.line = nil
		case c == 0x7f || c == '\b':
			if len(e.line) > 0 {
				_, n := utf8.DecodeLastRune(e.line)
				e.line = e.line[:len(e.line)-n]
				b.WriteString("\b \b")
			}
		case c < 0x20 || c >= 0x80 || len(e.line) >= maxAnswer:
			// Names that are not plain are chosen by their number.
		default:
			e.line = append(e.line, c)
			b.WriteByte(c)
		}
	}
	return b.String(), false
}
