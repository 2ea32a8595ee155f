package executor

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
	k.forgetSheet() // it is drawn over
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
	if err := l.rest(ctx, c); err != nil {
		return err
	}
	failpoint.At("seat-looks")
	if err := l.draw(true); err != nil {
		k.forgetLook()
		k.unshown(err, "you do not look back")
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
func (l *lookback) rest(ctx context.Context, c *captured) error {
	s := l.k.s
	l.looks = &looking{
		rights: glance{
			s.right(gateway.Need{Verb: access.Scroll, Object: c.on}),
			s.right(gateway.Need{Verb: access.View, Object: c.on}),
		},
		lost:  "you may not look back here any more",
		place: new(placeOf(l.at)),
	}
	l.looks.seen.Store(time.Now().UnixNano())
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	return s.rest(ctx, l.looks)
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
	picture := append(l.below(), l.view.Draw(l.frame)...)
	_, err := s.picture(l.looks, picture, attach.Size{Cols: l.frame.Cols, Rows: l.frame.Rows}, begin)
	return err
}

// stays asks tmux whether the pane that somebody looks back at is where it was
// decided on. If not, they do not look back any more.
func (s *seat) stays(ctx context.Context, l *looking) error {
	if l == nil || l.place == nil || l.over.Load() {
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
	words, err := tmux.GuardedInMode(*l.place, [][]string{{name, "-p", here}}, refusal, opts)
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
	if err := l.rest(ctx, c); err != nil {
		return err
	}
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
