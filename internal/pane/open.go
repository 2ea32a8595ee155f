package pane

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// OpenLine is the descriptor of the line to whoever minds the session, in muxward-pam.
const OpenLine = 3

// Its other descriptors; the last is there only if the session has a cgroup.
const (
	_ = OpenLine + iota
	openTTY
	openSession
	openProgram
	openWhy
	openBranch
)

// OpenArg is the argument by which muxward-pam opens a pane's session.
const OpenArg = "open-session"

// opening is one session with the rules of PAM, from inside of its process.
type opening struct {
	s       *Session
	line    *net.UnixConn
	tty     *os.File
	program *os.File
	branch  *os.File
	heard   <-chan string // what whoever minds the session says; closed when they have gone
	left    bool          // they want no session any more
	own     []Limit       // of this process, which are not the session's
	kept    []held        // what modules have begun
	said    said
	undo    []func() error // what is open, and closed from the last to the first
}

// Open opens a session by PAM, has its program run below this process, and closes what was
// opened, each once, when that has ended, or whoever minds it. It is root, on the thread
// that the process began with: what modules change of that, the program inherits.
func Open(start func(Asked) (Transaction, error)) error {
	for fd := OpenLine; fd <= openBranch; fd++ {
		unix.CloseOnExec(fd)
	}
	if err := noDumps(); err != nil { // modules may crash
		return err
	}
	line, err := connOf(OpenLine)
	if err != nil {
		return err
	}
	defer line.Close()
	in := os.NewFile(openSession, "session")
	s, err := readSession(in)
	if err = errors.Join(err, in.Close()); err != nil {
		_ = line.SetWriteDeadline(time.Now().Add(WaitTime))
		_, _ = line.Write(told{refused: err.Error()}.encode()) // our other streams are nobody's
		return err
	}
	if s.Rules == nil {
		return errors.New("this is started by muxward; there is nothing to do here by hand")
	}
	s.why = os.NewFile(openWhy, "why")
	o := &opening{s: s, line: line, tty: os.NewFile(openTTY, s.TTY), program: os.NewFile(openProgram, Program)}
	if s.Branched {
		o.branch = os.NewFile(openBranch, "cgroup")
	}
	if err := keepOrphans(); err != nil {
		return err
	}
	heard := make(chan string, 4)
	o.heard = heard
	go hearOut(line, heard)
	return o.serve(start)
}

// hearOut passes on what is said, and ends this process if it goes on for too long after
// nobody is there who could end it.
func hearOut(line *net.UnixConn, heard chan<- string) {
	defer close(heard)
	buf := make([]byte, maxTold)
	for {
		n, err := line.Read(buf)
		if err != nil || n == 0 {
			time.AfterFunc(openTime, func() { os.Exit(1) })
			return
		}
		select {
		case heard <- string(buf[:n]):
		default: // nobody who means well says so much
		}
	}
}

// say tells whoever minds the session; where they have gone, that is noticed elsewhere.
func (o *opening) say(t told) {
	_ = o.line.SetWriteDeadline(time.Now().Add(o.s.Rules.wait()))
	_, _ = o.line.Write(t.encode())
}

// gone reports whether nobody wants the session any more.
func (o *opening) gone() bool {
	for !o.left {
		select {
		case <-o.heard: // whatever it is: there is nothing yet that could be told more
			o.left = true
		default:
			return false
		}
	}
	return true
}

func (o *opening) serve(start func(Asked) (Transaction, error)) error {
	o.say(told{step: stepStart})
	t, err := start(Asked{Service: o.s.Rules.Service, Account: o.s.Account, TTY: o.s.TTY, Person: o.s.Person, Tell: o.said.add})
	if err != nil {
		o.say(told{refused: fmt.Sprintf("PAM cannot be asked: %q", clip(err.Error()))})
		return nil
	}
	o.undo = append(o.undo, t.End)
	err = o.admit(t)
	if err == nil {
		err = o.run(t)
	}
	if err != nil && len(o.undo) > 1 {
		o.say(told{step: stepClose})
	}
	failed := o.close()
	end(&branch{}, spared{}, time.Now().Add(endTime)) // what was spared until here
	switch {
	case err != nil && failed != nil:
		o.say(told{refused: fmt.Sprintf("%v; and what was opened by then is not closed: %q", err, clip(failed.Error())), failed: failed.Error()})
	case err != nil:
		o.say(told{refused: err.Error()})
	case failed != nil:
		o.say(told{closed: true, failed: fmt.Sprintf("%q", clip(failed.Error()))})
	default:
		o.say(told{closed: true})
	}
	return nil
}

// admit takes the steps that lead to a session, and makes sure behind each that it is still
// the account's that was decided on.
func (o *opening) admit(t Transaction) error {
	if err := o.prepare(); err != nil {
		return err
	}
	for _, step := range []struct {
		name, refused string
		do, undo      func() error
	}{
		{stepAccount, "the account has no session now", t.Account, nil},
		{stepCredit, "no credentials", t.Establish, t.Delete},
		{stepOpen, "no session is opened", t.Open, t.Close},
	} {
		if o.gone() {
			return errLeft
		}
		o.say(told{step: step.name})
		if err := refuses(step.do()); err != nil {
			return fmt.Errorf("PAM: %s (%s, %s): %q%s", step.refused, o.s.Account, o.s.Rules.Service, clip(err.Error()), o.told())
		}
		if step.undo != nil {
			o.undo = append(o.undo, step.undo)
		}
		user, err := t.User()
		if err == nil && user != o.s.Account {
			err = fmt.Errorf("a PAM module has made %.40q of the account %q; a pane is the account's that was decided on", user, o.s.Account)
		}
		if refuses(err) != nil {
			return err
		}
	}
	return nil
}

// told is what modules had to say to whoever is refused.
func (o *opening) told() string {
	if text := strings.TrimSpace(strings.ReplaceAll(o.said.b.String(), "\r\n", "; ")); text != "" {
		return fmt.Sprintf("; it says: %.300q", text)
	}
	return ""
}

// prepare makes this process what modules change: the account's groups, the umask, a keyring
// and the usual limits.
func (o *opening) prepare() error {
	groups := make([]int, len(o.s.Groups))
	for i, g := range o.s.Groups {
		groups[i] = int(g)
	}
	if err := syscall.Setgroups(groups); err != nil {
		return fmt.Errorf("take the groups: %w", err)
	}
	unix.Umask(o.s.Umask)
	if err := newKeyring(); err != nil {
		return err
	}
	own, err := currentLimits()
	if err != nil {
		return err
	}
	o.own = own
	files := own[unix.RLIMIT_NOFILE] // which Go has raised
	files.Soft = min(usualFiles, files.Hard)
	return setLimits([]Limit{files})
}

// changed takes over what modules have made of this process, and of the environment.
func (o *opening) changed(t Transaction) error {
	s := o.s
	set, err := t.Environ()
	if err == nil {
		s.Env, err = withRules(s.Env, set, s.Fixed)
	}
	if err != nil {
		return err
	}
	s.Umask = unix.Umask(0o077)
	groups, err := unix.Getgroups()
	if err != nil {
		return fmt.Errorf("read the groups: %w", err)
	}
	s.Groups = nil
	for _, g := range groups {
		if slices.Contains(s.ServerGroups, uint32(g)) {
			return errors.New("a PAM module has put the account into the group of an isolated tmux server")
		}
		s.Groups = append(s.Groups, uint32(g))
	}
	if s.Limits, err = currentLimits(); err != nil {
		return err
	}
	s.Said, s.Keyed = o.said.b.String(), true
	for _, l := range o.own { // ours are not the session's; without the right to raise them they are
		_ = setLimits([]Limit{l})
	}
	return nil
}

// run has the session's program run, and returns when all of it is to be closed.
func (o *opening) run(t Transaction) error {
	o.say(told{step: stepBegin})
	if o.gone() {
		return errLeft
	}
	if err := o.changed(t); err != nil {
		return err
	}
	o.kept = descendants(os.Getpid(), maxKept)
	cmd, err := o.enter()
	if err != nil {
		return err
	}
	pid := cmd.Process.Pid
	o.say(told{opened: pid, kept: o.kept})
	stop, reaped := make(chan struct{}), make(chan struct{})
	go func() { defer close(reaped); reapOrphans(pid, stop) }()
	o.mind(cmd)
	close(stop)
	<-reaped // modules wait for children of their own
	return nil
}

// enter starts the session's program, from this thread.
func (o *opening) enter() (*exec.Cmd, error) {
	return o.s.enter(o.program, o.tty, &branch{dir: o.branch})
}

// mind waits until the session is to be closed, and ends it by then.
func (o *opening) mind(cmd *exec.Cmd) {
	pid := cmd.Process.Pid
	ended := make(chan struct{})
	go func() { defer close(ended); waitEnd(pid) }()
	hangUp := func() { _ = unix.Kill(-pid, unix.SIGHUP) } // not waited for yet: its number is its own
	for over := false; ; {
		select {
		case <-ended:
			ended, over = nil, true
			a := answerOf(cmd)
			o.say(told{ended: &a})
		case word, ok := <-o.heard:
			if ok && word == sayHangUp {
				if !over {
					hangUp()
				}
				continue
			}
			if !over {
				hangUp()
				select {
				case <-ended:
				case <-time.After(graceTime):
				}
			}
			by := time.Now().Add(endTime)
			end(&branch{}, spared{kept: o.kept}, by)
			if !over {
				select {
				case <-ended:
					a := answerOf(cmd)
					o.say(told{ended: &a})
				case <-time.After(max(time.Until(by), graceTime)): // it hangs in the kernel
				}
			}
			if !ok { // nobody else tells of the end
				record{tty: o.s.TTY, pid: pid}.logout()
			}
			return
		}
	}
}

// close closes what is open, from the last to the first, each once.
func (o *opening) close() error {
	var failed error
	for len(o.undo) > 0 {
		last := o.undo[len(o.undo)-1]
		o.undo = o.undo[:len(o.undo)-1]
		failed = errors.Join(failed, last())
	}
	return failed
}

// answerOf waits for a session that has ended, and says how.
func answerOf(cmd *exec.Cmd) Answer {
	_ = cmd.Wait() // how is in the state
	a := Answer{Ended: true}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		a.Signal = int(ws.Signal())
	} else {
		a.Code = cmd.ProcessState.ExitCode()
	}
	return a
}
