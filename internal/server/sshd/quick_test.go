package sshd

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// pairOfTCP is a connection with which reads and writes go the quick way, and its other end.
func pairOfTCP(t *testing.T) (*wary, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	other, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	w := newConn(&Server{}, nc).nc
	if w.quick == nil {
		t.Fatal("a connection of TCP has no quick way")
	}
	w.trusted.Store(true)
	t.Cleanup(func() { _ = w.close(); _ = other.Close() })
	return w, other
}

// soon is what a call gives that has to end.
func soon(t *testing.T, what string, call func() (int, error)) (int, error) {
	t.Helper()
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	go func() { n, err := call(); done <- result{n, err} }()
	select {
	case r := <-done:
		return r.n, r.err
	case <-time.After(20 * time.Second):
		t.Fatal(what + " does not end")
		return 0, nil
	}
}

// TestQuickWritesAll: more than the network takes at once is written whole, and counted.
func TestQuickWritesAll(t *testing.T) {
	w, other := pairOfTCP(t)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
	got := make(chan []byte, 1)
	go func() {
		all, _ := io.ReadAll(other)
		got <- all
	}()
	if n, err := soon(t, "a long write", func() (int, error) { return w.Write(sent) }); n != len(sent) || err != nil {
		t.Fatal(n, err)
	}
	if n := w.wrote.Load(); n != int64(len(sent)) {
		t.Errorf("%d are counted", n)
	}
	_ = w.Conn.(*net.TCPConn).CloseWrite()
	if all := <-got; !bytes.Equal(all, sent) {
		t.Errorf("%d have come, or others", len(all))
	}
}

// once has something done as soon as a function is being called, or a while later.
func once(called string, do func()) {
	go func() {
		for end := time.Now().Add(tmuxtest.Patience); !inside(called) && time.Now().Before(end); {
			runtime.Gosched()
		}
		do()
	}()
}

// TestQuickEnds: reads and writes that wait end with the connection, at their deadline and at
// the other's end, each with the error that net has for it.
func TestQuickEnds(t *testing.T) {
	buf := make([]byte, 16)
	full := make([]byte, 16<<20)
	t.Run("the other's end", func(t *testing.T) {
		w, other := pairOfTCP(t)
		_, _ = other.Write([]byte("last"))
		_ = other.Close()
		if n, err := soon(t, "a read", func() (int, error) { return w.Read(buf) }); string(buf[:n]) != "last" || err != nil {
			t.Error(n, err)
		}
		if n, err := soon(t, "a read", func() (int, error) { return w.Read(buf) }); n != 0 || err != io.EOF {
			t.Error(n, err)
		}
	})
	t.Run("reset", func(t *testing.T) {
		w, other := pairOfTCP(t)
		_ = other.(*net.TCPConn).SetLinger(0)
		_ = other.Close()
		if n, err := soon(t, "a read", func() (int, error) { return w.Read(buf) }); n != 0 || err == nil || err == io.EOF {
			t.Error(n, err)
		}
	})
	for _, way := range []struct {
		name, waits string
		call        func(*wary) (int, error)
	}{
		{"read", "(*quick).read", func(w *wary) (int, error) { return w.Read(buf) }},
		{"write", "(*quick).write", func(w *wary) (int, error) { return w.Write(full) }},
	} {
		t.Run(way.name+" at its deadline", func(t *testing.T) {
			w, _ := pairOfTCP(t)
			once(way.waits, func() { _ = w.Conn.SetDeadline(time.Unix(1, 0)) }) // behind the one that a write sets
			_, err := soon(t, "it", func() (int, error) { return way.call(w) })
			var timeout net.Error
			if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
				t.Error(err)
			}
		})
		t.Run(way.name+" as it is closed", func(t *testing.T) {
			w, _ := pairOfTCP(t)
			once(way.waits, w.abort)
			if _, err := soon(t, "it", func() (int, error) { return way.call(w) }); !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		})
	}
}
