package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Options say how to ask.
type Options struct {
	// SSH is the program; "" is ssh. Config is its file of settings (-F), "" its own.
	SSH, Config string
	// AtOnce is how many are asked at a time: 1 or more.
	AtOnce int
	// Patience is how long each may take, from the connection to the end of its answer.
	Patience time.Duration
	// MaxOut is how much a host may say; MaxErr is how much of its errors is kept.
	MaxOut, MaxErr int
	// Command is what a host's shell is to run, Input what that reads.
	Command func(Host) string
	Input   []byte
	// Done hears of each host when it has answered, from one goroutine at a time: n is its
	// place in the inventory. What the host has said is for Done to take: Ask keeps none of
	// it then, as all together may be more than there is room for.
	Done func(n int, a Answer)
}

// Answer is what one host has said.
type Answer struct {
	Host Host
	// Out and Stderr are as they came: anything may be in them.
	Out, Stderr []byte
	// Code is the exit code of the command there; ssh's own failures are 255.
	Code int
	// Err says why there is no whole answer. A command that has failed is no error.
	Err  error
	Took time.Duration
}

// ErrTooMuch is that of a host which has said more than it may.
var ErrTooMuch = errors.New("it says more than a host may")

// Ask asks all hosts, and gives their answers in the order of hosts. When ctx ends, so does
// what is going on; who was not asked has ctx's error.
func Ask(ctx context.Context, hosts []Host, o Options) []Answer {
	answers := make([]Answer, len(hosts))
	var (
		wg   sync.WaitGroup
		told sync.Mutex
		slot = make(chan struct{}, max(o.AtOnce, 1))
	)
	for i, h := range hosts {
		slot <- struct{}{}
		wg.Go(func() {
			defer func() { <-slot }()
			began := time.Now()
			a := o.ask(ctx, h)
			a.Host, a.Took = h, time.Since(began)
			if o.Done != nil {
				told.Lock()
				defer told.Unlock()
				o.Done(i, a)
				a.Out = nil
			}
			answers[i] = a
		})
	}
	wg.Wait()
	return answers
}

// ask asks one host.
func (o Options) ask(ctx context.Context, h Host) (a Answer) {
	if a.Err = ctx.Err(); a.Err != nil {
		return a
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.Patience, fmt.Errorf("it did not answer within %s", o.Patience))
	defer cancel()
	program := o.SSH
	if program == "" {
		program = "ssh"
	}
	var args []string
	if o.Config != "" {
		args = append(args, "-F", o.Config)
	}
	// Nobody is there to be asked for a password, nothing of ours is to be lent to the host
	// (ssh_config(5)), and who is gone is noticed.
	args = append(args, "-T", "-a", "-x", "-k", "-o", "ControlMaster=no", "-o", "ControlPath=none", "-o", "BatchMode=yes", "-o", "ClearAllForwardings=yes", "-o", "PermitLocalCommand=no", "-o", "EscapeChar=none",
		"-o", "ConnectTimeout="+strconv.Itoa(max(int(o.Patience.Seconds()), 1)), "-o", "ServerAliveInterval=15", "--", h.At, o.Command(h))
	cmd := exec.CommandContext(ctx, program, args...)
	// ssh may have programs of its own (ProxyCommand): they end with it.
	// It ends with us as well, however that is. The kernel takes our thread for us (prctl(2),
	// PR_SET_PDEATHSIG), so this one stays until ssh has ended.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second
	out := &bounded{max: o.MaxOut, full: cancel}
	kept := &bounded{max: o.MaxErr}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(o.Input), out, kept
	err := cmd.Run()
	a.Out, a.Stderr, a.Code = out.got, kept.got, cmd.ProcessState.ExitCode()
	var exit *exec.ExitError
	switch {
	case out.over:
		a.Err = fmt.Errorf("%w: %d bytes", ErrTooMuch, o.MaxOut)
	case ctx.Err() != nil:
		a.Err = context.Cause(ctx)
	case errors.As(err, &exit) && exit.Exited():
	case err != nil:
		a.Err = err
	}
	return a
}

// bounded keeps the beginning of what is written.
type bounded struct {
	max  int
	got  []byte
	over bool
	full func() // called once there is more; without it the rest is dropped
}

// Write never fails: who writes would be told, and this is about who reads.
func (b *bounded) Write(p []byte) (int, error) {
	room := min(b.max-len(b.got), len(p))
	b.got = append(b.got, p[:room]...)
	if room < len(p) && !b.over {
		b.over = true
		if b.full != nil {
			b.full()
		}
	}
	return len(p), nil
}
