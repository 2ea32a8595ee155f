package attach

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/attach/keeper"
	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// screenText is what a terminal shows after these bytes.
func screenText(t testing.TB, p []byte, size Size) (text string, alternate bool) {
	t.Helper()
	e := vt.NewEmulator(size.Cols, size.Rows)
	drained := make(chan struct{})
	go func() { // it answers questions, and waits until somebody listens
		defer close(drained)
		_, _ = io.Copy(io.Discard, e)
	}()
	_, _ = e.Write(p)
	text, alternate = e.String(), e.IsAltScreen()
	if c, ok := e.InputPipe().(io.Closer); ok {
		c.Close()
	}
	<-drained
	e.Close()
	return text, alternate
}

// attachedChild is muxward with one person attached, to be killed: descriptor
// 3 is the person's terminal.
func attachedChild() {
	k, err := keeper.Start(context.Background(), []string{os.Args[0]}, []string{asKeeper + "=1"})
	fail(err)
	tty, err := OpenTTY(os.NewFile(3, "tty"), k, nil)
	fail(err)
	d, err := OpenPty(Size{})
	fail(err)
	editor, err := d.Peer()
	fail(err)
	a, err := New(Config{Terminal: tty, Display: d, Gate: &gate{}, Mode: Direct, Filter: Owner(),
		Redraw: func(context.Context) error { return nil }})
	fail(err)
	go func() {
		_, err := editor.WriteString(everyMode + "\x1b[?2026lEDITOR keeper=" + strconv.Itoa(k.PID()) + ".")
		fail(err)
	}()
	fail(a.Run(context.Background()))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
}

// F-01 for terminals: kill -9 of muxward with an editor attached; within a
// second modes, flags and screen are back.
func TestKilledMuxwardLeavesTheTerminalAsItWas(t *testing.T) {
	for range soak.N(100, 3) {
		p := newPerson(t, Size{80, 24}, false)
		if _, err := p.slave.WriteString("$ work before\n"); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), asAttached+"=1")
		cmd.ExtraFiles = []*os.File{p.slave}
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the editor", contains(p.screen, "EDITOR keeper="))
		eventually(t, "all of it", func() error {
			if _, alt := screenText(t, p.screen(), Size{80, 24}); !alt || !strings.Contains(string(p.screen()), ".") {
				return errors.New("not the alternate screen")
			}
			return nil
		})
		eventually(t, "raw mode", func() error { return rawMode(p) })
		p.types("typed and never read")
		begin := time.Now()
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		eventually(t, "the keeper is gone", func() error { return keeperGone(p.screen()) })
		took := time.Since(begin)
		p.untouched("killed")
		text, alt := screenText(t, p.screen(), Size{80, 24})
		if alt || !strings.Contains(text, "$ work before") || strings.Contains(text, "EDITOR") {
			t.Errorf("the screen shows %q, alternate %v", text, alt)
		}
		p.withFD(func(fd int) {
			if n, err := unix.IoctlGetInt(fd, unix.TIOCINQ); err != nil || n > 0 {
				t.Errorf("%d typed bytes are left for the shell, %v", n, err)
			}
		})
		if took > 15*time.Second {
			t.Errorf("it took %v", took)
		}
	}
}

// keeperGone reports, as nil, that the keeper named on the screen has ended.
func keeperGone(seen []byte) error {
	_, after, ok := strings.Cut(string(seen), "keeper=")
	pid, _, ok2 := strings.Cut(after, ".")
	n, err := strconv.Atoi(pid)
	if !ok || !ok2 || err != nil {
		return fmt.Errorf("no keeper named in %q", after)
	}
	if state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n)); err == nil && !strings.Contains(string(state), ") Z ") {
		return errors.New("it runs")
	}
	return nil
}

// A terminal that hung up before it was entered is nobody's to put back: the
// keeper has let go of it when Enter says so.
func TestATerminalThatCannotBeEnteredIsNotKept(t *testing.T) {
	k, err := keeper.Start(t.Context(), []string{os.Args[0]}, []string{asKeeper + "=1"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := k.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	p := newPerson(t, Size{80, 24}, false)
	tty := p.tty(k)
	if err := p.pty.Close(); err != nil {
		t.Fatal(err)
	}
	files := func() int {
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(fds)
	}
	tmuxtest.Collected(t)
	before := files()
	if err := tty.Enter(); err == nil {
		t.Fatal("it was entered")
	}
	if n := files(); n != before {
		t.Errorf("%d descriptors, were %d: it is still kept", n, before)
	}
	if err := tty.Close(); err != nil {
		t.Error(err)
	}
}
