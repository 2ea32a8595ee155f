package attach

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
)

// maxPicture is the largest picture that is shown: as much as a large terminal takes
// in which each character has colours of its own.
const maxPicture = 1 << 20

// Cover shows a picture of muxward's own over what the display draws, or another
// one in its place, until Uncover. What the display draws meanwhile is read and
// thrown away. The picture must leave the terminal as tmux might, and draw anew
// all that it covers.
//
// It reports false, and shows nothing, if the terminal is behind, or away, or has
// not the size any more that the picture is drawn for; if the picture is more than
// any terminal needs; and, unless begin is set, if the
// cover was taken away meanwhile, which whatever has everything drawn anew does,
// too. It is not subject to the Gate: the caller
// calls it where showing the picture is permitted.
func (a *Attachment) Cover(picture []byte, of Size, begin bool) bool {
	o := &a.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if a.closed.Load() || o.away || o.lagging || !begin && o.cover == nil || begin && len(o.queue) > 0 || of != a.Size() || len(picture) > maxPicture {
		return false
	}
	o.cover = picture
	o.veil()
	if err := o.paint(); err != nil {
		a.end(err)
		return false
	}
	return o.cover != nil
}

// Covered reports whether a picture is shown by Cover.
func (a *Attachment) Covered() bool {
	a.out.mu.Lock()
	defer a.out.mu.Unlock()
	return a.out.cover != nil
}

// Taken reports whether the terminal has taken all of the picture that Cover has shown
// last: nothing of it waits here. What a terminal, or a network, holds is not known.
func (a *Attachment) Taken() bool {
	o := &a.out
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.cover != nil && !o.repaint && len(o.queue) == 0 && !o.away && !a.closed.Load()
}

// Uncover has the display drawn again in the place of a picture, and reports
// whether there was one. When it returns nil, nothing of the picture is written
// any more; what the terminal has of it may still be shown.
func (a *Attachment) Uncover(ctx context.Context) (shown bool, err error) {
	err = lockWithin(ctx, &a.out.mu, func() {
		if shown = a.out.cover != nil; shown {
			a.out.lag(0) // what is told now stays
			a.out.startDrain()
		}
	})
	return shown, err
}

// Withdraw is Uncover for whoever may not see the picture any more, nor an earlier
// one: when it returns nil, nothing of them is shown any more but what has left for
// the terminal.
func (a *Attachment) Withdraw(ctx context.Context) (shown bool, err error) {
	o := &a.out
	var dropped error
	err = lockWithin(ctx, &o.mu, func() {
		shown = o.cover != nil
		if !shown && !o.pictured || o.away {
			return
		}
		o.lag(0)
		if dropped = a.term.Drop(); dropped == nil {
			o.pictured = false
		}
		o.startDrain()
	})
	if err = errors.Join(err, dropped); err == nil {
		err = a.term.Gone(ctx)
	}
	return shown, err
}

// Anew throws away all that waits to be shown, here and in the terminal, and has
// everything drawn anew. When it returns nil, nothing of what was drawn before is
// shown any more but what has left for the terminal, and what the Gate lets through
// later.
func (a *Attachment) Anew(ctx context.Context) error {
	var dropped error
	err := lockWithin(ctx, &a.out.mu, func() {
		if !a.out.away {
			a.out.lag(0)
			dropped = a.term.Drop()
			a.out.startDrain()
		}
	})
	if err = errors.Join(err, dropped); err == nil {
		err = a.term.Gone(ctx)
	}
	return err
}

// paint shows the picture, or has it shown as soon as the terminal has taken
// what is queued: of several that it has no time for, the last. o.mu is held.
func (o *output) paint() error {
	if len(o.queue) > 0 {
		o.repaint = true
		return nil
	}
	o.repaint, o.pictured = false, true
	if err := o.put(o.cover); err != nil {
		return err
	}
	return o.overlay(true)
}

// maxClipboard is how much is given to a terminal to keep, as terminals take it.
const maxClipboard = 64 << 10

// Clipboard gives text to the terminal's clipboard, and reports whether it did.
// As with Cover, the caller has found out that this is permitted.
func (a *Attachment) Clipboard(text string) bool {
	o := &a.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if a.closed.Load() || o.away || o.lagging || len(text) > maxClipboard {
		return false
	}
	err := o.put(fmt.Appendf(nil, "\x1b]52;c;%s\x07", base64.StdEncoding.EncodeToString([]byte(text))))
	if err != nil {
		a.end(err)
	}
	return err == nil
}
