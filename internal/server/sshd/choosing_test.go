package sshd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// On a phone's screen the marked place is to be seen, whichever it is, and nothing runs
// over the screen.
func TestMarkedPlace(t *testing.T) {
	var all places
	for i := range 30 {
		all = append(all, place{name: fmt.Sprintf("alice/%02d-of-many", i), may: "view"})
	}
	x := &session{c: &conn{}, term: newTerminal(newInbox(), newOutbox(io.Discard, io.Discard), 0x7f, nil, nil, nil)}
	x.term.resize(40, 12, 0, 0)
	for i := range all {
		l := &lobby{x: x, mayBegin: true, all: all, shown: all, marked: i, note: strings.Repeat("long ", 20)}
		lines := strings.Split(l.draw(), "\n")
		if len(lines) > 12 {
			t.Errorf("%d lines for 12 rows", len(lines))
		}
		marked := ""
		for _, text := range lines {
			if ansi.StringWidth(text) >= 40 {
				t.Errorf("%q is too long", text)
			}
			if strings.Contains(text, "\x1b[7m") {
				marked += ansi.Strip(text)
			}
		}
		if want := fmt.Sprintf("%d  %s  view", i+1, all[i].name); marked != want {
			t.Errorf("marked is %q, want %q", marked, want)
		}
	}
}

// What was typed chooses what is shown; numbers and commands leave it as it is, and what
// is marked is the answer if nothing else is.
func TestTyped(t *testing.T) {
	all := places{{name: "work", target: "$0"}, {name: "build", target: "$1"}, {name: "new", target: "$2"}}
	for typed, want := range map[string]struct {
		shown  int
		answer string
	}{
		"": {3, "2"}, "o": {1, "o"}, "u": {1, "1"}, "2": {3, "2"}, "q": {0, "q"}, "new": {1, "new"}, "new x": {3, "new x"}, "zzz": {0, "zzz"},
	} {
		l := &lobby{all: all, shown: all, marked: 1, mayBegin: true, typed: editor{line: []byte(typed)}}
		if l.filter(); len(l.shown) != want.shown || l.answer() != want.answer {
			t.Errorf("%q: %d are shown, the answer is %q", typed, len(l.shown), l.answer())
		}
	}
}

// The list changes before somebody's answer: what they get is what they have seen, or
// nothing. What they have marked is found again where it stands now.
func TestListChangesUnderTheHand(t *testing.T) {
	at := func(name, target, incarnation string) place {
		return place{name: name, target: target, incarnation: incarnation}
	}
	a, b, c := at("a", "$1", "1"), at("b", "$2", "1"), at("c", "$3", "1")
	first := at("0", "$4", "1")
	anew := at("b", "$2", "2") // of a server that was started anew
	for name, step := range map[string]struct {
		typed  string
		marked int
		then   places
		want   string
	}{
		"marked, and one comes before":   {"", 1, places{first, a, b, c}, "b"},
		"marked, and one before is gone": {"", 1, places{b, c}, "b"},
		"marked, and is gone":            {"", 1, places{a, c}, ""},
		"marked, and another server":     {"", 1, places{a, anew, c}, ""},
		"a number, and one comes before": {"2", -1, places{first, a, b, c}, "b"},
		"a number, and it is gone":       {"2", -1, places{a, c}, ""},
		"a number, and another server":   {"2", -1, places{a, anew, c}, ""},
	} {
		x := &session{c: &conn{nc: &wary{}}, in: newInbox(), out: newOutbox(io.Discard, io.Discard)}
		x.term = newTerminal(x.in, x.out, 0x7f, nil, nil, nil)
		written := make(chan struct{})
		go func() { defer close(written); x.out.run() }()
		l := &lobby{x: x, all: places{a, b, c}, shown: places{a, b, c}, marked: -1}
		if _, err := l.key(t.Context(), []byte(step.typed)); err != nil {
			t.Fatal(err)
		}
		l.marked = step.marked
		_ = l.take(step.then)
		got := ""
		if p := l.all.choose(l.answer(), l.shown); p != nil {
			got = p.name
		}
		if got != step.want {
			t.Errorf("%s: they come to %q, and not to %q", name, got, step.want)
		}
		// At once, they may have meant what stood there before.
		l.typed, l.held, l.marked, l.changed = editor{}, false, -1, time.Now()
		if done, err := l.key(t.Context(), []byte("1\r")); done || err != nil || l.note == "" {
			t.Errorf("%s: a number right after the change is taken: %v, %v", name, done, err)
		}
		x.out.close()
		<-written
	}
}

// Somebody's server stands still: whoever looks at the list goes on typing.
func TestLookingHoldsNobodyUp(t *testing.T) {
	b := newBed(t, nil, 1)
	client := b.dial(newValve(false), ssh.Config{})
	ch := b.session(client)
	pty := ptyRequest{Term: "xterm", Cols: 80, Rows: 24}
	if ok, err := ch.SendRequest("pty-req", true, ssh.Marshal(pty)); !ok || err != nil {
		t.Fatal(ok, err)
	}
	_, _ = ch.SendRequest("shell", false, nil)
	text := make(chan string, 100)
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := ch.Read(buf)
			text <- string(buf[:n])
			if err != nil {
				close(text)
				return
			}
		}
	}()
	until := func(want string) {
		t.Helper()
		all := ""
		for deadline := time.After(tmuxtest.Patience); !strings.Contains(all, want); {
			select {
			case more, open := <-text:
				if all += more; !open {
					t.Fatalf("it ends without %q", want)
				}
			case <-deadline:
				t.Fatalf("%q does not come", want)
			}
		}
	}
	until("you are alice")
	still := make(chan struct{})
	b.stands(still)
	tmuxtest.Eventually(t, func() bool { return inside("(*look).begin.func1") && inside("bobs.Snapshot") }, "it is looked")
	_, _ = ch.Write([]byte("zz"))
	until("> zz")
	close(still)
	_, _ = ch.Write([]byte("\x15q\r"))
	for range text { // until it has ended
	}
}

// What was listed is not drawn once more when rights have changed since.
func TestNothingIsDrawnAnew(t *testing.T) {
	x := &session{c: &conn{nc: &wary{}}, out: newOutbox(io.Discard, io.Discard)}
	denied := errors.New("not any more")
	var gate gateway.Gate = func(func() error) error { return denied }
	if got, err := x.deliver(t.Context(), []byte("SECRET"), gate); !errors.Is(got, denied) || err != nil || x.out.size != 0 {
		t.Errorf("%v, %v, %d bytes wait", got, err, x.out.size)
	}
	if got, err := x.deliver(t.Context(), []byte("shown"), nil); got != nil || err != nil || x.out.size != 5 {
		t.Errorf("%v, %v, %d bytes wait", got, err, x.out.size)
	}
}

// Who waits for what was printed does not wait for what is printed later: whoever goes
// on printing would never be through. What is dropped is waited for by nobody.
func TestFlushOfWhatIsThere(t *testing.T) {
	gate := make(chan struct{})
	net := &slow{gate: gate}
	o := newOutbox(net, io.Discard)
	ended := make(chan struct{})
	go func() { defer close(ended); o.run() }()
	put := func(n int) {
		t.Helper()
		if k, err := o.try(make([]byte, n), false); k != n || err != nil {
			t.Fatal(k, err)
		}
	}
	put(10)
	flushed := make(chan error, 1)
	go func() { flushed <- o.flush(t.Context()) }()
	tmuxtest.Eventually(t, func() bool { o.mu.Lock(); defer o.mu.Unlock(); return o.moved != nil }, "it is waited for")
	tmuxtest.Eventually(t, func() bool { o.mu.Lock(); defer o.mu.Unlock(); return o.flying == 10 }, "it is being written")
	put(20)
	gate <- struct{}{} // the first 10 have gone
	if err := <-flushed; err != nil {
		t.Error(err)
	}
	go func() { flushed <- o.flush(t.Context()) }()
	tmuxtest.Eventually(t, func() bool { o.mu.Lock(); defer o.mu.Unlock(); return o.flying == 20 }, "the rest is being written")
	put(5)
	o.drop()
	select {
	case <-flushed:
		t.Error("what is being written is not waited for")
	default:
	}
	gate <- struct{}{}
	if err := <-flushed; err != nil {
		t.Error(err)
	}
	o.close()
	close(gate)
	<-ended
}

// Who looks at the list and makes their terminal larger or smaller has it drawn anew then, and
// not when it is looked at the next time.
func TestLobbyWakesAtAnotherSize(t *testing.T) {
	x := &session{c: &conn{}, in: newInbox(), out: newOutbox(io.Discard, io.Discard)}
	x.term = newTerminal(x.in, x.out, 0x7f, nil, nil, nil)
	x.term.resize(40, 12, 0, 0)
	l := &lobby{x: x, cols: 40, rows: 12}
	asked := 0
	late := time.Now().Add(10 * time.Second)
	x.in.setDeadline(late)
	_, err := x.in.read(make([]byte, 1), nil, func() error {
		if asked++; asked == 1 { // the reader is about to wait
			if !x.resized(ssh.Marshal(struct{ Cols, Rows, Width, Height uint32 }{70, 12, 0, 0})) {
				return errors.New("the size was not taken")
			}
			return nil
		}
		return l.stands(context.Background())
	})
	if !errors.Is(err, errResized) {
		t.Errorf("whoever waits for an answer hears %v", err)
	}
	if !time.Now().Before(late) {
		t.Error("it was the deadline alone that had the size looked at")
	}
}
