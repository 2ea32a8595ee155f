package monitor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/pam"
	"github.com/muxward/muxward/internal/privsep"
)

// PAM is by what logins by password are asked about: root's configuration says so.
type PAM struct {
	Program, Service string // "" where no passwords are taken
	// May gives the uid of an account that it may be asked about, or why it may not.
	May func(account string) (uid uint32, err error)
}

// loginTime is how long there is a login at most: longer than muxward waits for one to begin,
// and then gives it.
const loginTime = pam.MostWork + privsep.LoginTime

// maxLogins is how many logins there are at once; muxward itself has no more.
const maxLogins = 256

// login is one that has begun.
type login interface {
	Line() *os.File
	End()
}

// logins are those that have begun and were not ended.
type logins struct {
	mu    sync.Mutex
	last  uint64
	all   map[uint64]begun
	count int // with those that begin, or do not end
	pace  pace
}

// begun is a login with what ends it if nobody does.
type begun struct {
	login
	timer *time.Timer
}

func (l *logins) enter() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count >= maxLogins {
		return fmt.Errorf("%d logins are under way, and no more at once", maxLogins)
	}
	l.count++
	return nil
}

func (l *logins) mayBegin(uid uint32, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pace.begin(uid, now)
}

func (l *logins) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count--
}

// add has a login be there for a while at most.
func (l *logins) add(b login, most time.Duration) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = map[uint64]begun{}
	}
	l.last++
	id := l.last
	l.all[id] = begun{b, time.AfterFunc(most, func() { l.end(id) })}
	return id
}

// end ends one if it goes on, and gives whether there ever was one.
func (l *logins) end(id uint64) bool {
	l.mu.Lock()
	was := id > 0 && id <= l.last
	b, ok := l.all[id]
	delete(l.all, id)
	l.mu.Unlock()
	if ok {
		b.timer.Stop()
		b.End()
	}
	return was
}

// endAll ends those that are left.
func (l *logins) endAll() {
	l.mu.Lock()
	all := l.all
	l.all = nil
	l.mu.Unlock()
	var wg sync.WaitGroup
	for _, b := range all {
		b.timer.Stop()
		wg.Go(b.End)
	}
	wg.Wait()
}

// pam begins a login: the process is started and told by which service, which is not muxward's
// to say, and about whom. The passwords go over the line, and not through here. Whose password
// is asked about, and how often, is not left to muxward either.
func (m *Monitor) pam(ctx context.Context, r privsep.PAM) (answer, error) {
	if m.PAM.Service == "" {
		return answer{}, refusal{errors.New("the configuration takes no passwords")}
	}
	if r.From != "" {
		if _, err := netip.ParseAddr(r.From); err != nil {
			return answer{}, refusal{fmt.Errorf("%.80q is no address", r.From)}
		}
	}
	if r.Account != pam.Nobody { // which is the same for all that are nothing here
		uid, err := m.PAM.May(r.Account)
		if err == nil {
			err = m.logins.mayBegin(uid, time.Now())
		}
		if err != nil {
			return answer{}, fmt.Errorf("the password of %.40q is not asked about: %w", r.Account, err)
		}
	}
	if err := m.logins.enter(); err != nil {
		return answer{}, err
	}
	b, err := m.Begin(ctx, m.PAM.Program, pam.Request{Service: m.PAM.Service, Account: r.Account, From: r.From}, sync.OnceFunc(m.logins.leave))
	if err != nil {
		return answer{}, err
	}
	return answer{privsep.Login{ID: m.logins.add(b, m.loginTime)}, []*os.File{b.Line()}}, nil
}

func (m *Monitor) pamEnd(_ context.Context, l privsep.Login) (answer, error) {
	if !m.logins.end(l.ID) {
		return answer{}, refusal{errors.New("there is no such login")}
	}
	return answer{body: privsep.Nothing{}}, nil
}

// beginLogin begins a login with a real process.
func beginLogin(ctx context.Context, program string, r pam.Request, left func()) (login, error) {
	b, err := pam.Begin(ctx, program, r, left)
	if err != nil {
		return nil, err
	}
	return b, nil
}
