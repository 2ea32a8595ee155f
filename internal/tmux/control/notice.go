package control

import (
	"bytes"
	"sync"

	"github.com/muxward/muxward/internal/tmux"
)

// Kind is the name of a notification without its percent sign, such as
// "window-renamed"; man tmux, CONTROL MODE, lists them.
type Kind string

// Kinds that are told apart here.
const (
	SessionsChanged Kind = "sessions-changed"
	SessionChanged  Kind = "session-changed" // this client was moved to another session
	// Everything stands for any number of notices that were too many to keep.
	Everything Kind = "everything"
)

// Notice is a hint that something changed. No name or text is kept: look at
// the server for what is true now.
type Notice struct {
	Kind Kind
	ID   string // of the first session, window or pane named; may be empty
}

// maxNotices is how many different ones are kept for a slow reader.
const maxNotices = 1024

// notices keeps each notice once until it is fetched.
type notices struct {
	mu     sync.Mutex
	set    map[Notice]struct{}
	signal chan struct{}
}

func newNotices() *notices {
	return &notices{set: make(map[Notice]struct{}), signal: make(chan struct{}, 1)}
}

func (s *notices) add(n Notice) {
	s.mu.Lock()
	if len(s.set) >= maxNotices {
		clear(s.set)
		n = Notice{Kind: Everything}
	}
	if _, everything := s.set[Notice{Kind: Everything}]; !everything {
		s.set[n] = struct{}{}
	}
	s.mu.Unlock()
	wake(s.signal)
}

func (s *notices) take() []Notice {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Notice, 0, len(s.set))
	for n := range s.set {
		all = append(all, n)
	}
	clear(s.set)
	return all
}

// wake makes a channel of capacity one ready.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// parseNotice reads "%kind …". Output is no notice: it is not asked for.
func parseNotice(l []byte) (Notice, bool) {
	word, rest, _ := bytes.Cut(l[1:], []byte(" "))
	if len(word) == 0 || len(word) > 64 {
		return Notice{}, false
	}
	for _, c := range word {
		if c != '-' && (c < 'a' || c > 'z') {
			return Notice{}, false
		}
	}
	switch string(word) {
	case "output", "extended-output", "begin", "end", "error":
		return Notice{}, false
	}
	n := Notice{Kind: Kind(word)}
	if n.Kind == SubscriptionChanged {
		name, _, _ := bytes.Cut(rest, []byte(" "))
		n.ID = subscribed(name)
		return n, n.ID != ""
	}
	// The id comes first, or second after a client's name.
	for range 2 {
		var field []byte
		field, rest, _ = bytes.Cut(rest, []byte(" "))
		if len(field) <= 11 && tmux.IsID(string(field)) {
			n.ID = string(field)
			break
		}
	}
	return n, true
}
