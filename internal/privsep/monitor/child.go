package monitor

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// child is a process without rights that ends with us.
type child struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // of waiting, once ended is closed
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
	cmd.Stdout, cmd.Stderr = o.out, o.out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL, Credential: o.as}
	c := &child{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never let go: the thread has changed for good
		err := giveUp()
		if err == nil {
			err = cmd.Start()
		}
		started <- err
		if err == nil {
			c.err = cmd.Wait()
		}
		close(c.ended)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", o.argv[0], err)
	}
	return c, nil
}

// signal passes a signal on. It may have ended.
func (c *child) signal(sig os.Signal) { _ = c.cmd.Process.Signal(sig) }

// kill ends it, and waits.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it may have ended
	<-c.ended
}

// code is how it ended, as a shell has it.
func (c *child) code() int {
	<-c.ended
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
