package executor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/scrollback"
	"github.com/muxward/muxward/internal/tmux"
)

// lookback is a person's private look back at a pane. It is drawn over their own
// display, and the pane is in no mode. Only the pump of their input uses it; a
// revocation takes the picture away, and it is over then.
type lookback struct {
	k     *keyboard
	at    *tmux.Found
	view  *scrollback.View
	frame scrollback.Frame
	table string // where its keys are looked up
	looks *looking
	count int  // how often the next command is to be done
	drags bool // what is selected follows the mouse
}

// glance is the right to look back at a pane.
type glance struct{ scroll, view *gateway.Right }

// looking is what a look back rests on.
type looking struct {
	glance
	place  tmux.Place   // of the pane
	seen   atomic.Int64 // when it was there, in Unix nanoseconds
	over   atomic.Bool  // nothing more is shown by it
	before []glance     // of what was shown earlier, and may be on its way still
}

// decide answers all its rights as one.
func (l *looking) decide() access.Decision {
	rights := []*gateway.Right{l.scroll, l.view}
	for _, old := range l.before {
		rights = append(rights, old.scroll, old.view)
	}
	first := rights[0].Decide()
	for _, r := range rights[1:] {
		if d := r.Decide(); first.Allow && (!d.Allow || !d.Expires.IsZero() && (first.Expires.IsZero() || d.Expires.Before(first.Expires))) {
			first = d
		}
	}
	return first
}

// lookBack begins to look back at the pane that is current, as copy-mode does
// for everybody.
func (e *errand) lookBack(ctx context.Context, inv *tmux.Invocation) error {
	k, s := e.k, e.k.s
	if err := e.locate(ctx); err != nil {
		return err
	}
	if e.current == nil {
		return errNowhere
	}
	k.forgetLook()
	c, err := s.capture(ctx, e.current)
	if err != nil {
		return err
	}
	if err := k.share.resize(c.bytes); err != nil {
		return err
	}
	l := &lookback{k: k, at: e.current, table: "copy-mode", count: 1}
	if c.settings.Vi {
		l.table = "copy-mode-vi"
	}
	l.view = scrollback.New(c.content, c.settings, c.cursorX, c.cursorY)
	l.view.ExitAtBottom, l.view.HidePosition = inv.Has('e'), inv.Has('H')
	l.view.SearchFor(k.searched)
	if inv.Has('u') {
		l.view.Do("page-up", 1, "")
	}
	l.frame = s.frame(c)
	l.rest(c)
	failpoint.At("seat-looks")
	if err := l.draw(true); err != nil {
		k.forgetLook()
		return err
	}
	k.look = l
	if inv.Has('M') && e.mouse != nil {
		return l.drag(e.mouse.Mouse)
	}
	return nil
}

// rest has what is looked at rest on the rights to what was captured as it is called
// now. They may have an end.
func (l *lookback) rest(c *captured) {
	s := l.k.s
	l.looks = &looking{
		glance: glance{
			scroll: s.live.Right(gateway.Need{Verb: access.Scroll, Object: c.on}),
			view:   s.live.Right(gateway.Need{Verb: access.View, Object: c.on}),
		},
		place: placeOf(l.at),
	}
	l.looks.seen.Store(time.Now().UnixNano())
	s.looks.begin(l.looks)
	s.arm()
}

// frame is where the pane is on the person's terminal.
func (s *seat) frame(c *captured) scrollback.Frame {
	size := s.att.Size()
	f := scrollback.Frame{
		Left: c.left, Top: c.top, Above: c.above, Below: c.below, Cols: size.Cols, Rows: size.Rows, Colours: s.colours(),
	}
	if s.own != nil {
		s.own.frameIn(&f, c)
	}
	return f
}

// looking reports whether the person looks back.
func (k *keyboard) looking() bool { return k.look != nil && k.s.att.Covered() }

// cutShort reports whether a key was meant for a look back that has ended by
// itself, as by a new size or a revocation. What was asked there is asked no
// more.
func (k *keyboard) cutShort(now time.Time) bool {
	if k.look != nil && !k.looking() {
		k.forgetLook()
		if k.ask != nil {
			k.unasked()
		}
		k.deaf.begin(now)
	}
	if !k.deaf.drops(now) {
		return false
	}
	k.s.att.Notice("you do not look back any more; what you press is not typed until you pause")
	return true
}

// forgetLook is for what is not shown any more.
func (k *keyboard) forgetLook() {
	if k.look != nil {
		k.searched = k.look.view.Searched()
	}
	k.look = nil
	_ = k.share.resize(0) // to nothing there is always room
}

// leaveLook ends looking back: the display is shown again.
func (k *keyboard) leaveLook(ctx context.Context) error {
	if k.look == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	if _, err := k.s.looks.hide(ctx, k.look.looks); err != nil {
		return fmt.Errorf("show you the display again: %w", err)
	}
	k.forgetLook()
	return nil
}

// draw shows the view, while the person may still see it.
func (l *lookback) draw(begin bool) error {
	s := l.k.s
	if time.Since(time.Unix(0, l.looks.seen.Load())) > sceneAge {
		if err := s.stays(s.ctx, l.looks); err != nil {
			return err
		}
	}
	picture := l.view.Draw(l.frame)
	picture = append(l.below(), picture...)
	shown := false
	rest := l.looks.scroll
	if !looked {
		rest = s.stage.Load().view
	}
	err := s.live.Do(rest, func() error {
		if looked && l.looks.over.Load() {
			return nil
		}
		if d := l.looks.view.Decide(); !d.Allow {
			return &gateway.Refused{Decision: d, Need: l.looks.view.Need()}
		}
		shown = s.att.Cover(picture, attach.Size{Cols: l.frame.Cols, Rows: l.frame.Rows}, begin)
		return nil
	})
	if shown && looked && l.looks.over.Load() { // it was taken away while it began
		ctx, cancel := context.WithTimeout(s.ctx, keyTime)
		defer cancel()
		_, err = s.att.Uncover(ctx)
		shown = false
	}
	if err == nil && begin && !shown {
		err = errors.New("your terminal does not take it now; try again")
	}
	return err
}

// stays asks tmux whether the pane that somebody looks back at is where it was
// decided on. If not, they do not look back any more.
func (s *seat) stays(ctx context.Context, l *looking) error {
	if l == nil || l.over.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	question, err := l.asking(s.reading())
	if err != nil {
		return err
	}
	replies, err := s.ask(ctx, question)
	if err != nil {
		return fmt.Errorf("ask for the pane that you look back at: %w", err)
	}
	if replies[0].Err == nil && strings.TrimSpace(replies[0].Text()) == here {
		l.seen.Store(time.Now().UnixNano())
		return nil
	}
	if _, err := s.looks.hide(ctx, l); err != nil {
		return err
	}
	s.att.Notice("what you looked back at was moved, or has gone")
	return nil
}

// here is what tmux says of a pane that is at its place.
const here = "here"

// asking is the question by which tmux tells whether the pane is at its place.
func (l *looking) asking(opts tmux.ParseOptions) (string, error) {
	name, ok := tmux.SpellCommand("display-message", opts)
	if !ok {
		return "", errors.New("the server's command-alias hides display-message")
	}
	words, err := tmux.GuardedInMode(l.place, [][]string{{name, "-p", here}}, refusal, opts)
	if err != nil {
		return "", err
	}
	return tmux.QuoteControl(words)
}

// standing is what is said of the rest of the picture.
const standing = " looking back, for you alone: what is around it stands still "

// below is the last row of the terminal, unless the pane is there.
func (l *lookback) below() []byte {
	f := l.frame
	if _, height := l.view.Size(); f.Below == 0 && f.Top+height >= f.Rows {
		return nil
	}
	text := standing[:max(min(len(standing), f.Cols-1), 0)]
	return fmt.Appendf(nil, "\x0f\x1b(B\x1b[%d;1H\x1b[0;7m%-*s\x1b[0m", f.Rows, f.Cols-1, text)
}

// unlook takes away what a person looks back at who may not any more. When it
// returns nil, nothing of it is shown after. If that cannot be confirmed soon,
// their attachment is closed.
func (s *seat) unlook(ctx context.Context, why string) (closed bool, err error) {
	l := s.looks.rests.Load()
	if l == nil {
		return false, nil
	}
	d := l.decide()
	if d.Allow || !looked {
		return false, nil
	}
	l.over.Store(true)
	short, cancel := context.WithTimeout(ctx, exitTime)
	defer cancel()
	// Whatever draws has found out before that it may, or finds out that it may
	// not.
	shown := false
	if err = s.live.Pass(short); err == nil {
		shown, err = s.looks.end(short, l)
	}
	if err != nil {
		return true, s.close(ctx, access.Decision{Reason: "what you looked back at cannot be taken away: " + err.Error()}, why)
	}
	if shown {
		s.att.Notice(because("you may not look back here any more", d, why))
	}
	return false, nil
}

// do does a command of copy mode to the view.
func (l *lookback) do(ctx context.Context, name string, count int, arg string) error {
	if !scrollback.Knows(name) {
		return fmt.Errorf("%s is not offered while you look back for yourself", name)
	}
	o := l.view.Do(name, count, arg)
	var err error
	if o.Tired {
		err = errors.New("it takes too long here and was given up on the way")
	}
	if o.Copy {
		err = errors.Join(err, l.copied(ctx, o.Text, o.Append))
	}
	if o.Renew {
		err = errors.Join(err, l.renew(ctx))
	}
	if o.Leave {
		return errors.Join(err, l.k.leaveLook(ctx))
	}
	return errors.Join(err, l.draw(false))
}

// renew captures the pane anew, which is decided again.
func (l *lookback) renew(ctx context.Context) error {
	c, err := l.k.s.capture(ctx, l.at)
	if err != nil {
		return err
	}
	if err := l.k.share.resize(c.bytes); err != nil {
		return err
	}
	l.rest(c)
	l.view.Renew(c.content)
	l.frame = l.k.s.frame(c)
	return nil
}

// maxCopied is how much somebody keeps of what they copied.
const maxCopied = 1 << 20

// copied keeps text for the person alone, to be pasted, and gives it to their
// terminal's clipboard. It needs the right to copy from the pane.
func (l *lookback) copied(ctx context.Context, text string, behind bool) error {
	k, s := l.k, l.k.s
	if behind {
		text = k.copied + text
	}
	if len(text) > maxCopied {
		return fmt.Errorf("not copied: more than %d KiB are selected", maxCopied>>10)
	}
	kept := true
	_, err := s.act(ctx, l.at, "copy", []string{fmt.Sprint(len(text), " bytes")}, access.Copy,
		func(_ context.Context, on access.Object) (gateway.Result, error) {
			right := s.live.Right(gateway.Need{Verb: access.Copy, Object: on})
			return gateway.Result{}, s.live.Do(right, func() error {
				k.copied = text
				kept = !s.clips() || s.att.Clipboard(text)
				return nil
			})
		})
	if err == nil && !kept {
		s.att.Notice("copied for you to paste here; your terminal's clipboard does not take it now, or not so much")
	}
	return err
}

// clipboardFeature is tmux's bit for terminals that keep a clipboard.
const clipboardFeature = 1 << 3

// clips reports whether the person's terminal keeps a clipboard, as their client
// says of it.
func (s *seat) clips() bool {
	own := s.client.Hello()
	if own.Features&clipboardFeature != 0 || strings.HasPrefix(own.Term, "xterm") {
		return true
	}
	for _, capability := range own.Terminfo {
		if strings.HasPrefix(capability, "Ms=") {
			return true
		}
	}
	return false
}
