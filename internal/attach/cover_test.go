package attach

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/attach/attachtest"
)

// What covers a display is all that is shown until it is taken away; then the
// display is drawn anew, with the modes that it has by then.
func TestCover(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	at := attach(t, p, Watch)
	at.program.draws("\x1b[?1049h\x1b[Hfirst")
	eventually(t, "drawn", contains(p.screen, "first"))
	if at.Cover([]byte("too early"), Size{80, 24}, false) {
		t.Error("a second picture is shown without a first")
	}
	if !at.Cover([]byte("PICTURE-1"), Size{80, 24}, true) || !at.Cover([]byte("PICTURE-2"), Size{80, 24}, false) {
		t.Fatal("no picture is shown")
	}
	at.program.draws("\x1b[?1h\x1b=covered")
	at.Notice("a notice")
	eventually(t, "the notice is shown over it", contains(p.screen, "a notice"))
	eventually(t, "what is drawn is read", func() error {
		if at.Stats().Lost < uint64(len("covered")) {
			return errors.New("no")
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if shown, err := at.Uncover(ctx); err != nil || !shown {
		t.Fatal(shown, err)
	}
	if at.Covered() || at.Cover([]byte("too late"), Size{80, 24}, false) {
		t.Error("it is covered still")
	}
	select {
	case <-at.redraws:
	case <-time.After(30 * time.Second):
		t.Fatal("no redraw")
	}
	at.program.draws("\x1b[Hafter")
	eventually(t, "after", contains(p.screen, "after"))
	seen := string(p.screen())
	for _, never := range []string{"covered", "too early", "too late"} {
		if strings.Contains(seen, never) {
			t.Errorf("%q was shown", never)
		}
	}
	if e := attachtest.Emulate(p.screen()); !e.Private[1] || !e.Keypad || !e.Private[1049] {
		t.Errorf("modes after it: %+v", e)
	}
}

// A display that ends while it is covered leaves the terminal as it was: what it
// said at its end has not been shown.
func TestCoveredToTheEnd(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	at := attach(t, p, Watch)
	at.program.draws("\x1b[?1049h\x1b[?2004h\x1b[Hfirst")
	eventually(t, "drawn", contains(p.screen, "first"))
	if !at.Cover([]byte("\x1b[1;31mPICTURE"), Size{80, 24}, true) {
		t.Fatal("no picture is shown")
	}
	at.program.draws("\x1b[?2004l\x1b[?1049l")
	eventually(t, "what is drawn is read", func() error {
		if at.Stats().Lost == 0 {
			return errors.New("no")
		}
		return nil
	})
	at.Notice("this is written behind it")
	at.program.quit()
	_ = at.wait()
	p.untouched("ended while covered")
}

// Of the pictures that a terminal has no time for it is shown the last, and who
// is too far behind is shown the display again.
func TestCoverOfASlowTerminal(t *testing.T) {
	p := newPerson(t, Size{80, 24}, true)
	at := attach(t, p, Watch)
	eventually(t, "raw mode", func() error { return rawMode(p) })
	big := strings.Repeat("x", 200<<10)
	if !at.Cover([]byte("PICTURE-0"+big), Size{80, 24}, true) {
		t.Fatal("no picture is shown")
	}
	for _, name := range []string{"PICTURE-1", "PICTURE-2", "PICTURE-3"} {
		if !at.Cover([]byte(name), Size{80, 24}, false) {
			t.Fatal("the cover has gone")
		}
	}
	if at.Taken() {
		t.Error("it is taken by a terminal that takes nothing")
	}
	p.resume()
	eventually(t, "the last one", contains(p.screen, "PICTURE-3"))
	eventually(t, "it is taken", func() error {
		if !at.Taken() {
			return errors.New("no")
		}
		return nil
	})
	if seen := string(p.screen()); strings.Contains(seen, "PICTURE-1") || strings.Contains(seen, "PICTURE-2") {
		t.Error("a picture was shown that was out of date")
	}
}

// What is taken away of a picture that a terminal has not shown yet, it does not show
// when it reads again: no more than it had with itself.
func TestWithdrawFromASlowTerminal(t *testing.T) {
	p := newPerson(t, Size{80, 24}, true)
	at := attach(t, p, Watch)
	eventually(t, "raw mode", func() error { return rawMode(p) })
	if !at.Cover(bytes.Repeat([]byte("P"), 200<<10), Size{80, 24}, true) {
		t.Fatal("no picture is shown")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if shown, err := at.Withdraw(ctx); err != nil || !shown {
		t.Fatal(shown, err)
	}
	<-at.redraws
	at.program.draws("\x1b[Hafter")
	p.resume()
	eventually(t, "after", contains(p.screen, "after"))
	seen := p.screen()
	if n := bytes.Count(seen, []byte("P")); n > 4<<10 {
		t.Errorf("%d bytes of the picture are shown", n)
	}
	if shown, err := at.Withdraw(ctx); err != nil || shown || at.Stats().Lags > 1 {
		t.Error("what was taken away is taken away once more", shown, err)
	}
}

// A person who has a write of the picture block, and does not read, does not keep
// anybody from ending it, nor see the rest of it.
func TestWithdrawFromABlockedTerminal(t *testing.T) {
	p := newPerson(t, Size{80, 24}, true)
	at := attach(t, p, Watch)
	eventually(t, "raw mode", func() error { return rawMode(p) })
	p.withFD(func(fd int) { _ = unix.SetNonblock(fd, false) })
	covered := make(chan struct{})
	go func() {
		defer close(covered)
		at.Cover(bytes.Repeat([]byte("P"), 200<<10), Size{80, 24}, true)
	}()
	eventually(t, "a write blocks", func() error {
		if at.term.(*TTY).wmu.TryLock() {
			at.term.(*TTY).wmu.Unlock()
			return errors.New("not yet")
		}
		return nil
	})
	short, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := at.Withdraw(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("it is said to be taken away: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := at.Stop(ctx, "revoked"); err != nil {
		t.Fatal(err)
	}
	<-covered
	_ = at.wait()
	p.resume()
	p.untouched("stopped while a picture was blocked")
	if n := bytes.Count(p.screen(), []byte("P")); n > 4<<10 {
		t.Errorf("%d bytes of the picture are shown", n)
	}
}

// A picture that cannot be shown is not said to be: one that is drawn for a size
// that the terminal had before, and one that is too much for it.
func TestCoverThatDoesNotFit(t *testing.T) {
	p := newPerson(t, Size{80, 24}, true)
	at := attach(t, p, Watch)
	eventually(t, "raw mode", func() error { return rawMode(p) })
	if at.Cover([]byte("PICTURE-0"), Size{100, 30}, true) || at.Covered() {
		t.Error("it is shown on a terminal of another size")
	}
	if at.Cover([]byte(strings.Repeat("x", maxPicture+1)), Size{80, 24}, true) || at.Covered() {
		t.Error("it is said to be shown, and is not")
	}
	if !at.Cover([]byte(strings.Repeat("x", maxPicture-8)+"the-end"), Size{80, 24}, true) {
		t.Error("one that fits is not shown")
	}
	at.Notice("a notice")
	if !at.Covered() {
		t.Error("a notice has taken it away")
	}
	p.resume()
	eventually(t, "all of it", contains(p.screen, "the-end"))
}
