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
	sig, err := m.Keys.Sign(ctx, s)
	return answer{body: privsep.Signature{Signature: sig}}, err
}

// signed tells of how many records of the log a checkpoint was signed last.
func (m *Monitor) signed(ctx context.Context, _ privsep.Nothing) (answer, error) {
	if m.Keys == nil {
		return answer{}, errNoKeys
	}
	size, err := m.Keys.Signed(ctx)
	return answer{body: privsep.Signed{Size: size}}, err
}

// serving has it written down for muxward's commands where it serves.
func (m *Monitor) serving(ctx context.Context, s privsep.Serving) (answer, error) {
	return answer{body: privsep.Nothing{}}, m.Serving(ctx, s.Addr)
}

// readProfiles reads root's file of session profiles: the daemon says neither which file nor what
// is in it, only when.
func (m *Monitor) readProfiles(ctx context.Context, _ privsep.Nothing) (answer, error) {
	if m.Profiles == nil {
		return answer{body: keep.Offer{}}, nil
	}
	o, err := m.Profiles.ReadProfiles(ctx)
	return answer{body: o}, err
}

func (m *Monitor) takeProfiles(ctx context.Context, t privsep.Take) (answer, error) {
	if m.Profiles == nil {
		return answer{}, errors.New("there are no profiles to be taken")
	}
	return answer{body: privsep.Nothing{}}, m.Profiles.TakeProfiles(ctx, t.Number)
}

// sshd tells whether a process is a connection of an sshd of the host, whose own files only
// root may look at.
func (m *Monitor) sshd(_ context.Context, p privsep.Process) (answer, error) {
	if p.PID <= 0 {
		return answer{}, refusal{errors.New("that is no process")}
	}
	return answer{body: privsep.Nothing{}}, m.SSHD(p.PID)
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
	order := keep.Order{Owner: o.Owner, Account: o.Account, Isolated: o.Isolated}
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
	return withFile(privsep.Opened{Path: o.Path, UID: o.UID, Generation: o.Generation}, o.Listen, err)
}

func (m *Monitor) closeDoor(ctx context.Context, p keep.Place) (answer, error) {
	return answer{body: privsep.Nothing{}}, m.Hands.CloseDoor(ctx, p)
}

func (m *Monitor) reach(ctx context.Context, r privsep.Reach) (answer, error) {
	f, err := m.Hands.Reach(ctx, r.Account)
	return withFile(privsep.Nothing{}, f, err)
}

func (m *Monitor) ticket(ctx context.Context, p keep.Pass) (answer, error) {
	ticket, err := m.Hands.Ticket(ctx, p)
	return answer{body: privsep.Ticket{Ticket: ticket}}, err
}

// halt stops a server that was started or adopted here, or lets it go on.
func (m *Monitor) halt(ctx context.Context, h privsep.Halt) (answer, error) {
	if h.What != privsep.Stop && h.What != privsep.GoOn {
		return answer{}, refusal{fmt.Errorf("%.64q is nothing that a server does", string(h.What))}
	}
	halted, err := m.Hands.Halt(ctx, h.ID, h.What == privsep.Stop)
	return answer{body: halted}, err
}
