package sockets

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

const (
	errandTime = 10 * time.Second       // of a step, from its start to its answer
	reapTime   = 300 * time.Millisecond // until a process that was told to end, or killed, is not waited for any more
	maxReply   = 64 << 10
)

// errSilent is that of an errand that does not answer.
var errSilent = errors.New("no answer")

// Mender does steps. What is done with the rights of an account is done by a
// process that has these and no others, one for each step: whatever the account
// makes of it, or of the files that it looks at, hurts its own step alone.
type Mender struct {
	// Argv is the program that calls [ServeErrand], Env what it finds in its
	// otherwise small environment.
	Argv, Env []string
	// Time is how long a step may take, from its start to its answer; 0 means ten
	// seconds, which is also the most.
	Time time.Duration
}

// errand is what such a process is asked to do, and reply what it answers: one
// line of JSON each. It says that it is ready when a server is to be signalled, and
// waits for another line, which says that it was.
type errand struct {
	Do     deed          `json:"do"`
	UID    uint32        `json:"uid"`
	Path   Path          `json:"path"`
	Dir    Path          `json:"dir"`
	Name   Path          `json:"name,omitempty"` // in the quarantine
	Settle time.Duration `json:"settle"`
	File   File          `json:"file"`
	PID    int           `json:"pid,omitempty"` // who is to listen
}

type reply struct {
	Ready bool   `json:"ready,omitempty"`
	Left  bool   `json:"left,omitempty"` // left alone, rather than failed
	Error string `json:"error,omitempty"`
	Away  bool   `json:"away,omitempty"` // it is in the quarantine
	Mode  *Mode  `json:"mode,omitempty"`
}

// run has a process do the errand. signal is called, here, when the process is
// ready for it. A process that does not answer in time is killed; what hangs in the
// kernel even then is left behind.
func (m Mender) run(ctx context.Context, e errand, signal func() error) (reply, error) {
	if len(m.Argv) == 0 {
		return reply{}, errors.New("there is no program to act for an account")
	}
	most := min(cmp.Or(m.Time, errandTime), errandTime)
	end := time.Now().Add(most)
	ask, answers, stop, err := m.start(ctx, end)
	if err != nil {
		return reply{}, fmt.Errorf("start a process that acts for uid %d: %v", e.UID, err) // %v: nothing that it says is about the step
	}
	defer stop()
	noAnswer := func(err error) (reply, error) {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return reply{}, fmt.Errorf("%w within %s from who acts for uid %d: the file system hangs, or the account stopped it", errSilent, most, e.UID)
		}
		return reply{}, fmt.Errorf("who acts for uid %d ended without an answer: %v", e.UID, err)
	}
	if err := json.NewEncoder(ask).Encode(e); err != nil {
		return noAnswer(err)
	}
	lines := bufio.NewReader(io.LimitReader(answers, maxReply))
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return noAnswer(err)
		}
		var r reply
		if err := json.Unmarshal(line, &r); err != nil {
			return noAnswer(err)
		}
		if !r.Ready {
			return r, nil
		}
		if signal == nil {
			return noAnswer(errors.New("it asks for what is not part of this"))
		}
		if err := signal(); err != nil {
			return reply{}, err
		}
		signal = nil // once
		if _, err := ask.WriteString("sent\n"); err != nil {
			return noAnswer(err)
		}
	}
}

// start starts the process; stop ends it, if it has not ended.
func (m Mender) start(ctx context.Context, end time.Time) (ask, answers *os.File, stop func(), err error) {
	in, ask, err := os.Pipe()
	if err != nil {
		return nil, nil, nil, err
	}
	defer in.Close()
	answers, out, err := os.Pipe()
	if err != nil {
		_ = ask.Close()
		return nil, nil, nil, err
	}
	defer out.Close()
	cmd := exec.Command(m.Argv[0], m.Argv[1:]...)
	cmd.Dir = "/"
	cmd.Env = append([]string{"PATH=/usr/bin:/bin"}, m.Env...)
	cmd.Stdin, cmd.Stdout = in, out
	err = errors.Join(ask.SetWriteDeadline(end), answers.SetReadDeadline(end), ctx.Err())
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		_ = ask.Close()
		_ = answers.Close()
		return nil, nil, nil, err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // what it answered is what counts
		close(ended)
	}()
	return ask, answers, func() {
		_ = ask.Close() // who still waits for a word tidies up and ends
		defer answers.Close()
		for range 2 {
			late := time.NewTimer(reapTime)
			select {
			case <-ended:
				late.Stop()
				return
			case <-late.C:
				_ = cmd.Process.Kill()
			}
		}
	}, nil
}

// ServeErrand is the process at the other end: it takes on the rights of the
// account, for good, does what it is asked, and answers. It ends by itself if its
// time is over.
func ServeErrand(in io.Reader, out io.Writer) error {
	time.AfterFunc(errandTime, func() { os.Exit(1) }) // nobody waits for it any more
	lines := bufio.NewReader(in)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("nothing to do was said: %w", err)
	}
	var e errand
	if err := json.Unmarshal(line, &e); err != nil {
		return fmt.Errorf("what to do cannot be read: %w", err)
	}
	var r reply
	if err = refuseSetuid(); err == nil {
		err = become(e.UID)
	}
	if err == nil {
		err = e.do(&r, func() error {
			if err := json.NewEncoder(out).Encode(reply{Ready: true}); err != nil {
				return err
			}
			_, err := lines.ReadBytes('\n')
			return err
		})
	}
	if err != nil {
		r.Left, r.Error = isLeft(err), err.Error()
	}
	return json.NewEncoder(out).Encode(r)
}
