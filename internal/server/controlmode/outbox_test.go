package controlmode

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// descriptor is a client's standard output that takes what it has room for.
type descriptor struct{ file *os.File }

func (d descriptor) Deliver(data []byte, gate gateway.Gate) (n int, denied, err error) {
	raw, err := d.file.SyscallConn()
	if err != nil {
		return 0, nil, err
	}
	var failed error
	waited := raw.Write(func(fd uintptr) bool {
		n, failed = 0, nil
		denied = Pass(gate, func() error {
			n, failed = unix.Write(int(fd), data[:min(len(data), 4096)])
			return nil
		})
		return !errors.Is(failed, unix.EAGAIN)
	})
	return max(n, 0), denied, errors.Join(waited, failed)
}

func (d descriptor) full(t *testing.T) bool {
	t.Helper()
	raw, err := d.file.SyscallConn()
	fds := []unix.PollFd{{Events: unix.POLLOUT}}
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			fds[0].Fd = int32(fd)
			_, _ = unix.Poll(fds, 0)
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return fds[0].Revents&unix.POLLOUT == 0
}

func (d descriptor) Read([]byte) (int, error)     { return 0, io.EOF }
func (d descriptor) Settle(context.Context) error { return nil }
func (d descriptor) Through(context.Context)      {}
func (d descriptor) StopReading()                 {}
func (d descriptor) StopWriting()                 { _ = d.file.SetWriteDeadline(time.Unix(1, 0)) }

// pipeBox is an outbox on a pipe that writes, and the pipe's other end.
func pipeBox(t *testing.T) (*outbox, *os.File) {
	t.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	there, out := os.NewFile(uintptr(p[0]), "there"), descriptor{os.NewFile(uintptr(p[1]), "here")}
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
	tmuxtest.Eventually(t, func() bool { return o.out.(descriptor).full(t) }, "the pipe is full")
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
	tmuxtest.Eventually(t, func() bool { return o.out.(descriptor).full(t) }, "the pipe is full")
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
	out := descriptor{os.NewFile(uintptr(file), "file")}
	defer out.file.Close()
	if _, err := unix.FcntlInt(uintptr(file), unix.F_ADD_SEALS, unix.F_SEAL_WRITE); err != nil {
		t.Fatal(err)
	}
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
