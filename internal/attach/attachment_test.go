package attach

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/attach/attachtest"
	"github.com/muxward/muxward/internal/soak"
)

func TestDirectPassesBothWays(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	at := attach(t, p, Direct)
	at.program.draws("\x1b[?1049hhello")
	eventually(t, "output", contains(p.screen, "hello"))
	p.types("ls\r\x02d\x1b[A")
	eventually(t, "input", contains(at.program.input, "ls\r\x02d\x1b[A"))
	// A question goes to the person's terminal and its answer comes back.
	at.program.draws("\x1b[>q")
	eventually(t, "question", contains(p.screen, "\x1b[>q"))
}

func TestGuestsTerminalIsNeverAskedAndNeverAnswers(t *testing.T) {
	for _, mode := range []Mode{Watch, Addressed} {
		p := newPerson(t, Size{80, 24}, false)
		at := attach(t, p, mode)
		at.program.draws("\x1b[>c\x1b[>qdone")
		eventually(t, "output", contains(p.screen, "done"))
		eventually(t, "answer", contains(at.program.input, "muxward"))
		p.types("\x1b[>84;0;0c\x1bP>|evil\x1b\\\x1b]52;c;aGk=\a\x1b]11;rgb:0/0/0\x1b\\\x1b[<0;1;1Mx")
		p.types("\x02n")
		eventually(t, "the command behind it", contains(at.sink.all, "bound n"))
		if got := string(at.program.input()); got != "\x1b[>0;0;0c\x1bP>|muxward\x1b\\" {
			t.Errorf("%v: the display got %q", mode, got)
		}
		want := "bound n"
		if mode == Addressed {
			want = "keys  x|" + want
		}
		if got := string(at.sink.all()); got != want {
			t.Errorf("%v: events %q, want %q", mode, got, want)
		}
		if bytes.Contains(p.screen(), []byte("\x1b[>")) {
			t.Errorf("%v: the question was shown", mode)
		}
	}
}

// TM-12: whatever somebody who watches types, it ends here.
func TestWatchingDeliversNoKey(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	at := attach(t, p, Watch)
	eventually(t, "raw mode", func() error { return rawMode(p) })
	var all []byte
	for b := range 256 {
		if b != 2 {
			all = append(all, byte(b))
		}
	}
	p.types(string(all) + "\x1b[200~paste\x1b[201~\x1b[A\x1bOP\x1b[<0;5;5M\x1b[I")
	p.types("\x02(\x02[\x02:\x02c\x02x\x02&\x02$\x02\x02\x02d")
	if err := at.wait(); !errors.Is(err, ErrDetached) {
		t.Errorf("ended with %v", err)
	}
	if got := string(at.sink.all()); got != "detach" {
		t.Errorf("events %q", got)
	}
	if got := at.program.input(); len(got) > 0 {
		t.Errorf("the display got %q", got)
	}
	p.untouched("detached")
}

func rawMode(p *person) (err error) {
	p.withFD(func(fd int) {
		tio, e := unix.IoctlGetTermios(fd, unix.TCGETS)
		if e != nil || tio.Lflag&unix.ICANON != 0 {
			err = errors.New("not raw")
		}
	})
	return err
}

func TestAddressedDeliversKeysOfOneRead(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	at := attach(t, p, Addressed)
	eventually(t, "raw mode", func() error { return rawMode(p) })
	p.types("echo hi\r\x1b[A\x1b[1;5D\x08\x1b[200~pa\nste\x1b[201~\x021\x02d")
	if err := at.wait(); !errors.Is(err, ErrDetached) {
		t.Fatal(err)
	}
	want := "keys  echo hi\r|named Up|named C-Left|named BSpace|paste  pa\nste|bound 1|detach"
	if got := string(at.sink.all()); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	p.untouched("detached")
}

// What is bound is not typed, and nothing is lost or done twice around it; what
// a prefix was pressed for is not what was pasted.
func TestBoundKeysAreNotTyped(t *testing.T) {
	for in, want := range map[string]string{
		"abc": "keys  abc", "a\x02nb": "keys  a|bound n|keys  b", "a\x02\x02b": "keys  a|keys  \x02|keys  b", "\x02n\x02n": "bound n|bound n", "\x02xyz": "keys  yz", "\x02äb": "keys  b",
		"\x1b[24~": "bound F12", "a\x1b[24~b\x1b[23~c": "keys  a|bound F12|keys  b|named F11|keys  c", "\x02\x1b[A\x1b[A": "bound Up|named Up", "ä\x1bäx\x1böz": "keys  ä|bound M-ä|keys  x|keys  \x1bö|keys  z",
		"\x02\x1b\rn": "keys  n", "\x02\x1b[200~x\x1b[201~n": "paste  x|keys  n", "\x02\x1b[In": "bound n", "\x02\x1b]11;x\an": "bound n", "\x02\x7fn\x02\x1b[3~n": "keys  n|keys  n",
	} {
		p := newPerson(t, Size{80, 24}, false)
		at := attach(t, p, Addressed)
		eventually(t, "raw mode", func() error { return rawMode(p) })
		p.types(in + "\x02d")
		if err := at.wait(); !errors.Is(err, ErrDetached) {
			t.Errorf("%q: ended with %v", in, err)
		}
		if got := string(at.sink.all()); got != strings.TrimPrefix(want+"|detach", "|") {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// A key that was pressed before a freeze is not looked up after it, nor is
// what was typed with it delivered.
func TestFreezeDropsWhatABoundKeyHeldUp(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	var at *attached
	frozen := make(chan error, 1)
	bound := &tables{}
	bound.press = func(key string) {
		if key == "n" {
			err := at.Freeze(context.Background())
			at.Ask("too late?", "")
			frozen <- err
		}
	}
	bound.reset = func() { at.Answered() }
	at = attach(t, p, Addressed, func(c *Config) {
		bound.s = c.Sink.(*sink)
		c.Bound = bound
	})
	p.types("\x02nabc\x02n")
	if err := <-frozen; err != nil {
		t.Fatal(err)
	}
	eventually(t, "the question has gone", func() error {
		if at.note.question.Load() != nil {
			return errors.New("it is shown")
		}
		return nil
	})
	p.types("x\x02d")
	if err := at.wait(); !errors.Is(err, ErrDetached) {
		t.Error(err)
	}
	if got := string(at.sink.all()); got != "bound n|keys  x|detach" {
		t.Errorf("%q", got)
	}
}

// What keys had begun before a freeze, and what the person was asked, is over: the
// next key is one by itself, and no answer.
func TestFreezeEndsWhatKeysHaveBegun(t *testing.T) {
	p := newPerson(t, Size{40, 5}, false)
	bound := &tables{}
	at := attach(t, p, Addressed, func(c *Config) {
		bound.s = c.Sink.(*sink)
		c.Bound = bound
	})
	eventually(t, "raw mode", func() error { return rawMode(p) })
	p.types("a\x02")
	eventually(t, "what came before", contains(at.sink.all, "keys  a"))
	at.Ask("sure?", "")
	eventually(t, "the question", contains(p.screen, " sure? "))
	// The prefix may come with a read of its own: it has come when nothing waits.
	eventually(t, "the prefix", func() error {
		err := errors.New("not read")
		p.withFD(func(fd int) {
			if n, ioctl := unix.IoctlGetInt(fd, unix.TIOCINQ); n == 0 || ioctl != nil {
				err = ioctl
			}
		})
		return err
	})
	if err := at.Freeze(context.Background()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-at.redraws:
	case <-time.After(30 * time.Second):
		t.Fatal("the question is not drawn over")
	}
	p.typesUntil("n", "the next key", contains(at.sink.all, "keys  n"))
	at.program.draws("drawn")
	eventually(t, "drawn", contains(p.screen, "drawn"))
	if n := bytes.Count(p.screen(), []byte("sure?")); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// A question stays until it is answered, also where tmux draws over it, and is
// no paste's to answer.
func TestQuestionStaysUntilItIsAnswered(t *testing.T) {
	p := newPerson(t, Size{40, 5}, false)
	at := attach(t, p, Addressed, func(c *Config) { c.Bound = &tables{s: c.Sink.(*sink), pasted: true} })
	at.program.draws("entered") // only then is anything shown
	eventually(t, "entered", contains(p.screen, "entered"))
	const line = "\x1b7\x0f\x1b(B\x1b[5;1H\x1b[0;7m kill it? \\x1b \x1b[0m\x1b[K\x1b8"
	at.Ask("kill it? \x1b", "")
	eventually(t, "the question", contains(p.screen, line))
	at.Notice("something else")
	at.program.draws("drawn")
	eventually(t, "the question again", contains(p.screen, "drawn"+line))
	p.types("\x1b[200~y\x1b[201~k")
	eventually(t, "the key", contains(at.sink.all, "keys  k"))
	at.program.draws("more")
	eventually(t, "and again", contains(p.screen, "more"+line))
	at.Answered()
	<-at.redraws
	at.program.draws("at last")
	eventually(t, "drawn", contains(p.screen, "at last"))
	at.Notice("done")
	eventually(t, "a notice", contains(p.screen, "at last\x1b7\x0f\x1b(B\x1b[5;1H\x1b[0;7m done "))
	if bytes.Contains(p.screen(), []byte("something else")) || string(at.sink.all()) != "keys  k" {
		t.Errorf("%q, %q", at.sink.all(), p.screen())
	}
}

func TestALoneEscapeComesAfterItsTime(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	at := attach(t, p, Addressed, func(c *Config) { c.Keys.EscapeTime = 30 * time.Millisecond })
	eventually(t, "raw mode", func() error { return rawMode(p) })
	p.types("\x1b")
	eventually(t, "escape", contains(at.sink.all, "keys  \x1b"))
	p.types("\x1b[A")
	eventually(t, "up", contains(at.sink.all, "named Up"))
}

// RE-04: the terminal is as it was, whatever ended the attachment.
func TestTerminalIsRestoredAtEveryExit(t *testing.T) {
	for name, end := range map[string]func(at *attached){
		"stop":         func(at *attached) { _ = at.Stop(context.Background(), "revoked: \x1b[31mwhy") },
		"display gone": func(at *attached) { at.program.quit() },
		"gate closed":  func(at *attached) { at.gate.set(errors.New("no"), errors.New("no more")); at.program.draws("x") },
		"detach":       func(at *attached) { at.mode.Store(uint32(Watch)); at.person.types("\x02d") },
		"panic":        func(at *attached) { at.gate.set(nil, errPanic); at.program.draws("x") },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPerson(t, Size{80, 24}, false)
			at := attach(t, p, Direct, func(c *Config) { c.Gate = panicky{c.Gate.(*gate)} })
			at.program.draws(everyMode)
			eventually(t, "drawn", contains(p.screen, "\x1b[?2026h"))
			if attachtest.Emulate(p.screen()).Sane() == nil {
				t.Fatal("the control run shows nothing to restore")
			}
			end(at)
			err := at.wait()
			if err == nil {
				t.Error("no cause")
			}
			p.untouched(name)
			for exit, reason := range map[string]string{"stop": `revoked: \x1b[31mwhy`, "gate closed": "no more"} {
				if exit == name {
					eventually(t, "the reason", contains(p.screen, reason))
				}
			}
		})
	}
}

var errPanic = errors.New("panic")

// panicky is a gate with a failpoint.
type panicky struct{ *gate }

func (g panicky) Output(f func() error) error {
	err := g.gate.Output(f)
	if err == errPanic {
		panic("injected")
	}
	return err
}

func TestStopBeforeRunAndTwice(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	d, err := OpenPty(Size{})
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(Config{Terminal: p.tty(nil), Display: d, Gate: &gate{}, Mode: Direct,
		Redraw: func(context.Context) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := a.Stop(context.Background(), "early"); err != nil {
			t.Error(err)
		}
	}
	if err := a.Run(context.Background()); !errors.Is(err, ErrStopped) {
		t.Errorf("Run: %v", err)
	}
	if err := a.Run(context.Background()); err == nil {
		t.Error("ran twice")
	}
	if err := a.Stop(context.Background(), "late"); err != nil {
		t.Error(err)
	}
	p.untouched("stopped before it ran")
	if len(p.screen()) > 0 {
		t.Errorf("something was shown: %q", p.screen())
	}
}

// TD-12: a terminal that is never read costs a bounded buffer, harms nobody,
// and can be stopped.
func TestATerminalThatIsNotReadIsBounded(t *testing.T) {
	stuck := newPerson(t, Size{200, 50}, true)
	slow := attach(t, stuck, Watch)
	other := newPerson(t, Size{200, 50}, false)
	fine := attach(t, other, Watch)

	line := strings.Repeat("\x1b[31mflood ", 400)
	for range 2000 { // 9 MB
		slow.program.draws(line)
	}
	slow.out.mu.Lock()
	queue, lags := cap(slow.out.queue), slow.out.stats.Lags
	slow.out.mu.Unlock()
	if queue > 1<<20 {
		t.Errorf("%d bytes are queued", queue)
	}
	eventually(t, "frames are dropped", func() error {
		if slow.Stats().Lost == 0 {
			return errors.New("none")
		}
		return nil
	})
	fine.program.draws("still here")
	eventually(t, "the other one", contains(other.screen, "still here"))
	if err := slow.Stop(context.Background(), "bye"); err != nil {
		t.Errorf("stop: %v", err)
	}
	if err := slow.wait(); !errors.Is(err, ErrStopped) {
		t.Error(err)
	}
	_ = lags
	stuck.resume()
	stuck.untouched("stopped while stuck")
}

// A terminal that comes back gets a redraw, though nothing new is drawn.
func TestATerminalThatComesBackIsRedrawn(t *testing.T) {
	p := newPerson(t, Size{200, 50}, true)
	at := attach(t, p, Watch)
	at.program.draws("\x1b[?1049h\x1b[?1h\x1b=")
	line := strings.Repeat("\x1b[31mflood ", 400)
	for at.Stats().Lags == 0 {
		at.program.draws(line)
	}
	at.program.draws("LAST")
	eventually(t, "all is read", func() error {
		if at.queuedOutput() > 0 {
			return errors.New("no")
		}
		return nil
	})
	select {
	case <-at.redraws:
		t.Fatal("a redraw before the terminal reads")
	default:
	}
	p.resume()
	select {
	case <-at.redraws:
	case <-time.After(30 * time.Second):
		t.Fatal("no redraw")
	}
	eventually(t, "resync", contains(p.screen, "\x18\x1b\\\x1b[?1049h"))
	at.program.draws("\x1b[Hredrawn")
	eventually(t, "redrawn", contains(p.screen, "redrawn"))
	if e := attachtest.Emulate(p.screen()); !e.Private[1] || !e.Keypad || !e.Private[1049] {
		t.Errorf("modes after the redraw: %+v", e)
	}
}

// queuedOutput is how much the display holds that the attachment has not read.
func (at *attached) queuedOutput() (n int) {
	_ = at.display.(*Pty).control(func(fd int) error {
		n, _ = unix.IoctlGetInt(fd, unix.TIOCINQ)
		return nil
	})
	return n
}

// The person can switch off O_NONBLOCK on the description they share with us,
// at any time, and stop reading: neither a write nor the end may then block.
func TestStopFreesAWriteThatThePersonMadeBlock(t *testing.T) {
	p := newPerson(t, Size{80, 24}, true)
	at := attach(t, p, Watch)
	eventually(t, "raw mode", func() error { return rawMode(p) })
	p.withFD(func(fd int) { _ = unix.SetNonblock(fd, false) })
	blocked := make(chan struct{})
	go func() {
		defer close(blocked)
		line := strings.Repeat("flood ", 1000)
		for range 500 {
			if _, err := at.program.f.WriteString(line); err != nil {
				return
			}
		}
	}()
	eventually(t, "a write blocks", func() error {
		if at.term.(*TTY).wmu.TryLock() {
			at.term.(*TTY).wmu.Unlock()
			return errors.New("not yet")
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := at.Stop(ctx, "revoked"); err != nil {
		t.Fatal(err)
	}
	_ = at.wait()
	at.program.quit()
	<-blocked
	p.resume()
	p.untouched("stopped while blocked")
}

func TestStopReturnsWhileTheGateIsHeld(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	at := attach(t, p, Watch)
	eventually(t, "raw mode", func() error { return rawMode(p) })
	at.gate.mu.Lock() // a revocation at work
	at.program.draws("waiting at the gate")
	p.types("x")
	if err := at.Stop(context.Background(), "revoked"); err != nil {
		t.Error(err)
	}
	p.untouched("stopped at the gate")
	at.gate.mu.Unlock()
	_ = at.wait()
	if bytes.Contains(p.screen(), []byte("waiting")) {
		t.Error("shown after Stop")
	}
}

func TestStopEndsASlowSink(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	at := attach(t, p, Addressed)
	at.sink.hold = make(chan struct{})
	eventually(t, "raw mode", func() error { return rawMode(p) })
	p.types("x")
	eventually(t, "the sink is busy", func() error {
		if at.in.mu.TryLock() {
			at.in.mu.Unlock()
			return errors.New("not yet")
		}
		return nil
	})
	if err := at.Stop(context.Background(), ""); err != nil {
		t.Error(err)
	}
	if got := at.sink.all(); len(got) > 0 {
		t.Errorf("delivered %q", got)
	}
}

func TestSuspendGivesTheTerminalBackForAWhile(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	at := attach(t, p, Direct)
	at.program.draws(everyMode)
	eventually(t, "drawn", contains(p.screen, "drawn"))
	ctx := context.Background()
	for _, first := range []bool{true, false} {
		if given, err := at.Suspend(ctx); err != nil || given != first {
			t.Fatalf("it is given back: %v, %v", given, err)
		}
	}
	p.untouched("suspended")
	at.program.draws("unseen")
	eventually(t, "still read", func() error {
		if at.queuedOutput() > 0 || at.Stats().Lost == 0 {
			return errors.New("no")
		}
		return nil
	})
	if err := at.Resume(ctx); err != nil {
		t.Fatal(err)
	}
	select {
	case <-at.redraws:
	case <-time.After(30 * time.Second):
		t.Fatal("no redraw")
	}
	at.program.draws("back")
	eventually(t, "drawn again", contains(p.screen, "back"))
	if bytes.Contains(p.screen(), []byte("unseen")) {
		t.Error("shown while suspended")
	}
	p.types("typed")
	eventually(t, "typed again", contains(at.program.input, "typed"))
}

// A line that has become shorter has nothing behind it of what it was, and what is
// typed is seen however long the prompt is.
func TestLineIsShownAsItIs(t *testing.T) {
	p := newPerson(t, Size{20, 5}, false)
	at := attach(t, p, Addressed)
	at.program.draws("entered") // only then is anything shown
	eventually(t, "entered", contains(p.screen, "entered"))
	at.Ask(":", "ls_")
	eventually(t, "the line", contains(p.screen, "\x1b[5;1H\x1b[0;7m :ls_ \x1b[0m\x1b[K\x1b8"))
	at.Ask("a prompt of any length, ", "漢字typed_")
	eventually(t, "a long prompt", contains(p.screen, "m a promp漢字typed_ \x1b[0m"))
	at.Ask(strings.Repeat("x", 1<<20), "an answer that is long itself_")
	eventually(t, "a long answer", contains(p.screen, "mat is long itself_ \x1b[0m"))
	if q := at.note.question.Load(); len(q.text) > maxNotice {
		t.Errorf("%d bytes are kept", len(q.text))
	}
}

func TestNoticeIsShownAndDrawnOver(t *testing.T) {
	p := newPerson(t, Size{20, 5}, false)
	at := attach(t, p, Direct)
	at.program.draws("entered") // only then is anything shown
	eventually(t, "entered", contains(p.screen, "entered"))
	at.Notice("a\x1b[2Jb \u202e and much more than fits")
	eventually(t, "notice", contains(p.screen, "\x1b7\x0f\x1b(B\x1b[5;1H\x1b[0;7m a\\x1b[2Jb \\u202e a\x1b[0m\x1b[K\x1b8"))
	p.types("k")
	select {
	case <-at.redraws:
	case <-time.After(30 * time.Second):
		t.Fatal("no redraw")
	}
	eventually(t, "the key itself", contains(at.program.input, "k"))
	if bytes.Contains(at.program.input(), []byte("a")) {
		t.Error("the notice reached the display")
	}
	// A picture that was asked for before the next notice does not take it away;
	// what tmux draws there by itself does.
	const next = "\x1b7\x0f\x1b(B\x1b[5;1H\x1b[0;7m next \x1b[0m\x1b[K\x1b8"
	at.note.asked.Store(time.Now().Add(time.Hour).UnixNano())
	at.Notice("next")
	at.program.draws("redrawn")
	eventually(t, "the next notice", contains(p.screen, "redrawn"+next))
	at.note.asked.Store(0)
	at.program.draws("itself")
	eventually(t, "what is drawn", contains(p.screen, "itself"))
	at.program.draws("more")
	eventually(t, "more", contains(p.screen, "itselfmore"))
	// Of two that follow each other at once, only the last is drawn over.
	at.Notice("and another")
	p.types("k")
	at.Notice("the last")
	p.types("k")
	select {
	case <-at.redraws:
	case <-time.After(30 * time.Second):
		t.Fatal("no redraw")
	}
}

// A notice is there for its time, also when the terminal has another size
// meanwhile and all is drawn anew, which may take a while.
func TestNoticeOutlastsARedraw(t *testing.T) {
	p := newPerson(t, Size{20, 5}, false)
	at := attach(t, p, Watch)
	at.program.draws("entered")
	eventually(t, "entered", contains(p.screen, "entered"))
	at.Notice("to be read")
	eventually(t, "the notice", contains(p.screen, "[5;1H\x1b[0;7m to be read "))
	p.rawSize(30, 7)
	at.Resize()
	const again = "\x1b[7;1H\x1b[0;7m to be read \x1b[0m"
	at.note.asked.Store(0)
	at.program.draws("redrawn")
	eventually(t, "the notice again", contains(p.screen, again))
	at.program.draws("in-parts")
	eventually(t, "and again", func() error {
		if _, behind, _ := bytes.Cut(p.screen(), []byte("in-parts")); !bytes.Contains(behind, []byte(again)) {
			return errors.New("it is not there")
		}
		return nil
	})
	p.types("k")
	select {
	case <-at.redraws:
	case <-time.After(30 * time.Second):
		t.Fatal("no redraw")
	}
	at.note.asked.Store(0)
	from := len(p.screen())
	at.program.draws("after-it")
	eventually(t, "what is drawn", func() error {
		return contains(func() []byte { return p.screen()[from:] }, "after-it")()
	})
	if strings.Contains(string(p.screen()[from:]), "to be read") {
		t.Error("a notice that was read is shown again")
	}
}

// Whoever looks on has a display that is no lower than the status may be; the owner's, at home, is
// as their terminal is.
func TestLowestDisplay(t *testing.T) {
	for rows, want := range map[int]int{0: 24, 1: MinRows, MinRows - 1: MinRows, MinRows: MinRows, 24: 24} {
		low := Window{Size: Size{3, rows}}
		for what, p := range map[string]Policy{"guest": Guest(), "direct guest": DirectGuest()} {
			if got := p.Window(low); got != (Window{Size: Size{3, want}}) {
				t.Errorf("%s with %d lines: tmux hears of %+v", what, rows, got)
			}
		}
		if got := Owner().Window(low); got != low.Clamp() {
			t.Errorf("owner with %d lines: tmux hears of %+v", rows, got)
		}
	}
}

// D10: sizes are clamped and come at most 20 times a second; the last arrives.
func TestSizesAreClampedAndCoalesced(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	sizes := make(chan Size, 1000)
	at := attach(t, p, Watch, func(c *Config) { c.OnResize = func(s Size) { sizes <- s } })
	begin := time.Now()
	for i := range 500 {
		p.rawSize(uint16(100+i), 30)
		at.Resize()
	}
	p.rawSize(65535, 65535)
	at.Resize()
	eventually(t, "the last size", func() error {
		s, err := at.display.(*Pty).Window()
		if err == nil && s.Size != (Size{MaxCols, MaxRows}) {
			err = errors.New("another")
		}
		return err
	})
	if limit := int(time.Since(begin)/resizeEvery) + 2; len(sizes) > limit {
		t.Errorf("%d sizes, limit %d", len(sizes), limit)
	}
	p.rawSize(0, 0)
	at.Resize()
	eventually(t, "no size", func() error {
		s, err := at.display.(*Pty).Window()
		if err == nil && s != (Window{Size: Size{80, 24}}) {
			err = errors.New("another")
		}
		return err
	})
}

func (p *person) rawSize(cols, rows uint16) {
	_ = p.pty.control(func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: cols, Row: rows})
	})
}

func TestOutputArrivesWhole(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	at := attach(t, p, Watch)
	eventually(t, "raw mode", func() error { return rawMode(p) })
	// Bounded in flight: this is about order and loss, not about a slow reader.
	sum := md5.New()
	for i := range 200 {
		chunk := strings.Repeat(string(rune('a'+i%26)), 500) + "\x1b[3" + string(rune('0'+i%8)) + "mäöü漢\r\n"
		sum.Write([]byte(chunk))
		at.program.draws(chunk)
	}
	at.program.draws("END")
	eventually(t, "all", contains(p.screen, "END"))
	got, _, _ := bytes.Cut(p.screen(), []byte("END"))
	if md5.Sum(got) != [16]byte(sum.Sum(nil)) {
		t.Errorf("%d bytes arrived and differ", len(got))
	}
}

func TestATerminalThatHangsUpEndsIt(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	at := attach(t, p, Direct)
	eventually(t, "raw mode", func() error { return rawMode(p) })
	p.pty.Close()
	if err := at.wait(); !errors.Is(err, ErrTerminalGone) {
		t.Errorf("ended with %v", err)
	}
}

func TestOnlyATerminalIsTaken(t *testing.T) {
	for _, f := range zoo(t) {
		if tty, err := OpenTTY(f, nil, nil); err == nil {
			tty.Close()
			t.Errorf("%s was taken for a terminal", f.Name())
		}
		if err := f.Close(); err == nil {
			t.Errorf("%s was not closed", f.Name())
		}
	}
}

func TestDescriptorsAndGoroutinesAreGivenBack(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	once := func() {
		at := attach(t, p, Addressed)
		at.program.draws("x")
		eventually(t, "raw mode", func() error { return rawMode(p) })
		if err := at.Stop(context.Background(), ""); err != nil {
			t.Error(err)
		}
		_ = at.wait()
		at.program.quit()
	}
	once()
	before := openFiles(t)
	for range soak.N(1000, 20) {
		once()
	}
	eventually(t, "descriptors", func() error {
		if n := openFiles(t); n > before {
			return errors.New("more are open than before")
		}
		return nil
	})
}

func openFiles(t *testing.T) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}
