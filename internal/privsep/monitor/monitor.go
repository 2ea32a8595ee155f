package monitor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/pam"
	"github.com/muxward/muxward/internal/passed"
	"github.com/muxward/muxward/internal/privsep"
	"github.com/muxward/muxward/internal/procfs"
)

// Hands are what needs the accounts' rights: [keep.Keep]. The methods are those
// of guard.Hands.
type Hands interface {
	Doors() string
	Found(ctx context.Context) ([]string, error)
	Adopt(ctx context.Context, id string) (keep.Held, error)
	Start(ctx context.Context, o keep.Order) (keep.Held, error)
	Abandon(ctx context.Context, id string) error
	Connect(ctx context.Context, id string) (*os.File, error)
	Mend(ctx context.Context, id string) error
	Note(ctx context.Context, id string, said keep.Said) error
	OpenDoor(ctx context.Context, p keep.Place) (keep.Opened, error)
	CloseDoor(ctx context.Context, p keep.Place) error
	Reach(ctx context.Context, a keep.Account) (*os.File, error)
	Ticket(ctx context.Context, p keep.Pass) (string, error)
	Halt(ctx context.Context, id string, stop bool) (keep.Halted, error)
	Next(ctx context.Context) (keep.Event, error)
	Close() error
}

// Parts are what the requests are done with.
type Parts struct {
	Hands Hands
	// Notify tells the service manager; Complain the administrator.
	Notify   func(privsep.State)
	Complain func(string)
	// Ctl makes a listener at RUN/ctl.
	Ctl func() (*os.File, error)
	// Serving writes down where muxward serves.
	Serving func(ctx context.Context, addr string) error
	// PAM is asked about logins by password, by processes that Begin starts; nil is to do so.
	PAM   PAM
	Begin func(ctx context.Context, program string, r pam.Request, left func()) (login, error)
	// loginTime is how long there is a login at most; 0 is loginTime.
	loginTime time.Duration
	// Copy copies an account's authorized_keys; nil is to do so.
	Copy func(accounts.Account) (*os.File, error)
	// SSHD says why a process is no sshd of root's for one connection; nil is to look.
	SSHD func(pid int) error
	// Environ reads a process's environment; nil is to do so.
	Environ func(pid int) ([]byte, error)
	// Profiles reads root's session profiles and puts them in force; nil if there are none.
	Profiles profileFile
	// Directory has the accounts that no file has; nil where the configuration asks none.
	Directory directory
	// Keys is the holder of the keys; nil if there is none.
	Keys keyHolder
}

// profileFile is root's file of session profiles: [keep.Keep] reads it.
type profileFile interface {
	ReadProfiles(ctx context.Context) (keep.Offer, error)
	TakeProfiles(ctx context.Context, number uint64) error
}

// directory tells of accounts: [nss.Switch].
type directory interface {
	ByUID(ctx context.Context, uid uint32) (accounts.Account, error)
	ByName(ctx context.Context, name string) (accounts.Account, error)
}

// keyHolder signs.
type keyHolder interface {
	Public(ctx context.Context) (privsep.Keys, error)
	Sign(ctx context.Context, s privsep.Sign) ([]byte, error)
	Signed(ctx context.Context) (uint64, error)
}

// Monitor serves one daemon. Make one with New.
type Monitor struct {
	Parts
	line *privsep.Line
	rows map[privsep.Number]row
	most map[privsep.Number]int
	wg   sync.WaitGroup

	writing sync.Mutex

	mu     sync.Mutex
	phase  phase
	done   map[privsep.Number]bool // that may be asked once
	busy   map[privsep.Number]int
	open   map[uint32]bool // requests under way
	homes  homes
	naming chan struct{} // see maxNaming
	logins logins
	memory procfs.Memory
	broken error         // what no daemon of ours does
	over   chan struct{} // closed with that
	stop   context.CancelFunc
}

// New makes a monitor of a line.
func New(line *privsep.Line, p Parts) *Monitor {
	m := &Monitor{Parts: p, line: line, rows: map[privsep.Number]row{}, most: privsep.AtOnce(), phase: greeting,
		done: map[privsep.Number]bool{}, busy: map[privsep.Number]int{}, open: map[uint32]bool{}, over: make(chan struct{}), naming: make(chan struct{}, maxNaming)}
	if m.Copy == nil {
		m.Copy = copyOf
	}
	if m.SSHD == nil {
		m.SSHD = procfs.SSHD
	}
	if m.Environ == nil {
		m.Environ = m.environOf
	}
	m.loginTime = cmp.Or(m.loginTime, loginTime)
	if m.Begin == nil {
		m.Begin = beginLogin
	}
	for _, r := range table() {
		m.rows[r.number] = r
	}
	return m
}

// Serve serves until the daemon lets go of the line (nil), ctx ends, or the
// daemon does what none of ours does. Then nothing is under way any more.
func (m *Monitor) Serve(ctx context.Context) error {
	ctx, m.stop = context.WithCancel(ctx)
	defer m.logins.endAll()
	defer m.wg.Wait()
	defer m.stop()
	go func() {
		<-ctx.Done()
		_ = m.line.Close() // has reading and writing end
	}()
	m.wg.Go(func() { m.tellEvents(ctx) })
	buf := make([]byte, privsep.MaxPacket+1)
	for {
		p, err := m.line.Receive(buf)
		if err == nil {
			err = m.take(ctx, p)
		}
		if err == nil {
			continue
		}
		if err = m.why(err); err != nil {
			m.end(err) // whoever waits for that does not wait for what is under way
		}
		return err
	}
}

// Broken is closed when the daemon has done what none of ours does, while what is under way may
// go on; Why tells it.
func (m *Monitor) Broken() <-chan struct{} { return m.over }

// Why gives what Broken is about.
func (m *Monitor) Why() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.broken
}

// why gives what ended the line: nil if the daemon let go of it.
func (m *Monitor) why(err error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.broken != nil:
		return m.broken
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), errors.Is(err, unix.ECONNRESET):
		return nil
	}
	return err
}

// take takes a request on, or gives why it is none.
func (m *Monitor) take(ctx context.Context, p privsep.Packet) error {
	r, known := m.rows[p.Number]
	if !known {
		return fmt.Errorf("request %d is none", p.Number)
	}
	if err := m.admit(r, p.ID); err != nil {
		return fmt.Errorf("request %d (%s): %w", r.number, r.name, err)
	}
	body := append([]byte(nil), p.Body...)
	m.wg.Go(func() {
		a, err := r.serve(m, ctx, body)
		m.finish(r, p.ID)
		m.answer(ctx, r, p.ID, a, err)
	})
	return nil
}

// admit checks a request against its row.
func (m *Monitor) admit(r row, id uint32) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.broken != nil:
		return m.broken
	case r.phases&m.phase == 0:
		return errors.New("it is not permitted in this phase")
	case r.flags&once != 0 && m.done[r.number]:
		return errors.New("it was asked before, and is permitted once")
	case id == 0 || m.open[id]:
		return fmt.Errorf("its id %d is another's", id)
	case m.busy[r.number] >= m.most[r.number]:
		return fmt.Errorf("there are %d of it under way, and no more are permitted", m.most[r.number])
	}
	m.done[r.number] = true
	m.open[id] = true
	m.busy[r.number]++
	return nil
}

// finish lets the next one begin: before the answer is sent, as whoever reads
// that may ask at once.
func (m *Monitor) finish(r row, id uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.open, id)
	m.busy[r.number]--
}

// answer sends what became of a request.
func (m *Monitor) answer(ctx context.Context, r row, id uint32, a answer, err error) {
	defer passed.Close(a.files)
	if _, hostile := errors.AsType[refusal](err); hostile {
		m.end(fmt.Errorf("request %d (%s): %w", r.number, r.name, err))
		return
	}
	n, body := privsep.NumDone, a.body
	if err != nil {
		n, body = privsep.NumFailed, privsep.FailedOf(err)
	}
	m.send(ctx, n, id, body, a.files)
}

func (m *Monitor) send(ctx context.Context, n privsep.Number, id uint32, body any, files []*os.File) {
	data, err := privsep.Pack(n, id, body)
	if err != nil { // what was done is larger than a packet
		data, err = privsep.Pack(privsep.NumFailed, id, privsep.FailedOf(err))
		files = nil
	}
	if err == nil {
		m.writing.Lock()
		err = m.line.Send(data, files...)
		m.writing.Unlock()
	}
	if err != nil && ctx.Err() == nil {
		m.end(fmt.Errorf("tell muxward: %w", err))
	}
}

// end ends everything, for a reason.
func (m *Monitor) end(why error) {
	m.mu.Lock()
	if m.broken == nil && !errors.Is(why, unix.EPIPE) && !errors.Is(why, unix.ECONNRESET) {
		m.broken = why
		close(m.over)
	}
	m.mu.Unlock()
	m.stop()
}

// tellEvents passes on what the hands tell.
func (m *Monitor) tellEvents(ctx context.Context) {
	for {
		e, err := m.Hands.Next(ctx)
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, keep.ErrClosed) {
				m.end(fmt.Errorf("what the hands tell: %w", err))
			}
			return
		}
		var files []*os.File
		if e.Listen != nil {
			files = []*os.File{e.Listen}
		}
		m.send(ctx, privsep.NumEvent, 0, privsep.Happened{Kind: e.Kind, Level: e.Level, ID: e.ID, Owner: e.Owner,
			Text: e.Text, Place: e.Place, Generation: e.Generation}, files)
		if e.Listen != nil {
			new(passed.Away).Put(e.Listen) // it may be the last one: muxward ends, or has closed its own
		}
	}
}
