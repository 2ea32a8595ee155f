package attach

import (
	"errors"
	"io"
	"os"
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
