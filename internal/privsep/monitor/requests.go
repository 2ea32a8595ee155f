package monitor

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/privsep"
)

// hello begins: both have to speak one version.
func (m *Monitor) hello(_ context.Context, h privsep.Hello) (answer, error) {
	if h.Version != privsep.Version {
		return answer{}, refusal{fmt.Errorf("muxward speaks version %d (release %.64q), and this muxward-helper %d: install both of one release, and start it anew",
			h.Version, h.Release, privsep.Version)}
	}
	m.forward(starting)
	return answer{body: privsep.Welcome{Version: privsep.Version, PID: os.Getpid(), Doors: m.Hands.Doors()}}, nil
}

func (m *Monitor) forward(to phase) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.phase = max(m.phase, to)
}

// notify passes on how the daemon is. Ready is also when it has started.
func (m *Monitor) notify(_ context.Context, n privsep.Notify) (answer, error) {
	switch n.State {
	case privsep.Ready:
		m.forward(serving)
	case privsep.Reloading, privsep.Stopping:
	default:
		return answer{}, refusal{fmt.Errorf("%.64q is no state", n.State)}
	}
	m.Notify(n.State)
	return answer{body: privsep.Nothing{}}, nil
}

// ctl gives the control socket, made anew.
func (m *Monitor) ctl(_ context.Context, _ privsep.Nothing) (answer, error) {
	l, err := m.Ctl()
	return withFile(privsep.Nothing{}, l, err)
}

func withFile(body any, f *os.File, err error) (answer, error) {
	if err != nil {
		return answer{}, err
	}
	return answer{body, []*os.File{f}}, nil
}

// maxAskers is how many logins there are at once, as in internal/pam.
const maxAskers = 256

// pamStart starts a process that asks PAM about one login, by the service of
// the helper's own configuration, and gives its line.
func (m *Monitor) pamStart(_ context.Context, _ privsep.Nothing) (answer, error) {
	if m.PAM == nil {
		return answer{}, errors.New("muxward-helper was started without ssh: {pam: ...} in its configuration; start it anew")
	}
	m.mu.Lock()
	full := len(m.askers) >= maxAskers
	m.mu.Unlock()
	if full {
		return answer{}, fmt.Errorf("%d logins are under way, and no more are permitted", maxAskers)
	}
	a, err := m.PAM()
	if err != nil {
		return answer{}, err
	}
	m.mu.Lock()
	m.next++
	id := m.next
	m.askers[id] = a
	m.mu.Unlock()
	return answer{privsep.PAMStarted{ID: id, Program: a.Program()}, []*os.File{a.Line()}}, nil
}

// pamEnd ends such a process.
func (m *Monitor) pamEnd(_ context.Context, p privsep.PAMEnd) (answer, error) {
	m.mu.Lock()
	a := m.askers[p.ID]
	delete(m.askers, p.ID)
	m.mu.Unlock()
	if a != nil {
		a.End()
	}
	return answer{body: privsep.Nothing{}}, nil
}

// endAskers ends those whose daemon has gone.
func (m *Monitor) endAskers() {
	m.mu.Lock()
	all := m.askers
	m.askers = map[uint32]asker{}
	m.mu.Unlock()
	for _, a := range all {
		a.End()
	}
}

func (m *Monitor) keys(ctx context.Context, _ privsep.Nothing) (answer, error) {
	if m.Keys == nil {
		return answer{}, errNoKeys
	}
	k, err := m.Keys.Public(ctx)
	return answer{body: k}, err
}

func (m *Monitor) sign(ctx context.Context, s privsep.Sign) (answer, error) {
	if m.Keys == nil {
		return answer{}, errNoKeys
	}
	sig, err := m.Keys.Sign(ctx, s.Key, s.Data)
	return answer{body: privsep.Signature{Signature: sig}}, err
}

var errNoKeys = errors.New("there is no holder of keys")

func (m *Monitor) found(ctx context.Context, _ privsep.Nothing) (answer, error) {
	ids, err := m.Hands.Found(ctx)
	return answer{body: privsep.Servers{IDs: ids}}, err
}

func (m *Monitor) adopt(ctx context.Context, s privsep.Server) (answer, error) {
	held, err := m.Hands.Adopt(ctx, s.ID)
	return answer{body: held}, err
}

func (m *Monitor) start(ctx context.Context, o privsep.Order) (answer, error) {
	order := keep.Order{Owner: o.Owner, Account: o.Account}
	for _, v := range o.Environ {
		order.Environ = append(order.Environ, string(v))
	}
	held, err := m.Hands.Start(ctx, order)
	return answer{body: held}, err
}

func (m *Monitor) abandon(ctx context.Context, s privsep.Server) (answer, error) {
	return answer{body: privsep.Nothing{}}, m.Hands.Abandon(ctx, s.ID)
}

func (m *Monitor) connect(ctx context.Context, s privsep.Server) (answer, error) {
	f, err := m.Hands.Connect(ctx, s.ID)
	return withFile(privsep.Nothing{}, f, err)
}

func (m *Monitor) mend(ctx context.Context, s privsep.Server) (answer, error) {
	return answer{body: privsep.Nothing{}}, m.Hands.Mend(ctx, s.ID)
}

func (m *Monitor) note(ctx context.Context, n privsep.Noted) (answer, error) {
	return answer{body: privsep.Nothing{}}, m.Hands.Note(ctx, n.ID, n.Said)
}

func (m *Monitor) openDoor(ctx context.Context, p keep.Place) (answer, error) {
	o, err := m.Hands.OpenDoor(ctx, p)
	return withFile(privsep.Opened{Path: o.Path, UID: o.UID}, o.Listen, err)
}

func (m *Monitor) closeDoor(ctx context.Context, p keep.Place) (answer, error) {
	return answer{body: privsep.Nothing{}}, m.Hands.CloseDoor(ctx, p)
}
