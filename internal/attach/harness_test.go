package attach

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/attach/attachtest"
	"github.com/muxward/muxward/internal/attach/keeper"
	"github.com/muxward/muxward/internal/attach/screen"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

const (
	asKeeper   = "MUXWARD_TEST_KEEPER"
	asAttached = "MUXWARD_TEST_ATTACHED"
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(asKeeper) != "":
		_ = keeper.Serve(os.NewFile(keeper.FD, "keeper"))
		os.Exit(0)
	case os.Getenv(asAttached) != "":
		attachedChild()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// person is somebody at a terminal: the master of a pty whose slave they hand
// to muxward.
type person struct {
	t      testing.TB
	pty    *Pty
	slave  *os.File // the shell's copy of the description that muxward gets
	first  screen.Saved
	mu     sync.Mutex
	seen   []byte
	paused chan struct{} // non-nil: does not read until closed
	done   chan struct{}
}

// newPerson returns a person whose terminal is read until the test ends,
// unless still is true.
func newPerson(t testing.TB, size Size, still bool) *person {
	t.Helper()
	p := &person{t: t, done: make(chan struct{})}
	var err error
	if p.pty, err = OpenPty(size); err != nil {
		t.Fatal(err)
	}
	if p.slave, err = p.pty.Peer(); err != nil {
		t.Fatal(err)
	}
	p.withFD(func(fd int) { // the modes of a shell
		tio, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		tio.Iflag |= unix.ICRNL | unix.IXON
		tio.Oflag |= unix.OPOST | unix.ONLCR
		tio.Lflag |= unix.ICANON | unix.ECHO | unix.ISIG | unix.IEXTEN
		tio.Cc[unix.VERASE] = 0x08
		if err := unix.IoctlSetTermios(fd, unix.TCSETS, tio); err != nil {
			t.Fatal(err)
		}
		if p.first, err = screen.Save(fd); err != nil {
			t.Fatal(err)
		}
	})
	if still {
		p.paused = make(chan struct{})
	}
	go p.watch()
	t.Cleanup(func() {
		p.resume()
		p.slave.Close()
		p.pty.Close()
		<-p.done
	})
	return p
}

func (p *person) withFD(f func(fd int)) {
	p.t.Helper()
	conn, err := p.slave.SyscallConn()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := conn.Control(func(fd uintptr) { f(int(fd)) }); err != nil {
		p.t.Fatal(err)
	}
}

func (p *person) watch() {
	defer close(p.done)
	if p.paused != nil {
		<-p.paused
	}
	buf := make([]byte, 8192)
	for {
		n, err := p.pty.Read(buf, nil)
		p.mu.Lock()
		p.seen = append(p.seen, buf[:n]...)
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (p *person) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.paused != nil {
		select {
		case <-p.paused:
		default:
			close(p.paused)
		}
	}
}

func (p *person) screen() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bytes.Clone(p.seen)
}

// typesUntil types s again and again until it has come. What is typed after a Freeze
// may be dropped with what was typed before it, if who reads was about to.
func (p *person) typesUntil(s, what string, come func() error) {
	p.t.Helper()
	eventually(p.t, what, func() error {
		p.types(s)
		return come()
	})
}

func (p *person) types(s string) {
	p.t.Helper()
	for b := []byte(s); len(b) > 0; {
		n, err := p.pty.TryWrite(b)
		if err != nil {
			p.t.Fatal(err)
		}
		b = b[n:]
	}
}

// tty hands the terminal over.
func (p *person) tty(k *keeper.Keeper) *TTY {
	p.t.Helper()
	var f *os.File
	p.withFD(func(fd int) {
		d, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			p.t.Fatal(err)
		}
		f = os.NewFile(uintptr(d), "passed")
	})
	tty, err := OpenTTY(f, k, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return tty
}

// untouched fails unless modes, flags and screen are as they were at first.
func (p *person) untouched(what string) {
	p.t.Helper()
	p.withFD(func(fd int) {
		now, err := screen.Save(fd)
		if err != nil {
			p.t.Fatal(err)
		}
		if now != p.first {
			p.t.Errorf("%s: modes are %+v, were %+v", what, now, p.first)
		}
	})
	eventually(p.t, what+": the screen is restored", func() error {
		return attachtest.Emulate(p.screen()).Sane()
	})
}

// eventually polls until f returns nil.
func eventually(t testing.TB, what string, f func() error) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); <-tick.C {
		if err = f(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

func contains(get func() []byte, want string) func() error {
	return func() error {
		if b := get(); !bytes.Contains(b, []byte(want)) {
			return errors.New("not seen: " + want + " in …" + string(b[max(0, len(b)-200):]))
		}
		return nil
	}
}

// gate is a permit that can be taken back.
type gate struct {
	mu      sync.RWMutex
	in, out error
	once    func() // called by the next output, before it is delivered
}

func (g *gate) Input(f func() error) error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.in != nil {
		return g.in
	}
	return f()
}

func (g *gate) Output(f func() error) error {
	g.mu.Lock()
	once := g.once
	g.once = nil
	g.mu.Unlock()
	if once != nil {
		once()
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.out != nil {
		return g.out
	}
	return f()
}

// hold has the next output wait for f.
func (g *gate) hold(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.once = f
}

func (g *gate) set(in, out error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.in, g.out = in, out
}

// sink writes down what it is given.
type sink struct {
	mu     sync.Mutex
	events []string
	typed  []byte
	hold   chan struct{} // non-nil: Deliver waits for it or its context
	lost   error         // of Where
	// prepare, if set, says what Prepare does.
	prepare func(Event) error
}

func (s *sink) Prepare(_ context.Context, e Event) error {
	if s.prepare != nil {
		return s.prepare(e)
	}
	return nil
}

func (s *sink) Where(context.Context) (string, error) { return "here", s.lost }

func (s *sink) Deliver(ctx context.Context, e Event) error {
	if s.hold != nil {
		select {
		case <-s.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.typed = append(s.typed, e.Bytes...)
	s.events = append(s.events, describe(e))
	return nil
}

func describe(e Event) string {
	switch e.Kind {
	case Keys, Paste:
		return e.Kind.String() + "  " + string(e.Bytes)
	case Named:
		if e.Escaped {
			return "named " + e.Key + " after an escape"
		}
		return "named " + e.Key
	case MouseReport:
		return fmt.Sprintf("mouse %d at %d %d, %v", e.Mouse.Code, e.Mouse.X, e.Mouse.Y, e.Mouse.Release)
	}
	return e.Kind.String()
}

// note writes down what a key was bound to.
func (s *sink) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, what)
}

// tables are key tables as tmux has them at first, or a few of them.
type tables struct {
	s      *sink
	prefix bool
	pasted bool // there was a paste, which is not typed
	press  func(key string)
	reset  func()
}

func (b *tables) Plain(p []byte) int {
	n := bytes.IndexByte(p, 2)
	switch {
	case b.prefix:
		return 0
	case n < 0:
		return len(p)
	}
	return n
}

func (b *tables) Press(_ context.Context, key string) (bool, error) {
	if b.press != nil {
		b.press(key)
	}
	if !b.prefix {
		if b.prefix = key == "C-b"; b.prefix {
			return true, nil
		}
		if key == "F12" || key == "M-ä" {
			b.s.note("bound " + key)
			return true, nil
		}
		return false, nil
	}
	b.prefix = false
	switch key {
	case "C-b":
		return false, nil
	case "d":
		b.s.note("detach")
		return true, ErrDetached
	case "n", "1", "Up":
		b.s.note("bound " + key)
	}
	return true, nil
}

func (b *tables) Mouse(_ context.Context, m Mouse) error {
	b.s.note(fmt.Sprintf("mouse %d at %d %d", m.Code, m.X, m.Y))
	return nil
}

func (b *tables) Paste([]byte) bool {
	b.prefix = false
	return b.pasted
}

func (b *tables) Reset() {
	b.prefix = false
	if b.reset != nil {
		b.reset()
	}
}

func (b *tables) EscapeTime() time.Duration { return 0 }

func (s *sink) all() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []byte(strings.Join(s.events, "|"))
}

// program is what plays tmux at the display's other end.
type program struct {
	t    testing.TB
	pty  *Pty
	f    *os.File
	mu   sync.Mutex
	got  []byte
	done chan struct{}
}

func newProgram(t testing.TB, p *Pty) *program {
	t.Helper()
	f, err := p.Peer()
	if err != nil {
		t.Fatal(err)
	}
	// In the poller, so that it can be closed while it is read.
	conn, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	pr := &program{t: t, pty: p, done: make(chan struct{})}
	_ = conn.Control(func(fd uintptr) {
		d, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 3)
		if err == nil {
			err = unix.SetNonblock(d, true)
		}
		if err != nil {
			t.Error(err)
		}
		pr.f = os.NewFile(uintptr(d), "program")
	})
	f.Close()
	go func() {
		defer close(pr.done)
		buf := make([]byte, 4096)
		for {
			n, err := pr.f.Read(buf)
			pr.mu.Lock()
			pr.got = append(pr.got, buf[:n]...)
			pr.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(pr.quit)
	return pr
}

func (pr *program) quit() { pr.f.Close(); <-pr.done }

func (pr *program) input() []byte {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	return bytes.Clone(pr.got)
}

func (pr *program) draws(s string) {
	pr.t.Helper()
	if _, err := io.WriteString(pr.f, s); err != nil {
		pr.t.Fatal(err)
	}
}

// attached is everything of one attached person.
type attached struct {
	*Attachment
	t       testing.TB
	person  *person
	program *program
	gate    *gate
	sink    *sink
	redraws chan struct{}
	ended   chan error
}

type option func(*Config)

func attach(t testing.TB, p *person, mode Mode, opts ...option) *attached {
	t.Helper()
	d, err := OpenPty(Size{})
	if err != nil {
		t.Fatal(err)
	}
	at := &attached{t: t, person: p, gate: &gate{}, sink: &sink{},
		redraws: make(chan struct{}, 1000), ended: make(chan error, 1)}
	cfg := Config{Terminal: p.tty(nil), Display: d, Gate: at.gate, Sink: at.sink, Mode: mode, Filter: Guest(), Bound: &tables{s: at.sink},
		Redraw: func(context.Context) error { at.redraws <- struct{}{}; return nil }}
	if mode == Direct {
		cfg.Filter = Owner()
	}
	for _, o := range opts {
		o(&cfg)
	}
	at.program = newProgram(t, d)
	if at.Attachment, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	go func() { at.ended <- at.Run(context.Background()) }()
	t.Cleanup(func() {
		if err := at.Stop(context.Background(), ""); err != nil && !t.Failed() {
			t.Log(err)
		}
		at.wait()
	})
	return at
}

// wait returns how Run ended.
func (at *attached) wait() error {
	at.t.Helper()
	select {
	case err := <-at.ended:
		at.ended <- err
		return err
	case <-time.After(30 * time.Second):
		at.t.Fatal("Run does not return")
	}
	return nil
}

// draw has the program set every mode a tmux server may set.
const everyMode = "\x1b[22;0;0t\x1b[?1049h\x1b[?1h\x1b=\x1b[H\x1b[2J\x1b[?1000h\x1b[?1003h\x1b[?1006h\x1b[?2004h\x1b[?1004h\x1b[?69h\x1b[>4;1m\x1b[?7727h\x1b]12;red\a\x1b[2 q\x1b[1;10r\x0e\x1b(0\x1b[?25l\x1b[?7l\x1b[31mdrawn\x1b[?2026h"

func tmuxPath(t testing.TB) string {
	t.Helper()
	return tmuxtest.Program(t)
}

// zoo returns descriptors that are no terminals.
func zoo(t testing.TB) []*os.File {
	t.Helper()
	dir := t.TempDir()
	var fs []*os.File
	open := func(name string, flags int) {
		fd, err := unix.Open(name, flags|unix.O_CLOEXEC, 0o600)
		if err != nil {
			t.Fatal(name, err)
		}
		fs = append(fs, os.NewFile(uintptr(fd), name))
	}
	if err := unix.Mkfifo(dir+"/fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	open(dir, unix.O_RDONLY)
	open(dir+"/fifo", unix.O_RDWR|unix.O_NONBLOCK)
	open(dir+"/file", unix.O_RDWR|unix.O_CREAT)
	open(dir+"/file", unix.O_PATH)
	open("/dev/zero", unix.O_RDWR)
	open("/dev/full", unix.O_RDWR)
	open("/dev/null", unix.O_RDWR)
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	mem, err := unix.MemfdCreate("m", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	sock, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return append(fs, os.NewFile(uintptr(ep), "epoll"), os.NewFile(uintptr(mem), "memfd"), os.NewFile(uintptr(sock), "socket"))
}
