package monitor

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/sandbox"
)

// child is a process without rights that ends with us.
type child struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // of waiting, once ended is closed
	out   output
}

// order is what a child is to be: the program and its arguments, as which
// account (nil: as we are, but without capabilities), and the descriptors that
// it has, from 3 on.
type order struct {
	argv  []string
	env   []string
	as    *syscall.Credential
	files []*os.File
	out   *os.File // its standard output and error
}

// startChild starts one from a thread of its own, on which everything is given
// up first, and which stays as long as the child: it is killed with that.
func startChild(o order) (*child, error) {
	cmd := exec.Command(o.argv[0], o.argv[1:]...)
	cmd.Dir, cmd.Env, cmd.ExtraFiles = "/", o.env, o.files
	out, err := outputOf(o.out)
	if err != nil {
		return nil, err
	}
	defer out.close()
	cmd.Stdout, cmd.Stderr = out.file, out.file
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL, Credential: o.as}
	c := &child{cmd: cmd, ended: make(chan struct{}), out: out}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never let go: the thread has changed for good
		err := sandbox.GiveUp()
		if err == nil {
			err = cmd.Start()
		}
		started <- err
		if err == nil {
			c.err = cmd.Wait()
		}
		close(c.ended)
	}()
	if err = <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", o.argv[0], err)
	}
	return c, nil
}

// output is a child's standard output and error.
type output struct {
	file    *os.File
	printed chan struct{} // closed when all of a pipe was printed; nil if it is none
}

func (o output) close() {
	if o.printed != nil {
		_ = o.file.Close() // the child has it
	}
}

// outputOf gives a child our standard error, but not a terminal: it could read there what root
// types, and have it do things. It is given a pipe then, and we print what comes.
func outputOf(f *os.File) (output, error) {
	if _, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS); err != nil {
		return output{file: f}, nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return output{}, fmt.Errorf("make a pipe for what is said: %w", err)
	}
	o := output{w, make(chan struct{})}
	go func() {
		defer close(o.printed)
		defer r.Close()
		printClean(f, r) // until nobody has the other end
	}()
	return o, nil
}

// printClean copies text, and nothing that would be more than text to a terminal.
func printClean(to io.Writer, from io.Reader) {
	in := bufio.NewReader(from)
	var out []byte
	for {
		r, size, err := in.ReadRune()
		switch {
		case err != nil:
			_, _ = to.Write(out) // nobody may look any more
			return
		case r == utf8.RuneError && size == 1, r != '\n' && r != '\t' && unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			out = append(out, '?')
		default:
			out = utf8.AppendRune(out, r)
		}
		if in.Buffered() == 0 || len(out) >= 4096 {
			_, _ = to.Write(out)
			out = out[:0]
		}
	}
}

// signal passes a signal on. It may have ended.
func (c *child) signal(sig os.Signal) { _ = c.cmd.Process.Signal(sig) }

// kill ends it, and waits.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it may have ended
	<-c.ended
}

// hearTime is how long the last words of a child that has ended may take to be printed.
const hearTime = time.Second

// hear waits until they are.
func (c *child) hear() {
	if c.out.printed == nil {
		return
	}
	select {
	case <-c.out.printed:
	case <-time.After(hearTime):
	}
}

// code is how it ended, as a shell has it.
func (c *child) code() int {
	<-c.ended
	c.hear()
	ws, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return c.cmd.ProcessState.ExitCode()
}

// sealDescriptors has no descriptor that we were started with reach a program
// that we start: only those that are given to it by name.
func sealDescriptors() error {
	if err := unix.CloseRange(3, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close descriptors to programs (it takes Linux 5.11): %w", err)
	}
	return nil
}
