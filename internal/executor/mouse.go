package executor

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
)

// The parts of what a terminal reports of its mouse.
const (
	mouseButton = 0x03 // 3: none
	mouseShift  = 0x04
	mouseMeta   = 0x08
	mouseCtrl   = 0x10
	mouseMotion = 0x20
	mouseWheel  = 0x40
	mouseMore   = 0x80 // buttons that nobody has bound
)

// pointed is where somebody's mouse is: a pane of the session they look at, and
// a place in it.
type pointed struct {
	attach.Mouse
	at     *tmux.Found
	x, y   int
	active bool // it is the pane that they type into
	means  bool // the server goes by the mouse: keys of it are looked up
}

// Mouse takes a report of the mouse: the server's key tables say what it means
// in a pane. On the status line and on borders it means nothing here.
func (k *keyboard) Mouse(ctx context.Context, m attach.Mouse) error {
	now := time.Now()
	if k.cutShort(now) || k.ask != nil {
		return nil
	}
	if k.sheet != nil {
		return k.sheetMouse(ctx, m)
	}
	if k.s.full.Load() {
		return nil
	}
	name := k.mouseKey(m)
	if k.looking() {
		return k.look.mouse(ctx, m, name)
	}
	if name == "" || !k.minds(ctx, name) {
		return nil
	}
	p, err := k.point(ctx, m)
	if err != nil {
		k.s.att.Notice((&errand{k: k}).told("", err))
		return nil
	}
	if p == nil {
		return nil // there is nothing there
	}
	if !p.means { // only the program has asked for it
		return k.unbound(ctx, p)
	}
	return k.click(ctx, name, p)
}

// minds reports whether anything may come of what was done with the mouse: it is
// bound to something, or the person may type. tmux is asked for nothing else.
func (k *keyboard) minds(ctx context.Context, name string) bool {
	m, _ := k.keys(ctx, time.Time{})
	if bound, _ := new(tmux.Keyboard).Press(m, name, time.Now()); bound != nil {
		return true
	}
	at, err := k.s.look(ctx)
	return err == nil && at.right.Decide().Allow
}

// click does what a key of the mouse is bound to.
func (k *keyboard) click(ctx context.Context, name string, p *pointed) error {
	now := time.Now()
	m, unseen := k.keys(ctx, time.Time{})
	bound, _ := new(tmux.Keyboard).Press(m, name, now)
	if bound != nil { // what it means is looked up as it is now
		m, unseen = k.keys(ctx, now)
		bound, _ = new(tmux.Keyboard).Press(m, name, now)
	}
	k.at = tmux.Keyboard{}
	if bound == nil {
		return k.unbound(ctx, p)
	}
	failpoint.At("keyboard-mouse")
	if unseen != nil { // it may be bound to something else now
		k.s.att.Notice(unseen.Error())
		return nil
	}
	return k.carry(ctx, name, bound, p)
}

// unbound gives what the mouse does to the program in the pane, if it is bound to
// nothing. Who may not type is not told each time.
func (k *keyboard) unbound(ctx context.Context, p *pointed) error {
	if k.looking() {
		return nil
	}
	e := &errand{k: k, mouse: p, current: p.at}
	err := e.passOn(ctx)
	if refused := new(gateway.Refused); err != nil && !errors.As(err, &refused) {
		k.s.att.Notice(e.told("", err))
	}
	return nil
}

// mouseKey gives tmux's name for what the mouse has done in a pane, or "" if it
// is nothing of its own.
func (k *keyboard) mouseKey(m attach.Mouse) string {
	button := strconv.Itoa(m.Code&mouseButton + 1)
	name := ""
	switch {
	case m.Code&mouseMore != 0:
		return ""
	case m.Code&mouseWheel != 0:
		name = map[int]string{0: "WheelUp", 1: "WheelDown"}[m.Code&mouseButton]
	case m.Code&mouseButton == mouseButton:
		return "" // motion without a button
	case m.Release && k.drags:
		name, k.drags = "MouseDragEnd"+button, false
	case m.Release:
		name = "MouseUp" + button
	case m.Code&mouseMotion != 0:
		name, k.drags = "MouseDrag"+button, true
	default:
		name, k.drags, k.down = "MouseDown"+button, false, m
	}
	if name == "" {
		return ""
	}
	for _, mod := range []struct {
		bit  int
		name string
	}{{mouseShift, "S-"}, {mouseMeta, "M-"}, {mouseCtrl, "C-"}} {
		if m.Code&mod.bit != 0 {
			name = mod.name + name
		}
	}
	return name + "Pane"
}

// point finds the pane under the mouse, nil if there is none.
func (k *keyboard) point(ctx context.Context, m attach.Mouse) (*pointed, error) {
	s := k.s
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	if s.own != nil {
		return s.own.point(ctx, m)
	}
	session := s.stage.Load().session.ID
	w, err := s.scenery(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask where the mouse is: %w", err)
	}
	if !among(m.Y, w.above, s.att.Size().Rows-w.below) {
		return nil, nil
	}
	snap, err := s.server.Snapshot(ctx, tmux.Core)
	if err != nil {
		return nil, fmt.Errorf("ask where the mouse is: %w", err)
	}
	p := paneUnder(snap, session, m, m.X+w.left, m.Y-w.above+w.top)
	if p != nil {
		p.means = w.mouse
	}
	return p, nil
}

// scenery is how a window is shown on a display: from where on, how many status
// lines there are, and whether the server goes by the mouse at all.
type scenery struct {
	left, top, above, below int
	mouse                   bool
}

// scenery asks how the display shows its window. It is the display's own, so it is
// asked of the clients: a format has it of no other.
func (s *seat) scenery(ctx context.Context) (scenery, error) {
	now := s.stage.Load()
	replies, err := s.ask(ctx, now.clients+" -t "+now.session.ID.String()+` -F "#{client_name} `+sceneryFormat+`"`)
	if err == nil {
		err = replies[0].Err
	}
	if err != nil {
		return scenery{}, err
	}
	for _, line := range replies[0].Lines() {
		if text, ok := strings.CutPrefix(line, s.tty+" "); ok {
			return readScenery(text)
		}
	}
	return readScenery("")
}

// sceneryFormat asks for what [readScenery] reads.
const sceneryFormat = "#{status} #{status-position} #{?window_bigger,#{window_offset_x},0} #{?window_bigger,#{window_offset_y},0} #{mouse}"

func readScenery(text string) (w scenery, err error) {
	f := strings.Fields(text)
	if len(f) != 5 {
		return w, errors.New("there is no answer")
	}
	var err1, err2 error
	w.left, err1 = strconv.Atoi(f[2])
	w.top, err2 = strconv.Atoi(f[3])
	w.above, w.below = statusLines(f[0], f[1])
	w.mouse = f[4] == "1" || f[4] == "on"
	return w, errors.Join(err1, err2)
}

// among reports whether a row is one of those that panes are shown in.
func among(row, from, to int) bool { return row >= from && row < to }

// paneUnder finds the pane of a session's current window that has a place.
func paneUnder(snap *tmux.Snapshot, session tmux.SessionID, m attach.Mouse, x, y int) *pointed {
	current, err := tmux.Resolve(snap, tmux.Lookup{Kind: tmux.TargetPane}, session.String()+":", tmux.ResolveContext{})
	if err != nil || !current.Whole() {
		return nil
	}
	for _, id := range current.Window.Panes {
		p := snap.Pane(id)
		if p == nil || current.Window.Zoomed && id != current.Pane.ID ||
			x < p.Left || x >= p.Left+p.Width || y < p.Top || y >= p.Top+p.Height {
			continue
		}
		at, err := tmux.Resolve(snap, tmux.Lookup{Kind: tmux.TargetPane}, spot(session, current.Window.ID, id), tmux.ResolveContext{})
		if err != nil || !at.Whole() {
			return nil
		}
		return &pointed{Mouse: m, at: &at, x: x - p.Left, y: y - p.Top, active: id == current.Pane.ID}
	}
	return nil
}

// aim names the pane under the mouse where commands name it as that.
func (e *errand) aim(commands []*tmux.Invocation) []*tmux.Invocation {
	if e.mouse == nil {
		return commands
	}
	at := e.mouse.at
	target := spot(at.Session.ID, at.Window.ID, at.Pane.ID)
	aimed := make([]*tmux.Invocation, len(commands))
	for i, inv := range commands {
		aimed[i] = inv
		t, ok := inv.Get('t')
		if !ok || t != "=" && t != "{mouse}" {
			continue
		}
		aimed[i] = inv.Clone()
		aimed[i].Delete('t') // for what is private it is the current one
		if !looksBack(aimed[i]) && !inMode(aimed[i]) {
			aimed[i].Set('t', target)
		}
	}
	return aimed
}

// selects: the pane under the mouse is selected, which is so already.
func (e *errand) selects(inv *tmux.Invocation) bool {
	return inv.Row.Name == "select-pane" && e.mouse != nil && e.mouse.active && inv.HasOnly("t")
}

// passesOn: send-keys -M gives the mouse to the program in the pane.
func passesOn(inv *tmux.Invocation) bool {
	return inv.Row.Name == "send-keys" && inv.Has('M')
}

// passOn types a report of the mouse, as the program in the pane has asked for
// them, if it is the pane that the person types into.
func (e *errand) passOn(ctx context.Context) error {
	if e.mouse == nil {
		return errors.New("there is no mouse")
	}
	k, s := e.k, e.k.s
	at, err := s.look(ctx)
	if err != nil || !e.mouse.active || !e.mouse.over(at.place) {
		return err
	}
	if d := at.right.Decide(); !d.Allow {
		return &gateway.Refused{Decision: d, Need: at.right.Need()}
	}
	form, drags, err := s.mouseForm(ctx, at)
	if err != nil || form == tmux.MouseUnasked || e.mouse.Code&mouseMotion != 0 && !drags {
		return err
	}
	report := e.mouse.report(form == tmux.MouseSGR)
	if report == nil {
		return nil
	}
	k.reports = &reported{e.mouse, form}
	defer func() { k.reports = nil }()
	return s.att.Type(attach.Event{Kind: attach.MouseReport, Bytes: report, Mouse: e.mouse.Mouse})
}

// mouseForm asks how the program in a pane wants to hear of the mouse, and whether
// of what is dragged, too.
func (s *seat) mouseForm(ctx context.Context, at *scene) (form tmux.MouseForm, drags bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	name, ok := tmux.SpellCommand("display-message", at.opts)
	if !ok {
		return 0, false, errors.New("the server's command-alias hides display-message")
	}
	replies, err := s.ask(ctx, name+" -p -t "+at.place.Pane.String()+
		` "#{mouse_any_flag}#{mouse_sgr_flag}#{mouse_button_flag}#{mouse_all_flag}"`)
	if err == nil {
		err = replies[0].Err
	}
	if err != nil {
		return 0, false, fmt.Errorf("ask whether the mouse is wanted: %w", err)
	}
	flags := strings.TrimSpace(string(replies[0].Data))
	if len(flags) != 4 || flags[0] != '1' {
		return tmux.MouseUnasked, false, nil
	}
	form = tmux.MousePlain
	if flags[1] == '1' {
		form = tmux.MouseSGR
	}
	return form, flags[2] == '1' || flags[3] == '1', nil
}

// reported is what a program is to hear of the mouse.
type reported struct {
	*pointed
	form tmux.MouseForm
}

// aim has a scene be about what is reported, nil if the mouse is elsewhere. That the
// program wants it in this form is tested inside tmux.
func (r *reported) aim(at *scene) *scene {
	if r == nil || !r.over(at.place) {
		return nil
	}
	aimed := *at
	aimed.place.Mouse = r.form
	return &aimed
}

// over reports whether the mouse is over a pane at its place.
func (p *pointed) over(at tmux.Place) bool {
	return at.Pane == p.at.Pane.ID && at.Window == p.at.Window.ID && at.Session == p.at.Session.ID
}

// report is what a program hears of the mouse, nil if that cannot be said.
func (p *pointed) report(sgr bool) []byte {
	if sgr {
		final := 'M'
		if p.Release {
			final = 'm'
		}
		return fmt.Appendf(nil, "\x1b[<%d;%d;%d%c", p.Code, p.x+1, p.y+1, final)
	}
	const most = 0xff - 33
	if p.x > most || p.y > most {
		return nil
	}
	code := p.Code
	if p.Release {
		code |= mouseButton
	}
	return []byte{0x1b, '[', 'M', byte(code + 32), byte(p.x + 33), byte(p.y + 33)}
}

// mouse takes a report of the mouse while the person looks back. What is dragged
// goes on without being asked about.
func (l *lookback) mouse(ctx context.Context, m attach.Mouse, name string) error {
	x, y := l.view.Place(l.frame, m.X, m.Y)
	width, height := l.view.Size()
	drags := l.drags && m.Code&mouseMotion != 0
	outside := x < 0 || x >= width || y < 0 || y >= height || !among(m.Y, l.frame.Above, l.frame.Rows-l.frame.Below)
	if !drags && !(l.drags && m.Release) && outside {
		return nil
	}
	if drags {
		switch {
		case y < 0:
			l.view.Do("scroll-up", 1, "")
		case y >= height:
			l.view.Do("scroll-down", 1, "")
		}
		l.view.Point(x, y)
		if err := l.draw(false); err != nil {
			l.k.s.att.Notice((&errand{k: l.k}).told("", err))
		}
		return nil
	}
	if name == "" {
		return nil
	}
	l.drags = l.drags && !m.Release
	return l.k.click(ctx, name, &pointed{Mouse: m, at: l.at, x: x, y: y, active: true})
}

// drag begins to select where the button was pressed, and selects up to where the
// mouse is.
func (l *lookback) drag(now attach.Mouse) error {
	down := l.k.down
	l.view.Point(l.view.Place(l.frame, down.X, down.Y))
	l.view.Do("begin-selection", 1, "")
	l.view.Point(l.view.Place(l.frame, now.X, now.Y))
	l.drags = true
	return l.draw(false)
}
