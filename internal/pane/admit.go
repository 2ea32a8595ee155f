package pane

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// admission is a muxward-pam that opens a session, from outside of its process.
type admission struct {
	cmd    *exec.Cmd
	line   *net.UnixConn
	wait   time.Duration // for each step
	heard  <-chan told   // closed when it has gone, or says what it cannot
	step   string        // the last one that it took
	exited <-chan struct{}
}

// openByRules begins the session as PAM has it.
func (s *Session) openByRules(tty *os.File, b *branch, gone <-chan struct{}) (*begun, error) {
	p, err := s.startOpen(tty, b)
	if err != nil {
		return nil, err
	}
	t, err := p.admitted(gone)
	if err != nil {
		grace := graceTime
		if errors.As(err, new(Unclosed)) { // what is open by now can be closed still
			grace = p.wait
		}
		p.stop(grace)
		if refuses(err) == nil {
			return s.open(tty, b, gone)
		}
		return nil, err
	}
	ended := make(chan Answer, 1)
	closed := make(chan error, 1)
	go p.follow(ended, closed)
	return &begun{pid: t.opened, ended: ended, spared: spared{holder: p.cmd.Process.Pid, kept: t.kept},
		hangUp: func() { p.say(sayHangUp) },
		close:  func() error { return p.close(closed) }}, nil
}

func (s *Session) startOpen(tty *os.File, b *branch) (*admission, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a line to muxward-pam: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "line")
	defer theirs.Close()
	line, err := connOf(uintptr(fds[0]))
	if err != nil {
		return nil, err
	}
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, errors.Join(err, line.Close())
	}
	defer self.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, line.Close())
	}
	cmd := exec.Command(s.Rules.Program, OpenArg)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "GOMAXPROCS=1"} // there may be many
	cmd.Env = append(cmd.Env, passed()...)
	cmd.ExtraFiles = []*os.File{theirs, tty, r, self, s.why}
	if b.dir != nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles, b.dir)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	_ = r.Close() // as in Start
	if err != nil {
		return nil, errors.Join(fmt.Errorf("run %s: %w", s.Rules.Program, err), w.Close(), line.Close())
	}
	heard, exited := make(chan told), make(chan struct{})
	p := &admission{cmd: cmd, line: line, wait: s.Rules.wait(), heard: heard, exited: exited}
	go p.hear(heard, exited)
	_ = w.SetWriteDeadline(time.Now().Add(p.wait))                    // it may never come to read; a pipe of ours has deadlines
	if err := s.write(w); err != nil && !errors.Is(err, unix.EPIPE) { // where it has ended, that is heard
		p.stop(graceTime)
		return nil, fmt.Errorf("tell muxward-pam what is to run: %w", err)
	}
	return p, nil
}

// hear passes on what it says until it has gone: where something that it has started has the
// line still, until it has ended.
func (p *admission) hear(heard chan<- told, exited chan<- struct{}) {
	go func() {
		waitEnd(p.cmd.Process.Pid)
		close(exited)
		// What it has said is read first.
		_ = p.line.SetReadDeadline(time.Now().Add(graceTime))
	}()
	defer close(heard)
	buf := make([]byte, maxTold+1)
	for {
		n, err := p.line.Read(buf)
		if err != nil || n == 0 {
			return
		}
		t, err := parseTold(buf[:n])
		if err != nil {
			return
		}
		heard <- t
	}
}

func (p *admission) say(word string) {
	_ = p.line.SetWriteDeadline(time.Now().Add(p.wait))
	_, _ = p.line.Write([]byte(word)) // where it has gone, that is heard
}

// errUnheard is the error of a muxward-pam that has gone.
var errUnheard = errors.New("the process that asks PAM has ended by itself, or was ended by a module")

// admitted waits until the session has begun, and gives what was told of that. Where it does not
// come to be closed what may be open, the error is [Unclosed].
func (p *admission) admitted(gone <-chan struct{}) (told, error) {
	over := time.NewTimer(openTime)
	defer over.Stop()
	step := time.NewTimer(p.wait)
	defer step.Stop()
	for {
		select {
		case t, ok := <-p.heard:
			switch {
			case !ok:
				return told{}, p.left(p.unheard())
			case t.refused != "" && t.failed != "":
				return told{}, Unclosed{errors.New(t.refused), true}
			case t.refused != "":
				return told{}, errors.New(t.refused)
			case t.opened > 0:
				return t, nil
			case t.step == "":
				return told{}, p.left(errors.New("muxward-pam answers out of turn"))
			}
			step.Reset(p.wait)
			if t.step == stepClose {
				step.Reset(closeSteps*p.wait + endTime)
			}
			if t.step == stepClose && p.step != stepClose { // what is closed in order has its own time
				over.Reset(closeSteps*p.wait + endTime)
			}
			p.step = t.step
		case <-gone: // what is open by now is closed, in no more time than a step may take
			gone = nil
			p.say(sayClose)
		case <-step.C:
			return told{}, p.left(fmt.Errorf("PAM has said nothing for too long (%s)", p.step))
		case <-over.C:
			return told{}, p.left(fmt.Errorf("PAM takes longer than %v (%s)", openTime, p.step))
		}
	}
}

// unheard says what became of a muxward-pam that has gone.
func (p *admission) unheard() error {
	if p.step == "" {
		return fmt.Errorf("%w before it said anything: does it run here? (try: ldd %s)", errUnheard, p.cmd.Path)
	}
	return fmt.Errorf("%w (%s)", errUnheard, p.step)
}

// left makes of an error that something may be open, and is not closed, where that is so.
func (p *admission) left(err error) error {
	if opens(p.step) {
		return Unclosed{fmt.Errorf("%w; what was opened by then may not be closed", err), true}
	}
	return err
}

// follow hears out how the session has ended, and that all is closed.
func (p *admission) follow(ended chan<- Answer, closed chan<- error) {
	tell := sync.OnceFunc(func() { close(ended) })
	defer tell()
	for t := range p.heard {
		switch {
		case t.ended != nil:
			select {
			case ended <- *t.ended:
			default: // it has ended once
			}
			tell()
		case t.closed && t.failed == "":
			closed <- nil
			return
		case t.closed:
			closed <- errors.New("PAM: the session is not closed as it has to be: " + t.failed)
			return
		}
	}
	closed <- fmt.Errorf("%w: the session is not closed", errUnheard)
}

// close has what is open closed, each step in its time after what is left was ended, and ends
// the process.
func (p *admission) close(closed <-chan error) error {
	p.say(sayClose)
	var err error
	select {
	case err = <-closed:
	case <-time.After(2*graceTime + 2*endTime + closeSteps*p.wait):
		err = errors.New("PAM has said nothing for too long: the session is not closed")
	}
	p.stop(graceTime)
	return err
}

// closeSteps is how many steps there are to the end.
const closeSteps = 3

// stop ends the process, if it does not end by itself in that time, and waits for it.
func (p *admission) stop(grace time.Duration) {
	_ = p.line.Close() // it ends by that
	select {
	case <-p.exited:
	case <-time.After(grace):
		_ = p.cmd.Process.Kill()
		select {
		case <-p.exited:
		case <-time.After(endTime): // it hangs in the kernel
			return
		}
	}
	_ = p.cmd.Wait() // how does not matter any more
}
