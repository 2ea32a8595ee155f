package control

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/tmux"
)

const (
	// changeGap is the least time between two change signals.
	changeGap = 50 * time.Millisecond
	// fetchTime bounds one fetch, whoever waits for it.
	fetchTime = 5 * time.Second
	// fetchTries is how often a server is asked again whose answers do not
	// fit together because it changed in between.
	fetchTries = 6
)

// Model is what is known about a server: the last [tmux.Snapshot] of each
// detail, fetched again on demand. It takes the notices of its Client. Its
// methods may be called from any goroutine.
type Model struct {
	c       *Client
	version tmux.Version
	wg      sync.WaitGroup
	subs    subscribers

	mu      sync.Mutex
	ended   bool                // no fetch is started any more
	aliases []tmux.CommandAlias // the server's, when last looked
	views   [tmux.Details]view
}

// view is the state of one detail.
type view struct {
	snap    *tmux.Snapshot
	at      time.Time // when its fetch began
	stale   bool      // something changed since
	running *fetch
	next    *fetch // starts when running ends, for those who came meanwhile
}

// fetch is one trip to the server. snap and err are set when done is closed.
type fetch struct {
	done chan struct{}
	snap *tmux.Snapshot
	err  error
}

// NewModel makes the model of the server that c is connected to. Nobody else
// may fetch c's notices. It ends with c; [Model.Wait] waits for that.
func NewModel(c *Client) *Model {
	m := &Model{c: c, aliases: tmux.DefaultAliases()}
	// A version that cannot be read is the zero one: the reference.
	m.version, _ = tmux.ParseVersion(c.Version())
	m.wg.Go(m.follow)
	return m
}

// Wait returns when the model's work has ended, which it does with its Client.
func (m *Model) Wait() { m.wg.Wait() }

// Last returns the last snapshot of this detail, or nil, without asking.
func (m *Model) Last(d tmux.Detail) *tmux.Snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.views[d].snap
}

// Current returns a snapshot that was fetched at most maxAge ago and about
// which no change was notified since; 0 means that it is fetched after the
// call. A server does not notify all that changes, to a client without session
// in particular: maxAge bounds how old the answer can be in any case.
func (m *Model) Current(ctx context.Context, d tmux.Detail, maxAge time.Duration) (*tmux.Snapshot, error) {
	if snap, _ := m.Fresh(d, maxAge); snap != nil {
		return snap, nil
	}
	return m.Refresh(ctx, d)
}

// Fresh is the snapshot that Current would give without asking, nil if there is none, and
// when its fetch began. For who asks for places a newer one that has the clients as well will do.
func (m *Model) Fresh(d tmux.Detail, maxAge time.Duration) (*tmux.Snapshot, time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := &m.views[d]
	if more := &m.views[tmux.Core]; d == tmux.Places && more.snap != nil && !more.stale && more.at.After(v.at) {
		v = more
	}
	if maxAge <= 0 || v.snap == nil || v.stale || time.Since(v.at) > maxAge {
		return nil, time.Time{}
	}
	return v.snap, v.at
}

// Refresh fetches a snapshot. Callers that come while one is fetched share the
// next one.
func (m *Model) Refresh(ctx context.Context, d tmux.Detail) (*tmux.Snapshot, error) {
	m.mu.Lock()
	v := &m.views[d]
	var f *fetch
	switch {
	case m.ended:
		m.mu.Unlock()
		return nil, fmt.Errorf("look at the tmux server: %w", failure(ErrNotExecuted, m.c.Err()))
	case v.running == nil:
		f = newFetch()
		v.running = f
		m.wg.Go(func() { m.run(d, f) })
	case v.next == nil:
		f = newFetch()
		v.next = f
	default:
		f = v.next
	}
	m.mu.Unlock()
	select {
	case <-f.done:
		return f.snap, f.err
	case <-ctx.Done():
		return nil, fmt.Errorf("look at the tmux server: %w", ctx.Err())
	}
}

func newFetch() *fetch { return &fetch{done: make(chan struct{})} }

// run fetches, and again for as long as somebody came meanwhile.
func (m *Model) run(d tmux.Detail, f *fetch) {
	for f != nil {
		m.mu.Lock()
		v := &m.views[d]
		if v.stale { // what there is stays old while the next is fetched, and if that fails
			v.at = time.Time{}
		}
		v.stale = false
		began := time.Now()
		m.mu.Unlock()

		f.snap, f.err = m.fetch(d)

		m.mu.Lock()
		if f.err == nil {
			v.snap, v.at = f.snap, began
		}
		close(f.done)
		v.running, v.next = v.next, nil
		f = v.running
		m.mu.Unlock()
	}
}

func (m *Model) fetch(d tmux.Detail) (*tmux.Snapshot, error) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTime)
	defer cancel()
	snap, err := m.fetchSpelled(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("look at the tmux server: %w", err)
	}
	return snap, nil
}

// fetchSpelled asks until the answers fit together and the questions were
// spelled around the aliases that the server has.
func (m *Model) fetchSpelled(ctx context.Context, d tmux.Detail) (*tmux.Snapshot, error) {
	m.mu.Lock()
	aliases := m.aliases
	m.mu.Unlock()
	var last error
	for try := range fetchTries {
		lines, err := tmux.SnapshotCommandsFor(d, tmux.ParseOptions{Version: m.version, Aliases: aliases})
		if err != nil {
			return nil, err
		}
		replies, err := m.c.Do(ctx, lines...)
		if err != nil {
			return nil, err
		}
		snap, err := m.parse(d, lines, replies)
		if err != nil {
			// The server changed meanwhile, or an alias is in the way that
			// we do not know yet.
			last = err
			if try == 0 && !errors.Is(err, tmux.ErrUnfinished) {
				aliases = usualNames()
			}
			continue
		}
		if slices.Equal(snap.Options.Aliases, aliases) {
			return snap, nil
		}
		last = errors.New("its command-alias option keeps changing")
		aliases = snap.Options.Aliases
		m.mu.Lock()
		m.aliases = aliases
		m.mu.Unlock()
	}
	return nil, last
}

// usualNames are aliases that stand in the way of all names of the commands
// that are asked with, so that these are spelled by abbreviations: nobody gives
// those a meaning.
func usualNames() []tmux.CommandAlias {
	var all []tmux.CommandAlias
	for _, name := range []string{
		"display-message", "display", "list-clients", "lsc", "show-options", "show", "list-buffers", "lsb",
	} {
		all = append(all, tmux.CommandAlias{Name: name})
	}
	return all
}

func (m *Model) parse(d tmux.Detail, lines []string, replies []Reply) (*tmux.Snapshot, error) {
	texts := make([][]byte, len(replies))
	for i, r := range replies {
		// Without any session tmux has no target for some lists: they are
		// empty. If it has, the snapshot does not fit together.
		if r.Err != nil && !(i > 0 && r.Err.Error() == "no current target") {
			return nil, fmt.Errorf("%.20q: %w", lines[i], r.Err)
		}
		texts[i] = r.Data
	}
	snap, err := tmux.ParseSnapshot(d, texts)
	if err != nil {
		return nil, err
	}
	snap.Now = time.Now().Unix()
	if m.c.opts.Session != "" {
		// Ourselves: there only because this server wants it so.
		snap.Clients = slices.DeleteFunc(snap.Clients, func(one tmux.Client) bool {
			return one.PID == os.Getpid() && one.TTY == ""
		})
		m.c.disown(snap)
	}
	return snap, nil
}

// disown takes out of a state that this client has attached to its session: sessions that
// were used in one second are told apart by who was attached to last, and one that a person
// has made since is not to stand behind it. Somebody who attached there in the same second
// is not told from us, and is taken out as well.
func (c *Client) disown(snap *tmux.Snapshot) {
	for i := range snap.Sessions {
		s := &snap.Sessions[i]
		if c.attached != 0 && s.ID.String() == c.opts.Session && s.LastAttached == c.attached {
			s.LastAttached = c.opts.LastAttached
		}
	}
}

// Subscribe returns a channel that becomes ready when something changed, at
// most 20 times a second, and when the client ended. Call cancel when done.
func (m *Model) Subscribe() (changed <-chan struct{}, cancel func()) {
	return m.subs.add()
}

// follow turns notices into staleness and signals.
func (m *Model) follow() {
	defer m.stop()
	gap := time.NewTimer(0)
	defer gap.Stop()
	for {
		select {
		case <-m.c.Done():
			return
		case <-m.c.Changes():
		}
		_ = m.c.Notices() // whatever it was
		m.mu.Lock()
		for d := range m.views {
			m.views[d].stale = true
		}
		m.mu.Unlock()
		m.subs.signal()
		gap.Reset(changeGap)
		select {
		case <-m.c.Done():
			return
		case <-gap.C:
		}
	}
}

func (m *Model) stop() {
	m.mu.Lock()
	m.ended = true
	m.mu.Unlock()
	m.subs.signal()
}

// subscribers are channels of capacity one.
type subscribers struct {
	mu  sync.Mutex
	all map[chan struct{}]struct{}
}

func (s *subscribers) add() (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = make(map[chan struct{}]struct{})
	}
	s.all[c] = struct{}{}
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.all, c)
	}
}

func (s *subscribers) signal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.all {
		wake(c)
	}
}
