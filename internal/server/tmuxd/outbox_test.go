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
	there, fd := os.NewFile(uintptr(p[0]), "there"), wire.NewFD(p[1])
	defer fd.Close()
	out, err := takeOver(fd, "standard output", unix.O_WRONLY)
	if err != nil {
		t.Fatal(err)
	}
	o := newOutbox(out)
	ended := make(chan error, 1)
	go func() { ended <- o.write() }()
	t.Cleanup(func() {
		o.stop()
		if err := <-ended; err != nil && !errors.Is(err, unix.EPIPE) {
			t.Error(err)
		}
		_ = out.file.Close()
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
	tmuxtest.Eventually(t, func() bool { return !ready(number(t, o.out), unix.POLLOUT) }, "the pipe is full")
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

// What is being written counts as queued until it is written.
func TestOutboxCountsWhatItWrites(t *testing.T) {
	o, there := pipeBox(t)
	if err := o.put(context.Background(), entry{data: bytes.Repeat([]byte("y"), 2*maxQueued)}); err != nil {
		t.Fatal(err)
	}
	tmuxtest.Eventually(t, func() bool { return !ready(number(t, o.out), unix.POLLOUT) }, "the pipe is full")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := o.put(ctx, entry{data: []byte("z")}); !errors.Is(err, context.Canceled) {
		t.Errorf("there is room for more: %v", err)
	}
	if _, err := io.CopyN(io.Discard, there, 2*maxQueued); err != nil {
		t.Fatal(err)
	}
	tmuxtest.Eventually(t, func() bool { o.omu.Lock(); defer o.omu.Unlock(); return o.size == 0 }, "all is written")
}

// An error of writing is no refusal: what follows is not written behind a hole.
func TestOutboxEndsWithAnError(t *testing.T) {
	file, err := unix.MemfdCreate("out", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Fatal(err)
	}
	fd := wire.NewFD(file)
	defer fd.Close()
	if _, err := unix.FcntlInt(uintptr(file), unix.F_ADD_SEALS, unix.F_SEAL_WRITE); err != nil {
		t.Fatal(err)
	}
	out, err := takeOver(fd, "standard output", unix.O_WRONLY)
	if err != nil {
		t.Fatal(err)
	}
	defer out.file.Close()
	o := newOutbox(out)
	gate := func(deliver func() error) error { return deliver() }
	if err := o.put(context.Background(), entry{data: []byte("line\n"), gate: gate}); err != nil {
		t.Fatal(err)
	}
	if err := o.write(); !errors.Is(err, unix.EPERM) {
		t.Errorf("it ended with %v", err)
	}
	if err := o.put(context.Background(), entry{data: []byte("more\n")}); !errors.Is(err, errOutboxClosed) {
		t.Errorf("after the error: %v", err)
	}
}
