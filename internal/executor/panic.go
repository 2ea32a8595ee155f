package executor

import (
	"bytes"
	"context"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
)

// panicTime is how long it may take to lock down by the key; it holds before that.
const panicTime = 10 * time.Second

// panicForms gives how terminals send each panic key, which nearly all do alike.
func panicForms() map[string]string {
	return map[string]string{"F6": "\x1b[17~", "F7": "\x1b[18~", "F8": "\x1b[19~", "F9": "\x1b[20~",
		"F10": "\x1b[21~", "F11": "\x1b[23~", "F12": "\x1b[24~"}
}

// panics reports whether what somebody types directly is the key by which they lock
// down what they are at, once or several times. With anything else it may be pasted.
func (s *seat) panics(p []byte) bool {
	if s.e.PanicKey == "" || len(p) < len("\x1b[17~") { // as nearly each key is, which waits for this
		return false
	}
	form := panicForms()[s.e.PanicKey]
	if form == "" || len(bytes.ReplaceAll(p, []byte(form), nil)) > 0 {
		return false
	}
	_, may := s.locks()
	return may
}

// locks gives what this person locks down by the key: the server that they are at, if
// they hold lock there, else the session.
func (s *seat) locks() (on access.Object, may bool) {
	session := s.stage.Load().view.Need().Object
	session.Kind, session.Links = access.Session, nil
	session.Window, session.Pane, session.Session.Index = access.WindowRef{}, access.PaneRef{}, 0
	for _, on := range []access.Object{wholeNeed(s.server).Object, session} {
		if s.live.Decide(gateway.Need{Verb: access.Lock, Object: on}).Allow {
			return on, true
		}
	}
	return session, false
}

// lockHere locks down what the person is at, and reports whether the key was for that. Who
// holds no lock there types the key as any other. It is done beside what they type: that
// is stopped by it, too.
func (s *seat) lockHere() bool {
	on, may := s.locks()
	if !may {
		return false
	}
	if s.panicking.Swap(true) {
		return true
	}
	s.e.beside.Go(func() { // it is carried through, also if they leave meanwhile
		defer s.panicking.Store(false)
		s.protected(func() { s.lockdown(on) })
	})
	return true
}

func (s *seat) lockdown(on access.Object) {
	ctx, cancel := context.WithTimeout(context.Background(), panicTime)
	defer cancel()
	act, err := s.e.Panic(s.live.Who(), on)
	if err == nil {
		_, err = s.e.Gateway().Handle(ctx, gateway.Request{Identity: s.live.Who(), Display: s.tty, Client: s.client, Act: act})
	}
	if err != nil {
		s.att.Notice("lockdown: " + err.Error())
	}
}
