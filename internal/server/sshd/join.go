package sshd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/gateway"
)

// Joined is what came of a code: words for who has it, and the session, window or pane
// to attach to, or "" if it is none. Ends is set for who has knocked, and Text says so: it
// waits until they are let in, and gives what came of that. With ctx they are gone.
type Joined struct {
	Text, Target string
	Ends         func(ctx context.Context) (Joined, error)
}

// joinWord is what somebody says who comes with a code: here, and in the list.
const joinWord = "join"

// joins gives the code of a command line that is `join CODE`, or, as people type it
// who have the other line that they were given, `muxward join CODE`: all that is behind
// it, with hyphens between, since people write codes with blanks. tmux's join-pane has
// only flags, so what is no flag is meant as a code, with tmux before it, too.
func joins(argv []string) (code string, ok bool) {
	muxwards := len(argv) > 0 && argv[0] == "muxward"
	if muxwards {
		argv = argv[1:]
	}
	if len(argv) < 2 || argv[0] != joinWord || isFlag(argv[1]) && !muxwards {
		return "", false
	}
	return strings.Join(argv[1:], "-"), true
}

// isFlag reports whether a word may be a flag of tmux, or several; it has no long ones.
func isFlag(word string) bool {
	return len(word) > 1 && word[0] == '-' && word[1] != '-'
}

// joinsLater reports whether a command behind the first one has what may be a code.
func joinsLater(argv []string) bool {
	for i, word := range argv[:max(len(argv)-1, 0)] {
		if strings.HasSuffix(word, ";") && !strings.HasSuffix(word, `\;`) {
			if _, ok := joins(argv[i+1:]); ok {
				return true
			}
		}
	}
	return false
}

// errJoinAlone is the error of a code among commands of tmux.
var errJoinAlone = errors.New("a code is used by itself, as in: ssh HOST join CODE")

// errJoinElsewhere is that of a code that an sshd of the host has taken.
var errJoinElsewhere = errors.New("no code is used behind the host's sshd: use it at muxward's own ssh door, or by muxward join on the host")

// Hushed gives a line that was refused for the log, without what may be a code.
func Hushed(line string) string {
	if _, _, err := ReadCommand(line); errors.Is(err, errJoinElsewhere) {
		return joinWord + " ..." // however it was quoted
	}
	return hushed(line)
}

// hushed gives a line that was refused for the log, without what may be a code that was
// mistyped.
func hushed(line string) string {
	if strings.Contains(line, joinWord) {
		return joinWord + " ..."
	}
	return line
}

// join has somebody come by an invite, and attaches them if they have a terminal.
func (x *session) join(ctx context.Context, code string) (gateway.Result, error) {
	joined, err := x.come(ctx, code)
	if err != nil {
		return gateway.Result{}, err
	}
	for joined.Ends != nil && err == nil {
		if err = x.print(ctx, []byte(x.readable(joined.Text)+"\n"), false); err == nil {
			joined, err = x.waits(ctx, joined.Ends)
		}
	}
	if err != nil {
		return gateway.Result{}, err
	}
	if err := x.print(ctx, []byte(x.readable(joined.Text)+"\n"), false); err != nil || x.term == nil {
		return gateway.Result{}, err
	}
	if joined.Target == "" {
		return x.shell(ctx)
	}
	return x.command(ctx, []string{"attach-session", "-t", joined.Target})
}

// interruptKey is what Ctrl-C types.
const interruptKey = 3

// errInterrupted ends the waiting of who has typed Ctrl-C, and errHungUp that of whose terminal has
// hung up.
var (
	errInterrupted = errors.New("the knock is taken back")
	errHungUp      = errors.New("the terminal has hung up")
)

// waits waits until somebody is let in who has knocked. What they type meanwhile at a
// terminal is for nobody, and not for the pane in which they come then; Ctrl-C ends the
// waiting, and so does the end of what the terminal sends: a client may live on behind that, which ignores
// SIGHUP or has lost it, and nobody is there any more. It is outside of any permit: whether they may come is
// asked anew with the answer.
func (x *session) waits(ctx context.Context, ends func(context.Context) (Joined, error)) (Joined, error) {
	if x.term == nil {
		return ends(ctx)
	}
	waiting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	read := make(chan struct{})
	go func() {
		defer close(read)
		if why := x.in.interrupted(); why != nil {
			cancel(why)
		}
	}()
	joined, err := ends(waiting)
	x.in.setDeadline(time.Now())
	<-read
	x.in.setDeadline(time.Time{})
	x.in.drop()
	if why := context.Cause(waiting); why == errInterrupted || why == errHungUp {
		return Joined{}, why
	}
	return joined, err
}

// interrupted throws away what comes until the deadline, or until nobody waits any more: it says
// why, if it was that.
func (b *inbox) interrupted() error {
	p := make([]byte, 256)
	for {
		n, err := b.read(p, nil, func() error { return nil })
		switch {
		case errors.Is(err, io.EOF):
			return errHungUp
		case err != nil:
			return nil
		case bytes.IndexByte(p[:n], interruptKey) >= 0:
			return errInterrupted
		}
	}
}

// come asks for what a code gives, in the line like anything else.
func (x *session) come(ctx context.Context, code string) (Joined, error) {
	act, err := x.c.s.Join(x.c.who, code)
	if err != nil {
		return Joined{}, x.c.s.Gateway.Refuse(ctx, x.base(), []string{hushed(joinWord)}, err)
	}
	r, err := x.c.s.Gateway.Handle(ctx, gateway.Request{Identity: x.c.who, Door: Door, Act: act})
	joined, _ := r.Value.(Joined)
	return joined, err
}
