package attach

import (
	"bytes"
	"context"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// echoing is a program that answers each key with a key, in a process of its
// own as a tmux server would be.
func echoing(b *testing.B, peer *os.File) {
	b.Helper()
	cat, err := os.StartProcess("/bin/cat", []string{"cat"}, &os.ProcAttr{Files: []*os.File{peer, peer, peer}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cat.Kill(); _, _ = cat.Wait() })
}

// keyboard measures one key and its echo at a person's terminal.
type keyboard struct {
	master int
	next   byte
	buf    [4096]byte
}

func (k *keyboard) press(b *testing.B) time.Duration {
	begin := time.Now()
	if _, err := unix.Write(k.master, []byte{'k'}); err != nil {
		b.Fatal(err)
	}
	if n, err := unix.Read(k.master, k.buf[:]); err != nil || n != 1 {
		b.Fatal(n, err)
	}
	return time.Since(begin)
}

// newKeyboard returns the master of a pty, in blocking mode, and its slave.
func newKeyboard(b *testing.B) (*keyboard, *os.File) {
	b.Helper()
	p, err := OpenPty(Size{80, 24})
	if err != nil {
		b.Fatal(err)
	}
	slave, err := p.Peer()
	if err != nil {
		b.Fatal(err)
	}
	fd, err := unix.FcntlInt(uintptr(p.fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		b.Fatal(err)
	}
	p.Close()
	_ = unix.SetNonblock(fd, false)
	b.Cleanup(func() { unix.Close(fd) })
	return &keyboard{master: fd, next: 'a'}, slave
}

// bareRelay copies between a terminal and a display with nothing between.
func bareRelay(b *testing.B, tty *os.File, d *Pty) {
	b.Helper()
	conn, err := tty.SyscallConn()
	if err != nil {
		b.Fatal(err)
	}
	var fd int
	_ = conn.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 3) })
	tty.Close()
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		b.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "bare")
	go func() {
		buf := make([]byte, readSize)
		for {
			n, err := f.Read(buf)
			if err != nil {
				return
			}
			_, _ = d.file.Write(buf[:n])
		}
	}()
	go func() {
		buf := make([]byte, readSize)
		for {
			n, err := d.file.Read(buf)
			if err != nil {
				return
			}
			_, _ = f.Write(buf[:n])
		}
	}()
	b.Cleanup(func() { f.Close(); d.Close() })
}

// BenchmarkEcho presses keys at three terminals in turn: one with the program
// itself, one with a bare relay between, one with an attachment. The ratios
// are of medians of the same run.
func BenchmarkEcho(b *testing.B) {
	direct, slave := newKeyboard(b)
	echoing(b, slave)
	slave.Close()

	display := func() *Pty {
		d, err := OpenPty(Size{80, 24})
		if err != nil {
			b.Fatal(err)
		}
		peer, err := d.Peer()
		if err != nil {
			b.Fatal(err)
		}
		echoing(b, peer)
		peer.Close()
		return d
	}
	bare, slave := newKeyboard(b)
	bareRelay(b, slave, display())

	mine, slave := newKeyboard(b)
	tty, err := OpenTTY(slave, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	a, err := New(Config{Terminal: tty, Display: display(), Gate: &gate{}, Mode: Direct, Filter: Owner(),
		Redraw: func(context.Context) error { return nil }})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Run(context.Background()) }()

	boards := []*keyboard{direct, bare, mine}
	times := make([][]time.Duration, len(boards))
	for b.Loop() {
		round := len(times[0])
		for n := range boards { // in another order each time
			i := (n + round) % len(boards)
			times[i] = append(times[i], boards[i].press(b))
		}
	}
	quantile := func(i int, q float64) float64 {
		slices.Sort(times[i])
		return float64(times[i][int(q*float64(len(times[i])-1))].Nanoseconds()) / 1000
	}
	b.ReportMetric(quantile(0, 0.5), "direct-µs")
	b.ReportMetric(quantile(1, 0.5), "bare-µs")
	b.ReportMetric(quantile(2, 0.5), "attach-µs")
	b.ReportMetric(quantile(2, 0.5)/quantile(1, 0.5), "attach/bare-p50")
	b.ReportMetric(quantile(2, 0.99)/quantile(1, 0.99), "attach/bare-p99")
	_ = a.Stop(context.Background(), "")
	<-done
}

// BenchmarkIdle reports the memory that an attached person costs who does
// nothing, stacks included, after a screenful was drawn.
func BenchmarkIdle(b *testing.B) {
	const people = 100
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var all []*Attachment
		ended := make(chan error, people)
		for range people {
			k, slave := newKeyboard(b)
			tty, err := OpenTTY(slave, nil, nil)
			if err != nil {
				b.Fatal(err)
			}
			d, err := OpenPty(Size{80, 24})
			if err != nil {
				b.Fatal(err)
			}
			peer, err := d.Peer()
			if err != nil {
				b.Fatal(err)
			}
			defer peer.Close()
			a, err := New(Config{Terminal: tty, Display: d, Gate: &gate{}, Mode: Addressed, Sink: &sink{}, Filter: Guest(),
				Redraw: func(context.Context) error { return nil }})
			if err != nil {
				b.Fatal(err)
			}
			go func() { ended <- a.Run(context.Background()) }()
			all = append(all, a)
			for range 10 {
				if _, err := peer.Write(benchLog()[:2000]); err != nil {
					b.Fatal(err)
				}
				if _, err := unix.Read(k.master, make([]byte, 4096)); err != nil {
					b.Fatal(err)
				}
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		used := after.HeapInuse + after.StackInuse - before.HeapInuse - before.StackInuse
		b.ReportMetric(float64(used)/people/1024, "KiB/person")
		for _, a := range all {
			_ = a.Stop(context.Background(), "")
			<-ended
		}
	}
}

// BenchmarkTmuxEcho is the figure that counts: key to echo through a real tmux
// server, for a stock client on the terminal itself and for an attachment, in
// turn, in two sessions alike of one server.
func BenchmarkTmuxEcho(b *testing.B) {
	s := newServer(b, "stty raw -echo; exec cat")
	s.must("new-session", "-d", "-s", "other", "-x", "80", "-y", "24", "stty raw -echo; exec cat")

	raw, slave := newKeyboard(b)
	cmd := s.client(slave, "xterm-256color", "other")
	slave.Close()
	defer func() { _ = cmd.Process.Kill() }()

	mine, slave := newKeyboard(b)
	tty, err := OpenTTY(slave, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	d, err := OpenPty(Size{80, 24})
	if err != nil {
		b.Fatal(err)
	}
	a, err := New(Config{Terminal: tty, Display: d, Gate: &gate{}, Mode: Direct, Filter: Owner(),
		Redraw: func(context.Context) error { return nil }})
	if err != nil {
		b.Fatal(err)
	}
	s.display(d, "xterm-256color")
	done := make(chan error, 1)
	go func() { done <- a.Run(context.Background()) }()

	boards := []*keyboard{raw, mine}
	times := make([][]time.Duration, len(boards))
	for _, k := range boards {
		k.quiet(b)
	}
	hand := time.NewTicker(5 * time.Millisecond) // a fast hand: 100 keys a second at each
	defer hand.Stop()
	for b.Loop() {
		round := len(times[0])
		for n := range boards {
			i := (n + round) % len(boards)
			<-hand.C
			times[i] = append(times[i], boards[i].echo(b))
		}
	}
	quantile := func(i int, q float64) float64 {
		slices.Sort(times[i])
		return float64(times[i][int(q*float64(len(times[i])-1))].Nanoseconds()) / 1000
	}
	b.ReportMetric(quantile(0, 0.5), "raw-µs")
	b.ReportMetric(quantile(1, 0.5), "attach-µs")
	b.ReportMetric(quantile(1, 0.5)/quantile(0, 0.5), "attach/raw-p50")
	b.ReportMetric(quantile(1, 0.99)/quantile(0, 0.99), "attach/raw-p99")
	_ = a.Stop(context.Background(), "")
	<-done
}

// quiet reads until the terminal shows nothing new for a while.
func (k *keyboard) quiet(b *testing.B) {
	buf := make([]byte, 8192)
	for wait := 2000; ; wait = 300 {
		fds := []unix.PollFd{{Fd: int32(k.master), Events: unix.POLLIN}}
		if n, err := unix.Poll(fds, wait); err == nil && n == 0 {
			return
		}
		if _, err := unix.Read(k.master, buf); err != nil {
			b.Fatal(err)
		}
	}
}

// echo presses a key and waits until the terminal shows that letter.
func (k *keyboard) echo(b *testing.B) time.Duration {
	k.next = 'a' + (k.next-'a'+1)%26
	begin := time.Now()
	if _, err := unix.Write(k.master, []byte{k.next}); err != nil {
		b.Fatal(err)
	}
	for {
		n, err := unix.Read(k.master, k.buf[:])
		if err != nil {
			b.Fatal(err)
		}
		if bytes.IndexByte(k.buf[:n], k.next) >= 0 {
			return time.Since(begin)
		}
	}
}
