package attach

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestCanvas: what there is to draw is asked for when what was drawn before has been
// dealt with, and not sooner.
func TestCanvas(t *testing.T) {
	var said []string
	c := NewCanvas(func() []byte { said = append(said, "draw"); return []byte("picture") },
		func() { said = append(said, "dealt") })
	c.Due()
	c.Due()
	buf := make([]byte, 4)
	for _, want := range []string{"pict", "ure"} {
		if n, err := c.Read(buf, nil); err != nil || string(buf[:n]) != want {
			t.Fatalf("it reads %q, %v; want %q", buf[:n], err, want)
		}
	}
	if got := len(said); got != 2 || said[0] != "dealt" || said[1] != "draw" {
		t.Errorf("it said %q", said)
	}
	if err := c.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(buf, nil); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(buf, nil); !errors.Is(err, io.EOF) {
		t.Errorf("after it was closed: %v", err)
	}
	if said[len(said)-1] != "dealt" {
		t.Errorf("it said %q", said)
	}
}

// TestCanvasWakes: whoever waits for a picture is told of one, and of the end.
func TestCanvasWakes(t *testing.T) {
	c := NewCanvas(func() []byte { return []byte("x") }, func() {})
	read := make(chan error, 2)
	next := func() {
		go func() {
			_, err := c.Read(make([]byte, 10), nil)
			read <- err
		}()
	}
	next()
	c.Due()
	if err := <-read; err != nil {
		t.Errorf("with a picture: %v", err)
	}
	next()
	_ = c.Close()
	if err := <-read; !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

// TestLargePictureOfASlowTerminal: a terminal that is slow gets all of a picture, once,
// also one that is larger than what waits for it at most; the next is drawn when it
// has taken that.
func TestLargePictureOfASlowTerminal(t *testing.T) {
	p := newPerson(t, Size{80, 24}, true)
	picture := strings.Repeat("\x1b[38;5;200mP", maxQueue/8) + "\x1b[Hthe end"
	var drawn, dealt atomic.Int32
	canvas := NewCanvas(func() []byte { drawn.Add(1); return []byte(picture) }, func() { dealt.Add(1) })
	at := attach(t, p, Watch, func(c *Config) {
		t.Cleanup(func() { _ = c.Display.Close() })
		c.Display = canvas
	})
	eventually(t, "raw mode", func() error { return rawMode(p) })
	canvas.Due()
	eventually(t, "it is drawn", func() error {
		if drawn.Load() == 0 {
			return errors.New("no")
		}
		return nil
	})
	canvas.Due()
	p.resume()
	eventually(t, "all of it", contains(p.screen, "the end"))
	eventually(t, "the next", func() error {
		if n := bytes.Count(p.screen(), []byte("the end")); n != 2 {
			return errors.New("no")
		}
		return nil
	})
	if s := at.Stats(); s.Lags > 0 || s.Lost > 0 {
		t.Errorf("something was dropped: %+v", s)
	}
}

// TestPausedCanvasEnds: somebody who never reads can be let go of.
func TestPausedCanvasEnds(t *testing.T) {
	p := newPerson(t, Size{80, 24}, true)
	canvas := NewCanvas(func() []byte { return bytes.Repeat([]byte("P"), maxQueue) }, func() {})
	at := attach(t, p, Watch, func(c *Config) {
		t.Cleanup(func() { _ = c.Display.Close() })
		c.Display = canvas
	})
	eventually(t, "raw mode", func() error { return rawMode(p) })
	canvas.Due()
	if err := at.Stop(t.Context(), "over"); err != nil {
		t.Error(err)
	}
	_ = at.wait()
}
