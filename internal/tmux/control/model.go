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
	ended   bool                   // no fetch is started any more
	aliases []tmux.CommandAlias    // the server's, when last looked
	asks    [tmux.Details][]string // how it is asked then
	views   [tmux.Details]view
}

// view is the state of one detail.
type view struct {
	snap    *tmux.Snapshot
	at      time.Time // when its fetch began
	stale   bool      // something changed since
	began   time.Time // the fetch that is running
	running *fetch
	next    *fetch // starts when running ends, for those who came meanwhile
}

// fetch is one trip to the server. snap and err are set when done is closed.
type fetch struct {
	done  chan struct{}
	asked *Pending // what was sent already, nil for nothing
	lines []string // of asked
	// spelled around these, if it was asked
	aliases []tmux.CommandAlias
	led     bool // somebody sees to it
	snap    *tmux.Snapshot
	err     error
}

// Fetch is a snapshot on its way.
type Fetch struct {
	m *Model
	d tmux.Detail
	f *fetch
}

// Wait waits for it. Who is the first to wait takes the answer apart: a goroutine that did
// nothing else would have a thread woken for it, and one more for who waits.
func (f Fetch) Wait(ctx context.Context) (*tmux.Snapshot, error) {
	f.m.lead(ctx, f.d, f.f)
	select {
	case <-f.f.done:
		return f.f.snap, f.f.err
	case <-ctx.Done():
		return nil, fmt.Errorf("look at the tmux server: %w", ctx.Err())
	}
}

// answered waits for the first answer, and reports whether it is there.
func (f *fetch) answered(ctx context.Context) bool {
	if f.asked == nil {
		return false
	}
	select {
	case <-f.asked.done:
		return true
	case <-ctx.Done():
		return false
	}
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
	return m.Start(d).Wait(ctx)
}

// Start begins to fetch a snapshot as Refresh does, and waits for nothing: unless one is
// being fetched, the server has been sent the question when it returns.
func (m *Model) Start(d tmux.Detail) Fetch {
	m.mu.Lock()
	v := &m.views[d]
	if !m.ended && v.running == nil {
		f := newFetch()
		v.running = f
		v.begin()
		lines := m.asks[d]
		f.aliases = m.aliases
		f.led = true // until it is asked
		m.mu.Unlock()
		var asked *Pending
		if lines != nil {
			asked, _ = m.c.sendLines(&Pending{asks: true}, lines) // what is wrong is found again, and told
		}
		m.mu.Lock()
		f.asked, f.lines, f.led = asked, lines, false
		if v.next != nil {
			m.apart(d, f, m.take(f))
		}
		m.mu.Unlock()
		return Fetch{m, d, f}
	}
	defer m.mu.Unlock()
	switch {
	case m.ended:
		f := newFetch()
		f.err = fmt.Errorf("look at the tmux server: %w", failure(ErrNotExecuted, m.c.Err()))
		close(f.done)
		return Fetch{m, d, f}
	case v.next == nil:
		v.next = newFetch()
		v.next.led = true // by who sees to the one before
	}
	if !v.running.led {
		m.apart(d, v.running, m.take(v.running)) // who asked for it may never wait
	}
	return Fetch{m, d, v.next}
}

// take has the caller see to a fetch that is running. Model.Wait waits until it is done.
func (m *Model) take(f *fetch) (done func()) {
	f.led = true
	if m.ended { // and nothing takes long any more
		return func() {}
	}
	m.wg.Add(1)
	return m.wg.Done
}

// apart sees to a fetch in a goroutine of its own, whether anybody waits for it or not.
func (m *Model) apart(d tmux.Detail, f *fetch, done func()) {
	go func() {
		defer done()
		m.run(d, f)
	}()
}

// lead sees to a fetch that nobody sees to, if the server's first answer is one. Whatever takes
// longer than to take that apart is done by another goroutine.
func (m *Model) lead(ctx context.Context, d tmux.Detail, f *fetch) {
	m.mu.Lock()
	if f.led || m.views[d].running != f {
		m.mu.Unlock()
		return
	}
	done := m.take(f)
	m.mu.Unlock()
	rest := f
	defer func() {
		if rest != nil {
			m.apart(d, rest, done)
		} else {
			done()
		}
	}()
	if !f.answered(ctx) || f.asked.err != nil {
		return
	}
	snap, err := m.parse(d, f.lines, f.asked.replies)
	if err == nil && slices.Equal(snap.Options.Aliases, f.aliases) {
		f.snap = snap
		rest = m.over(d, f)
	}
}

// begin notes that the view is fetched from now on.
func (v *view) begin() {
	if v.stale { // what there is stays old while the next is fetched, and if that fails
		v.at = time.Time{}
	}
	v.stale, v.began = false, time.Now()
}

func newFetch() *fetch { return &fetch{done: make(chan struct{})} }

// run fetches, and again for as long as somebody came meanwhile.
func (m *Model) run(d tmux.Detail, f *fetch) {
	for f != nil {
		f.snap, f.err = m.fetch(d, f)
		f = m.over(d, f)
	}
}

// over ends a fetch, and gives the next one, which begins.
func (m *Model) over(d tmux.Detail, f *fetch) (next *fetch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := &m.views[d]
	if f.err == nil {
		v.snap, v.at = f.snap, v.began
	}
	close(f.done)
	v.running, v.next = v.next, nil
	if v.running != nil {
		v.begin()
	}
	return v.running
}

func (m *Model) fetch(d tmux.Detail, f *fetch) (*tmux.Snapshot, error) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTime)
	defer cancel()
	snap, err := m.fetchSpelled(ctx, d, f)
	if err != nil {
		return nil, fmt.Errorf("look at the tmux server: %w", err)
	}
	return snap, nil
}

// fetchSpelled asks until the answers fit together and the questions were
// spelled around the aliases that the server has. What f has asked for comes first.
func (m *Model) fetchSpelled(ctx context.Context, d tmux.Detail, f *fetch) (*tmux.Snapshot, error) {
	asked, lines, aliases := f.asked, f.lines, f.aliases
	if asked == nil {
		m.mu.Lock()
		lines, aliases = m.asks[d], m.aliases
		m.mu.Unlock()
	}
	var last error
	for try := range fetchTries {
		var err error
		if lines == nil {
			if lines, err = m.spell(d, aliases); err != nil {
				return nil, err
			}
		}
		if asked == nil {
			if asked, err = m.c.sendLines(&Pending{asks: true}, lines); err != nil {
				return nil, err
			}
		}
		replies, err := asked.Wait(ctx)
		if err != nil {
			return nil, err
		}
		snap, err := m.parse(d, lines, replies)
		if err != nil {
			// The server changed meanwhile, or an alias is in the way that
			// we do not know yet.
			last, lines, asked = err, nil, nil
			if try == 0 && !errors.Is(err, tmux.ErrUnfinished) {
				aliases = usualNames()
			}
			continue
		}
		if slices.Equal(snap.Options.Aliases, aliases) {
			m.mu.Lock()
			if slices.Equal(m.aliases, aliases) {
				m.asks[d] = lines
			}
			m.mu.Unlock()
			return snap, nil
		}
		last, lines, asked = errors.New("its command-alias option keeps changing"), nil, nil
		aliases = snap.Options.Aliases
		m.mu.Lock()
		m.aliases, m.asks = aliases, [tmux.Details][]string{}
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

// spell gives the questions, spelled around aliases.
func (m *Model) spell(d tmux.Detail, aliases []tmux.CommandAlias) ([]string, error) {
	return tmux.SnapshotCommandsFor(d, tmux.ParseOptions{Version: m.version, Aliases: aliases})
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
	snap.SetUser(m.c.opts.UID, m.c.opts.User)
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
