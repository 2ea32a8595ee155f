package sshd

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/server/controlmode"
)

const (
	// refreshTime is how often it is looked whether a list that is open has changed.
	refreshTime = 2 * time.Second
	// lookLimit bounds such a look.
	lookLimit = 5 * time.Second
	// sureTime is how long after a change of the list a number could be meant for what it
	// was before.
	sureTime = time.Second
	// pollTime is how often it is seen to whether such a look is through.
	pollTime = 200 * time.Millisecond
	// listTries is how often a list is made again of which rights have changed while
	// it was printed.
	listTries = 3
)

// lobby is somebody who chooses from the list: what of it they see, and what they have
// typed. On the screen the list is drawn anew as they type and as it changes; by lines,
// which is for who has it read aloud, nothing is ever drawn over.
type lobby struct {
	x          *session
	byLines    bool
	mayBegin   bool // sessions of their own
	answers    gateway.Answers
	gate       gateway.Gate // of what was listed last
	all, shown places
	typed      editor
	marked     int  // in shown; -1 for none
	held       bool // a number is being typed: the places keep theirs
	changed    time.Time
	look       look
	note       string
	cols, rows int // when it was drawn
}

func (x *session) newLobby() *lobby {
	home := x.c.s.Home
	return &lobby{x: x, byLines: x.kind == "dumb", marked: -1,
		mayBegin: home != nil && strings.HasPrefix(home(x.c.who.Person()), "/")}
}

// open begins to answer for what is listed, and shut ends that: elsewhere, such as at a
// session, others do.
func (l *lobby) open(ctx context.Context) {
	l.answers = l.x.c.s.Gateway.Answers(ctx, l.x.c.who, l.x.settle)
	l.gate = l.answers.Gate()
}

func (l *lobby) shut(ctx context.Context) {
	l.x.through(ctx)
	l.answers.Release()
}

// enter has somebody choose a session from the list that was printed, again when
// they have left it.
func (l *lobby) enter(ctx context.Context) (gateway.Result, error) {
	for {
		answer, err := l.ask(ctx)
		if err != nil {
			return gateway.Result{}, err
		}
		if answer == "q" {
			return gateway.Result{}, l.x.print(ctx, []byte("\n"), false)
		}
		if r, left, err := l.obey(ctx, answer); left {
			return r, err
		}
		if err := l.list(ctx); err != nil {
			return gateway.Result{}, err
		}
	}
}

// list makes the list anew, and shows it.
func (l *lobby) list(ctx context.Context) (err error) {
	for range listTries {
		select { // each is in the log
		case <-time.After(paceTime):
		case <-ctx.Done():
		}
		l.gate = l.answers.Gate() // of what is asked for behind it
		if _, err = l.x.list(ctx, l.take); err == nil || ctx.Err() != nil {
			break
		}
	}
	return err
}

// take takes a list over, and gives what is to be shown of it.
func (l *lobby) take(all places) string {
	l.all = all
	l.filter()
	if !l.byLines {
		return l.draw()
	}
	below := []string{leaves}
	if l.mayBegin {
		below = []string{"new NAME begins a session", leaves}
	}
	if l.note != "" {
		below = slices.Insert(below, 0, l.note)
	}
	l.note = ""
	return strings.Join(l.x.rows(l.all, l.shown, -1, below), "\n") + "\n"
}

// filter finds what is shown, by what was typed: numbers and commands leave all of it.
// What is marked stays so wherever it comes to stand, and while a number is typed, each
// place keeps the one that it had.
func (l *lobby) filter() {
	text := strings.TrimSpace(string(l.typed.line))
	if _, begins := l.begins(text); begins || l.joins(text) != "" {
		text = ""
	}
	held := l.held
	if l.held = !l.byLines && isNumber(text); l.held && held {
		l.shown = l.all.at(l.shown)
		return
	} else if isNumber(text) {
		text = ""
	}
	was := l.shown
	l.shown = l.all.like(text)
	if l.marked >= len(was) || l.marked < 0 {
		l.marked = -1
		return
	}
	l.marked = slices.IndexFunc(l.shown, was[l.marked].is)
}

func isNumber(text string) bool {
	_, err := strconv.Atoi(text)
	return err == nil
}

// at gives the places that were shown, each where it was, as they are now.
func (ps places) at(shown places) places {
	out := make(places, len(shown))
	for i, was := range shown {
		out[i] = place{target: was.target, incarnation: was.incarnation, gone: true}
		if at := slices.IndexFunc(ps, was.is); at >= 0 {
			out[i] = ps[at]
		}
	}
	return out
}

// begins reports whether an answer asks for a new session, and what it is to be called.
func (l *lobby) begins(answer string) (name string, ok bool) {
	word, name, _ := strings.Cut(answer, " ")
	return strings.TrimSpace(name), l.mayBegin && word == "new" && l.all.named(answer) == nil
}

// joins gives the code of an answer that has one.
func (l *lobby) joins(answer string) string {
	word, code, _ := strings.Cut(strings.TrimPrefix(answer, "muxward "), " ")
	if word != joinWord || l.x.c.s.Join == nil || l.all.named(answer) != nil {
		return ""
	}
	return strings.TrimSpace(code)
}

// draw is the whole screen.
func (l *lobby) draw() string {
	l.cols, l.rows = l.x.screenSize()
	below := []string{"number, name or arrows; q leaves"}
	if l.cols > 60 {
		below[0] += "; C-l shows lines"
	}
	if l.mayBegin {
		below = append(below, "new NAME begins a session")
	}
	if len(l.all) == 0 && l.x.c.s.Join != nil {
		below = append(below, "join CODE uses an invite")
	}
	if l.note != "" {
		below = append(below, l.note)
	}
	lines := l.x.rows(l.all, l.shown, l.marked, below)
	lines[0] = "\x1b[1m" + lines[0] + "\x1b[0m"
	typed := string(l.typed.line)
	typed = typed[max(0, len(typed)-(l.cols-4)):] // plain letters
	return "\x1b[H" + strings.Join(lines, "\x1b[K\n") + "\x1b[K\n> " + typed + "\x1b[J"
}

// errResized ends the wait for an answer: the list has another size on the screen.
var errResized = errors.New("the terminal has another size")

// errIdle is what somebody hears who only looks.
var errIdle = errors.New("nothing was chosen for a long time")

// stands says why what is on the screen is not waited at any more.
func (l *lobby) stands(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if cols, rows := l.x.screenSize(); cols != l.cols || rows != l.rows {
		return errResized
	}
	return nil
}

// ask waits for an answer. On the screen, what is typed is at once what is looked for.
func (l *lobby) ask(ctx context.Context) (string, error) {
	l.typed = editor{}
	if l.byLines {
		answer, err := l.x.ask(ctx, "> ")
		l.typed.line = []byte(answer)
		return answer, err
	}
	x := l.x
	stop := context.AfterFunc(ctx, func() { x.in.setDeadline(longAgo) })
	defer stop()
	idle := time.Now().Add(idleTime)
	buf := make([]byte, 64)
	for {
		x.in.setDeadline(time.Now().Add(l.look.wait()))
		n, err := x.in.read(buf, nil, func() error { return l.stands(ctx) })
		switch {
		case errors.Is(err, errResized):
			err = l.redraw(ctx)
		case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil:
			if time.Now().After(idle) {
				return "", errIdle
			}
			err = l.refresh(ctx)
		case errors.Is(err, io.EOF):
			return "q", nil
		case err == nil:
			idle = time.Now().Add(idleTime)
			var done bool
			if done, err = l.key(ctx, buf[:n]); done {
				return l.answer(), nil
			}
		}
		if err != nil {
			return "", causeOf(ctx, err)
		}
	}
}

// key takes what was typed, and shows what comes of it.
func (l *lobby) key(ctx context.Context, typed []byte) (done bool, err error) {
	before := strings.TrimSpace(string(l.typed.line))
	_, done = l.typed.feed(typed)
	text := strings.TrimSpace(string(l.typed.line))
	if text != before {
		l.marked, l.note = -1, ""
	}
	if isNumber(text) && !l.held {
		switch {
		case time.Since(l.changed) < sureTime: // it may be meant for what stood there before
			l.typed, l.note, done = editor{}, "the list has just changed: which one?", false
		case before != "": // they have not seen what it is the number of
			done = false
		}
	}
	l.filter()
	if l.typed.moved != 0 {
		l.marked = min(max(l.marked+l.typed.moved, 0), len(l.shown)-1)
		l.typed.moved = 0
	}
	if done {
		return true, nil
	}
	return false, l.redraw(ctx)
}

// answer is what was typed, or what is marked if nothing was.
func (l *lobby) answer() string {
	text := strings.TrimSpace(string(l.typed.line))
	if _, begins := l.begins(text); text != "q" && text != otherWay && !begins && l.joins(text) == "" && l.marked >= 0 {
		return strconv.Itoa(l.marked + 1)
	}
	return text
}

// redraw shows once more what was listed, as long as no right has changed since; else
// it is listed anew.
func (l *lobby) redraw(ctx context.Context) error {
	short, cancel := context.WithTimeoutCause(ctx, printTime, errNotRead)
	defer cancel() // who does not read is not idle, and leaves all the same
	if denied, err := l.x.deliver(short, []byte(l.draw()), l.gate); err != nil || denied == nil {
		return err
	}
	return l.relist(ctx)
}

// relist lists anew what somebody looks at.
func (l *lobby) relist(ctx context.Context) error {
	before := l.shown
	err := l.list(ctx)
	if !slices.EqualFunc(before, l.shown, place.is) {
		l.changed = time.Now()
	}
	return err
}

// refresh lists anew what has changed. That looking takes too long, or fails, is told
// when something is asked for.
func (l *lobby) refresh(ctx context.Context) error {
	now, err := l.look.through(time.Now())
	if err == nil && now != nil && !slices.Equal(*now, l.all) {
		return l.relist(ctx)
	}
	l.look.begin(l.x, ctx)
	if cols, rows := l.x.screenSize(); cols != l.cols || rows != l.rows {
		return l.redraw(ctx)
	}
	return nil
}

// obey does what an answer asks for. It reports whether they have left.
func (l *lobby) obey(ctx context.Context, answer string) (r gateway.Result, left bool, err error) {
	l.note = ""
	if answer == otherWay {
		l.byLines = !l.byLines
		l.typed, l.marked = editor{}, -1
		if l.byLines {
			err = l.x.print(ctx, []byte("\n"), false)
		}
		return r, err != nil, err
	}
	if code := l.joins(answer); code != "" {
		err := l.join(ctx, code)
		return r, err != nil, err
	}
	var argv []string
	if name, ok := l.begins(answer); ok {
		if argv = []string{"new-session"}; name != "" {
			argv = append(argv, "-s", name)
		}
	} else if p := l.all.choose(answer, l.shown); p != nil {
		argv = []string{"attach-session", "-t", p.target}
	}
	l.marked = -1
	if argv == nil {
		if !l.byLines {
			l.typed = editor{}
			l.filter()
			switch {
			case answer != "":
				l.note = "no one session is called so"
			case len(l.shown) > 0:
				l.note = "which one? 1 is the first"
			}
		}
		return r, false, nil
	}
	l.typed = editor{}
	return l.visit(ctx, argv)
}

// join has somebody come by an invite: what it gives is in the list then.
func (l *lobby) join(ctx context.Context, code string) error {
	l.typed, l.marked = editor{}, -1
	joined, err := l.x.come(ctx, code)
	switch {
	case ctx.Err() != nil:
		return err
	case err != nil:
		joined.Text = err.Error()
	}
	l.note = strings.ReplaceAll(l.x.readable(joined.Text), "\n", " ")
	return nil
}

// visit has somebody attached until they leave, or shows why they are not.
func (l *lobby) visit(ctx context.Context, argv []string) (r gateway.Result, left bool, err error) {
	x := l.x
	blank := "\x1b[H\x1b[J"
	if l.byLines {
		blank = ""
	}
	if err := x.shown(ctx, []byte(blank), false); err != nil {
		return r, true, err
	}
	l.shut(ctx)
	r, err = x.command(ctx, argv)
	l.open(ctx)
	switch attached := x.client.again(); {
	case ctx.Err() != nil || errors.Is(err, gateway.ErrEnded), attached && (err != nil || r.Exit != 0):
		return r, true, err
	case err != nil:
		l.note = strings.ReplaceAll(x.readable(err.Error()), "\n", " ")
	case r.Exit != 0 && !l.byLines: // tmux has said why
		_, err := x.ask(ctx, "Return goes on ")
		return gateway.Result{}, err != nil, err
	}
	if !l.byLines { // the list comes when nothing is under way any more that was typed before it
		if err := x.shown(ctx, []byte(blank+"one moment, the list comes\n"), false); err != nil {
			return r, true, err
		}
	}
	x.forget() // it was typed into the session
	x.in.quiet(ctx)
	return gateway.Result{}, false, nil
}

// deliver puts something on its way, if gate lets it then. All before it has left by
// then, so a right that is taken back waits for no more than this.
func (x *session) deliver(ctx context.Context, data []byte, gate gateway.Gate) (denied, err error) {
	if err := x.passed(ctx); err != nil {
		return nil, err
	}
	if x.term != nil {
		data = []byte(strings.ReplaceAll(string(data), "\n", "\r\n"))
	}
	denied = controlmode.Pass(gate, func() error {
		var taken int
		if taken, err = x.out.try(data, false); err == nil && taken < len(data) {
			err = errNotRead
		}
		return nil
	})
	return denied, err
}

// through waits until all that was printed is on its way, and ends the connection with
// it if the network does not take it. Whoever gives up the permit by which something was
// shown does so behind this: a right that is taken back later finds nobody to wait for.
func (x *session) through(ctx context.Context) {
	if !waits() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lingerTime)
	defer cancel()
	if err := x.passed(ctx); errors.Is(err, errNotRead) {
		x.out.drop()
		x.gone(err)
		x.c.nc.abort()
	}
}

// settle waits until what was delivered has left for the other end, and ends the
// connection with it if the network does not take it.
func (x *session) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stuckTime)
	defer cancel()
	if err := x.passed(ctx); errors.Is(err, errNotRead) {
		x.out.drop()
		x.gone(err)
		x.c.nc.abort()
	}
	return nil
}
