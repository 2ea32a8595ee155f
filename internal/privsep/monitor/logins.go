package monitor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/muxward/muxward/internal/pam"
	"github.com/muxward/muxward/internal/privsep"
)

// PAM is by what logins by password are asked about: root's configuration says so.
type PAM struct {
	Program, Service string // "" where no passwords are taken
}

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
	all   map[uint64]login
	count int // with those that begin, or do not end
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

func (l *logins) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count--
}

func (l *logins) add(b login) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = map[uint64]login{}
	}
	l.last++
	l.all[l.last] = b
	return l.last
}

// take gives one, once.
func (l *logins) take(id uint64) (login, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.all[id]
	delete(l.all, id)
	return b, ok
}

// endAll ends those that are left.
func (l *logins) endAll() {
	l.mu.Lock()
	all := l.all
	l.all = nil
	l.mu.Unlock()
	var wg sync.WaitGroup
	for _, b := range all {
		wg.Go(b.End)
	}
	wg.Wait()
}

// pam begins a login: the process is started and told by which service, which is not muxward's
// to say, and about whom. The passwords go over the line, and not through here.
func (m *Monitor) pam(ctx context.Context, r privsep.PAM) (answer, error) {
	if m.PAM.Service == "" {
		return answer{}, refusal{errors.New("the configuration takes no passwords")}
	}
	if err := m.logins.enter(); err != nil {
		return answer{}, err
	}
	b, err := m.Begin(ctx, m.PAM.Program, pam.Request{Service: m.PAM.Service, Account: r.Account, From: r.From}, sync.OnceFunc(m.logins.leave))
	if err != nil {
		return answer{}, err
	}
	return answer{privsep.Login{ID: m.logins.add(b)}, []*os.File{b.Line()}}, nil
}

// pamEnd ends a login.
func (m *Monitor) pamEnd(_ context.Context, l privsep.Login) (answer, error) {
	b, ok := m.logins.take(l.ID)
	if !ok {
		return answer{}, refusal{errors.New("there is no such login")}
	}
	b.End()
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
