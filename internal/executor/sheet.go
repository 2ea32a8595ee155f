package executor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/chooser"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// sheet is a list of muxward's own that is drawn over one person's display: help,
// or what they may go to. All their keys are the list's while it is shown. As with
// a look back only the pump of their input uses it; a revocation takes the picture
// away, and it is over then.
type sheet struct {
	list  *chooser.List
	rests *looking
	// chosen does what the line at a place of the list stands for; nil for a list
	// that is only read.
	chosen func(ctx context.Context, at int) error
	// pressed does what a key means for the line at a place, or for all of a list that is
	// only read, and reports whether it
	// means anything; nil: none does.
	pressed func(ctx context.Context, key string, at int) (bool, error)
	// shown: what was drawn last is what the terminal is given.
	shown bool
	// held is nil for one whose keys count at once.
	held *holding
}

// holding has the keys of a sheet count for nothing until the terminal has taken it and
// none has come for deafTime: what somebody types who has not seen it yet is no answer to
// it. Its foot says so meanwhile, and shows what the keys do once they count. Of one that
// is to be shown whole each page begins anew.
type holding struct {
	foot string
	list *chooser.List
	// taken reports whether the terminal has taken what was drawn last, and whether it
	// may yet.
	taken func() (yes, may bool)
	draw  func()
	mu    sync.Mutex // while it is held the list is the timer's, later the pump's
	over  bool
	until time.Time
	timer *time.Timer
}

// hold has a sheet be held that is not shown yet.
func (sh *sheet) hold() {
	sh.held = &holding{foot: sh.list.Foot}
	sh.list.Foot = readIt
}

// readIt is the foot of a sheet whose keys do not count yet.
const readIt = "read it: keys count once you have paused"

// begin counts the pause of a sheet that is shown now. When it is over the keys count,
// and draw shows that they do.
func (h *holding) begin(list *chooser.List, taken func() (yes, may bool), draw func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list, h.taken, h.draw = list, taken, draw
	h.until = time.Now().Add(deafTime)
	h.timer = time.AfterFunc(deafTime, h.paused)
}

// paused ends the pause, if it is one.
func (h *holding) paused() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over || time.Now().Before(h.until) { // there was another key: it ends later
		return
	}
	if yes, may := h.taken(); !yes {
		if may { // the pause begins when there is something to be read
			h.wait()
		}
		return
	}
	h.list.Shown()
	h.over = true
	h.list.Foot = h.foot
	h.draw()
}

// wait has the pause begin anew; mu is held.
func (h *holding) wait() {
	h.until = time.Now().Add(deafTime)
	h.timer.Reset(deafTime)
}

// page shows a sheet anew. While not all of it was shown that is to be, the pause begins
// anew with that: keys that were typed ahead turn no page, and answer nothing.
func (h *holding) page() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.list.Whole() {
		h.draw()
		return
	}
	h.over = false
	h.list.Foot = readIt
	h.draw()
	h.wait()
}

// drops reports whether a key counts for nothing, and has the pause begin anew then.
func (h *holding) drops() bool {
	if h == nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.over {
		h.wait()
	}
	return !h.over
}

// open shows a sheet, also in the place of a look back. What it shows rests on
// needs, the first of which is of what the person looks at.
func (k *keyboard) open(ctx context.Context, sh *sheet, needs []gateway.Need) error {
	s := k.s
	sh.rests = &looking{rights: s.rights(needs), lost: "what you were shown is not for you to see any more"}
	if err := s.rest(ctx, sh.rests); err != nil { // and on what is there until it is drawn over
		return err
	}
	begin := !s.att.Covered()
	k.forgetLook()
	failpoint.At("seat-sheet")
	err := k.drawSheet(sh, begin)
	if err == nil {
		k.sheet = sh
		return nil
	}
	k.unshown(err, "the list is not shown")
	// What is there rests on what was not drawn: it goes, though ctx may be over.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keyTime)
	defer cancel()
	if _, uncovered := s.looks.hide(ctx, sh.rests); uncovered != nil {
		return fmt.Errorf("show you the display again: %w", uncovered)
	}
	return err
}

// drawSheet shows a sheet as it is now, while the person may see it.
func (k *keyboard) drawSheet(sh *sheet, begin bool) error {
	size := k.s.att.Size()
	picture := sh.list.Draw(size.Cols, size.Rows, k.s.client.Hello().Flags&wire.FlagUTF8 != 0)
	var err error
	sh.shown, err = k.s.picture(sh.rests, picture, size, begin)
	return err
}

// taken reports whether the terminal has taken a sheet as it was drawn last, and whether
// it may yet.
func (k *keyboard) taken(sh *sheet) (yes, may bool) {
	return sh.shown && k.s.att.Taken(), k.s.ctx.Err() == nil && k.s.att.Covered()
}

// turn takes a key to the sheet that is shown.
func (k *keyboard) turn(ctx context.Context, key string) error {
	sh := k.sheet
	if sh.held.drops() {
		return nil
	}
	if at, ok := sh.list.Chosen(); (ok || !sh.list.Choose) && sh.pressed != nil && !sh.list.Typing() {
		if means, err := sh.pressed(ctx, key, at); means || err != nil {
			return err
		}
	}
	return k.turned(ctx, k.sheet.list.Key(key))
}

func (k *keyboard) turned(ctx context.Context, o chooser.Outcome) error {
	sh := k.sheet
	switch o {
	case chooser.Changed:
		if sh.held != nil {
			sh.held.page()
		} else {
			k.redrawn(sh)
		}
	case chooser.Left:
		return k.leaveSheet(ctx)
	case chooser.Chosen:
		at, ok := sh.list.Chosen()
		if !ok || sh.chosen == nil {
			return nil
		}
		if err := k.leaveSheet(ctx); err != nil {
			return err
		}
		return sh.chosen(ctx, at)
	}
	return nil
}

// redrawn shows a sheet anew, or says why that cannot be.
func (k *keyboard) redrawn(sh *sheet) {
	if err := k.drawSheet(sh, false); err != nil {
		k.s.att.Notice((&errand{k: k}).told("", err))
	}
}

// leaveSheet shows the display again.
func (k *keyboard) leaveSheet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	if _, err := k.s.looks.hide(ctx, k.sheet.rests); err != nil {
		return fmt.Errorf("show you the display again: %w", err)
	}
	k.forgetSheet()
	return nil
}

// forgetSheet is for one that is not shown any more.
func (k *keyboard) forgetSheet() {
	if k.sheet != nil {
		k.sheet.held.stop()
	}
	k.sheet = nil
}

// stop has a sheet that is not shown any more drawn no more.
func (h *holding) stop() {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	if h.timer != nil {
		h.timer.Stop()
	}
}

// sheetMouse has the wheel move in a sheet. Nothing else of the mouse means
// anything there.
func (k *keyboard) sheetMouse(ctx context.Context, m attach.Mouse) error {
	key := map[int]string{0: "Up", 1: "Down"}[m.Code&mouseButton]
	if m.Code&mouseWheel == 0 || m.Code&mouseMore != 0 || key == "" || k.sheet.held.drops() {
		return nil
	}
	for range wheelLines - 1 {
		k.sheet.list.Key(key)
	}
	return k.turn(ctx, key)
}

// wheelLines is how many lines a turn of the wheel moves.
const wheelLines = 3

// unshown has keys dropped that were meant for what a terminal had no room for: they come right behind
// the one that asked for it.
func (k *keyboard) unshown(err error, over string) {
	if errors.Is(err, errUntaken) {
		k.over = over
		k.deaf.begin(time.Now())
	}
}

// cutShort reports whether a key was meant for a picture that has ended by itself,
// as by a new size or a revocation. What was asked there is asked no more.
func (k *keyboard) cutShort(now time.Time) bool {
	if (k.look != nil || k.sheet != nil) && !k.s.att.Covered() {
		k.over = "you do not look back any more"
		if k.sheet != nil {
			k.over = "the list is not shown any more"
		}
		k.forgetLook()
		k.forgetSheet()
		if k.ask != nil {
			k.unasked()
		}
		k.deaf.begin(now)
	}
	if !k.deaf.drops(now) {
		return false
	}
	k.s.att.Notice(k.over + "; what you press is not typed until you pause")
	return true
}
