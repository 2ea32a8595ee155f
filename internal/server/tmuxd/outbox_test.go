package tmuxd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// pipeBox is an outbox on a pipe that writes, and the pipe's other end.
func pipeBox(t *testing.T) (*outbox, *os.File) {
	t.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	there, out := os.NewFile(uintptr(p[0]), "there"), os.NewFile(uintptr(p[1]), "out")
	o := newOutbox(out)
	ended := make(chan error, 1)
	go func() { ended <- o.write() }()
	t.Cleanup(func() {
		o.stop()
		if err := <-ended; err != nil && !errors.Is(err, unix.EPIPE) {
			t.Error(err)
		}
		_ = out.Close()
		_ = there.Close()
	})
	return &o, there
}

// Nothing is written that is not permitted at that moment: what was queued
// before is replaced, and what has begun is cut short.
func TestOutboxGate(t *testing.T) {
	o, there := pipeBox(t)
	var shut atomic.Bool
	gate := func(deliver func() error) error {
		if shut.Load() {
			return errors.New("not any more")
		}
		return deliver()
	}
	ctx := context.Background()
	long := strings.Repeat("x", 200<<10)
	for _, e := range []entry{
		{data: []byte("first\n"), gate: gate},
		{data: []byte(long + "\n"), gate: gate, tail: []byte("cut\n")},
		{data: []byte("secret\n"), gate: gate},
		{data: []byte("answer\n"), gate: gate, instead: []byte("none\n")},
		{data: []byte("last\n")},
	} {
		if err := o.put(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
	tmuxtest.Eventually(t, func() bool { return !ready(o.out.Fd(), unix.POLLOUT) }, "the pipe is full")
	shut.Store(true)
	var got bytes.Buffer
	buf := make([]byte, 64<<10)
	for !bytes.HasSuffix(got.Bytes(), []byte("last\n")) {
		n, err := there.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got.Write(buf[:n])
	}
	head, rest, _ := strings.Cut(got.String(), "\n")
	begun, rest, _ := strings.Cut(rest, "\n")
	if head != "first" || strings.Trim(begun, "x") != "" || len(begun) >= len(long) || rest != "cut\nnone\nlast\n" {
		t.Errorf("written: %.20q, %d of %d, %q", head, len(begun), len(long), rest)
	}
}

// A client that does not read fills its own queue and nothing else, and waits
// no longer than it is given.
func TestOutboxIsBounded(t *testing.T) {
	o, there := pipeBox(t)
	ctx, cancel := context.WithCancel(context.Background())
	var queued atomic.Int64
	full := make(chan error, 1)
	go func() {
		line := bytes.Repeat([]byte("y"), 32<<10)
		for {
			if err := o.put(ctx, entry{data: line}); err != nil {
				full <- err
				return
			}
			queued.Add(int64(len(line)))
		}
	}()
	tmuxtest.Eventually(t, func() bool { return queued.Load() >= maxQueued }, "it is filled")
	cancel()
	if err := <-full; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if n := queued.Load(); n > 2*maxQueued {
		t.Errorf("%d bytes were taken", n)
	}
	o.stop()
	if err := o.put(context.Background(), entry{data: []byte("z")}); !errors.Is(err, errOutboxClosed) {
		t.Errorf("after the end: %v", err)
	}
	_, _ = io.CopyN(io.Discard, there, 1)
}

// What kind of descriptor a client passes is looked at: nobody is waited for.
func TestTakeOver(t *testing.T) {
	if f, err := takeOver(nil, "standard input"); err == nil {
		_ = f.Close()
		t.Error("none was taken")
	}
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	zero, err := os.Open("/dev/zero")
	if err != nil {
		t.Fatal(err)
	}
	defer zero.Close()
	for f, want := range map[*os.File]bool{null: true, zero: false} {
		fd, err := wire.DupFD(f)
		if err != nil {
			t.Fatal(err)
		}
		own, err := takeOver(fd, "standard input")
		if (err == nil) != want {
			t.Errorf("%s: %v", f.Name(), err)
		}
		if err == nil {
			_ = own.Close()
		}
		_ = fd.Close()
	}
}
