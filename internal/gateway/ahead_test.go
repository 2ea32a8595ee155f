package gateway

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muxward/muxward/internal/tmux"
)

// ahead is alice's server, which is asked before anybody waits.
type ahead struct {
	Server
	takes time.Duration // from when it is waited for
	err   error
}

func (a ahead) Owners() []string      { return []string{"alice"} }
func (a ahead) IsOwner(s string) bool { return s == "alice" }

func (a ahead) Ask(tmux.Detail) func(context.Context) (*tmux.Snapshot, error) {
	return func(context.Context) (*tmux.Snapshot, error) {
		time.Sleep(a.takes)
		if a.err != nil {
			return nil, a.err
		}
		return tmux.NewSnapshot(tmux.Snapshot{}), nil
	}
}

// asAlices makes it the only server.
type asAlices struct{ ahead }

func (a asAlices) Server(string) Server { return a.ahead }

// What was looked at ahead counts for as long after it was asked for as it may be old, however late the
// answer is waited for; and an error of it is told only to who has waited for long.
func TestAheadAge(t *testing.T) {
	lost := errors.New("the connection was lost")
	for name, c := range map[string]struct {
		server ahead
		slow   time.Duration // the client
		counts bool
		err    error
	}{
		"at once":           {counts: true},
		"a slow client":     {slow: aheadAge + 1},
		"a slow server":     {server: ahead{takes: aheadAge + 1}},
		"an error":          {server: ahead{err: lost}},
		"one found late":    {server: ahead{err: lost}, slow: 2 * aheadPatience},
		"one in vain":       {server: ahead{err: lost, takes: aheadPatience}, err: lost},
		"both take a while": {server: ahead{err: lost, takes: aheadPatience / 2}, slow: aheadPatience},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := &Gateway{Parts: Parts{Servers: asAlices{c.server}}}
			found := g.LookAhead("alice")
			time.Sleep(c.slow)
			snap, err := found(t.Context()).of("alice")
			if (snap != nil) != c.counts || !errors.Is(err, c.err) {
				t.Errorf("%s: %v, %v", name, snap, err)
			}
		})
	}
}
