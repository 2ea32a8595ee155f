package executor

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/tmux/control"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// A server is slow to list its keys. Who types is not held up by that: what came of keys is
// heard meanwhile, and their places are free again.
func TestKeysAreHeardWhileTablesAreLookedAt(t *testing.T) {
	held := make(chan struct{})
	ctx, leave := context.WithCancel(t.Context())
	s := &seat{ctx: ctx, sending: make(chan struct{}, maxSending), fates: make(chan fate, maxSending)}
	s.stage.Store(&stage{})
	s.scene.Store(&scene{})
	s.keyboard = &keyboard{s: s, early: make(chan *view, 1), board: &board{busy: make(chan struct{}, 1),
		server: deaf{asked: func(context.Context) { <-held }}}}
	ended := make(chan struct{}, 2)
	go func() { s.hear(); ended <- struct{}{} }()
	go func() { s.keyboard.lookEarly(ctx); ended <- struct{}{} }()
	s.keyboard.early <- &view{at: time.Now()}
	tmuxtest.Eventually(t, func() bool { return len(s.keyboard.board.busy) == 1 }, "the tables are looked at")
	for range 3 * maxSending {
		s.sending <- struct{}{}
		s.fates <- fate{quiet: true, reply: control.Reply{Err: errors.New("can't find pane")}}
	}
	tmuxtest.Eventually(t, func() bool { return len(s.sending) == 0 }, "all is heard")
	leave()
	close(held)
	<-ended
	<-ended
}

// Somebody leaves while tmux has not answered for keys that the log has as delivered: it is
// written that nobody knows.
func TestKeysThatNobodyHasHeardOf(t *testing.T) {
	s := &seat{sending: make(chan struct{}, maxSending), fates: make(chan fate, maxSending)}
	gone := errors.New("the connection has ended")
	for _, err := range []error{nil, control.ErrNotExecuted, gone, gone} {
		s.sending <- struct{}{}
		s.fates <- fate{err: err, reply: control.Reply{Err: errors.New("x")}}
	}
	if err := s.unheard(); !errors.Is(err, gone) || !strings.Contains(err.Error(), "2 keys") || len(s.sending) > 0 {
		t.Errorf("%v, %d places are taken", err, len(s.sending))
	}
	if err := s.unheard(); err != nil {
		t.Errorf("and again: %v", err)
	}
}

// All that types into a pane names it, whatever is typed, in each of its forms: tmux itself
// refuses it elsewhere.
func TestEachCommandNamesItsPane(t *testing.T) {
	for _, version := range []string{"3.2a", "3.4", "3.5a", "3.7c"} {
		at := aScene(version, "%1", "@2", "$3")
		for what, e := range map[string]attach.Event{
			"text":        {Kind: attach.Keys, Bytes: bytes.Repeat([]byte("ab\x01\x7f"), keyChunk)},
			"a key":       {Kind: attach.Named, Key: "Up"},
			"in one form": {Kind: attach.Keys, Key: "C-a", Bytes: []byte{1}},
			"escaped":     {Kind: attach.Keys, Key: "M-Up", Bytes: []byte("\x1b\x1b[A"), Escaped: true},
			"backspace":   {Kind: attach.Keys, Key: "M-BSpace", Bytes: []byte("\x1b\x7f")},
		} {
			in, err := input(at, e)
			if err != nil || len(in.commands) == 0 {
				t.Errorf("%s in %s: %v", what, version, err)
				continue
			}
			for _, words := range in.commands {
				line := strings.Join(words, " ")
				if named, sent := strings.Count(line, "-t "+at.target), strings.Count(line, "send-keys"); named < max(sent, 1) {
					t.Errorf("%s in %s: %q names it %d times", what, version, line, named)
				}
			}
			if _, err := in.line(at); err != nil {
				t.Errorf("%s in %s: %v", what, version, err)
			}
		}
		in := inputs{commands: [][]string{{"send-keys", "-t", "%1", "x"}}}
		if line, err := in.line(at); err == nil {
			t.Errorf("a command that names less is taken: %s", line)
		}
		in.commands[0] = []string{"send-keys", "x"}
		if line, err := in.line(at); err == nil {
			t.Errorf("a command that names nothing is taken: %s", line)
		}
	}
}
