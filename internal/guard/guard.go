package guard

import (
	"context"
	"errors"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/passed"
)

// Options say what a guard goes by.
type Options struct {
	// Hands have the rights of the accounts: [keep.New] in this process. Close closes
	// them, too.
	Hands Hands
	// Notify hears what people should know. It must not block; nil drops.
	Notify func(Notice)
	// OnServer hears of a server whose inner door is open, before the
	// server reads its configuration, which may already run tmux commands
	// through that door: so serve [Server.InnerDoor] from here on. It must
	// not block; nil means nobody serves inner doors.
	OnServer func(*Server)
	// OurClient tells our own clients of a server from others; nil takes
	// those that state our process id.
	OurClient func(s *Server, pid int, name string) bool
	// Now gives wall-clock time; nil means time.Now.
	Now func() time.Time
	// Every is how often every server is looked at; 0 means 4 s, and 5 s is
	// the most.
	Every time.Duration
	// Settle is how long after a server is ready what appears in it counts
	// as its configuration, which may go on in the background; 0 means 10 s.
	Settle time.Duration
}

// Guard keeps the servers and doors of one host. Make one with New.
type Guard struct {
	opt   Options
	hands Hands
	stop  context.CancelFunc
	ctx   context.Context
	wg    sync.WaitGroup
	heard chan struct{} // closed when all was heard of the hands
	away  passed.Away   // sockets that have come for doors that are closed

	mu       sync.Mutex
	closed   bool
	adopted  bool // Adopt has looked at all that was left running
	byOwner  map[string]*Server
	byID     map[string]*Server // also those whose end is still to be told
	doors    map[keep.Place]*Door
	starting map[string]*startCall
	left     map[string]string // servers that could not be adopted, by id, and why
}

type startCall struct {
	done chan struct{}
	err  error
}

// New begins to watch with the hands. Call Adopt next.
func New(opt Options) *Guard {
	opt.fill()
	g := &Guard{opt: opt, hands: opt.Hands, byOwner: map[string]*Server{}, byID: map[string]*Server{},
		doors: map[keep.Place]*Door{}, heard: make(chan struct{}), starting: map[string]*startCall{}, left: map[string]string{}}
	g.ctx, g.stop = context.WithCancel(context.Background())
	g.wg.Go(g.watch)
	go g.hear()
	return g
}

func (o *Options) fill() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Every <= 0 || o.Every > 5*time.Second {
		o.Every = 4 * time.Second
	}
	if o.Settle <= 0 {
		o.Settle = 10 * time.Second
	}
	if o.OurClient == nil {
		o.OurClient = func(_ *Server, pid int, _ string) bool { return pid == os.Getpid() }
	}
}

// Close closes all doors and lets go of the servers, which go on.
func (g *Guard) Close() error {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return nil
	}
	g.closed = true
	list := g.list()
	g.mu.Unlock()
	g.stop()
	for _, s := range list {
		s.letGo()
	}
	g.wg.Wait()
	g.mu.Lock()
	doors := slices.Collect(maps.Values(g.doors))
	g.mu.Unlock()
	var err error
	for _, d := range doors {
		err = errors.Join(err, d.Close())
	}
	err = errors.Join(err, g.hands.Close())
	select {
	case <-g.heard:
	case <-time.After(doorTime):
	}
	return err
}

func (g *Guard) list() []*Server {
	var out []*Server
	for _, s := range g.byOwner {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b *Server) int { return strings.Compare(a.kept.Owner, b.kept.Owner) })
	return out
}

// Servers lists the servers that run, by owner.
func (g *Guard) Servers() []*Server {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.list()
}

// Lookup gives the server of a person, whether it has read its configuration
// yet or not.
func (g *Guard) Lookup(owner string) (*Server, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s, ok := g.byOwner[owner]
	return s, ok
}

// AllKnown reports whether [Guard.Lookup] finds every server that runs, also those that an
// earlier muxward has started: whoever has none there has none.
func (g *Guard) AllKnown() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.adopted && !g.closed && len(g.left) == 0
}

// Looked reports whether all that an earlier muxward has left running was looked at, whether or not it
// could be adopted. The hands start no isolated server beside one of its name that was not.
func (g *Guard) Looked() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.adopted && !g.closed
}

// Left says of each server that an earlier muxward has left, and that could not be adopted, why.
func (g *Guard) Left() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Sorted(maps.Values(g.left))
}

// Doors is the directory to export as TMUX_TMPDIR.
func (g *Guard) Doors() string { return g.hands.Doors() }

func (g *Guard) tell(kind access.EventKind, s *Server, text string) {
	if g.opt.Notify == nil {
		return
	}
	n := Notice{Time: g.opt.Now(), Kind: kind, Text: text}
	if s != nil {
		n.Owner, n.Incarnation = s.kept.Owner, s.Incarnation()
	}
	g.opt.Notify(n)
}

// lines gives the lines of data without their ends.
func lines(data []byte) iter.Seq[string] {
	return strings.SplitSeq(strings.TrimSuffix(string(data), "\n"), "\n")
}
