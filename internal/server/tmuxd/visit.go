package tmuxd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/muxward/muxward/internal/server/crowd"
)

// visit is a connection with the places that it takes: one among those who come, until it is known
// and has said what it wants, and one among all.
type visit struct {
	nc          *net.UnixConn
	uid         uint32
	at          place
	gone        context.CancelCauseFunc
	fresh, here *stay
	proved      func() // its proof is over
	taken       func() // it has taken what descriptors it needs to come in
	put         func(io.Closer)
	ends        func() // what is held of it is let go of
	calls       [2]*crowd.Caller[uint32]
}

// errMadeRoom is why a connection ended of which too little was known.
var errMadeRoom = errors.New("others have come, and it has proved nobody")

// enter counts a connection by its uid before anything is read from it.
func (s *Server) enter(ctx context.Context, nc *net.UnixConn, uid uint32, at place) (context.Context, *visit, error) {
	ctx, gone := context.WithCancelCause(ctx)
	v := &visit{nc: nc, uid: uid, at: at, gone: gone, put: func(c io.Closer) { s.put(at.path, c) }, fresh: &stay{}, here: &stay{}}
	as := crowd.Begins(uid)
	fail := func(err error) (context.Context, *visit, error) {
		v.leave(err)
		if v.proved != nil {
			v.proved()
		}
		return nil, nil, err
	}
	if s.left.full(at.path) && as != crowd.Keeps {
		return fail(fmt.Errorf("tmux door: %d connections at %s were left behind, one more of uid %d was refused: what came with them does not let itself be closed", maxLeft, at.path, uid))
	}
	how := as
	if as == crowd.Unknown && s.all.Knows(uid) {
		how = crowd.Known
	}
	var ok bool
	if v.proved, ok = s.proofs.Begin(uid, at.path, maxProofs, how, lateTime); !ok {
		return fail(fmt.Errorf("tmux door: it is being found out of too many who they are, one more of uid %d was refused", uid))
	}
	for i, c := range []struct {
		crowd  *crowd.Crowd[uint32]
		bounds crowd.Bounds
		stay   *stay
	}{{&s.newcomers, arriving(), v.fresh}, {&s.all, staying(), v.here}} {
		call, err := c.crowd.Enter(uid, at.path, c.bounds, as, v.makeRoom(s))
		if errors.Is(err, crowd.ErrEach) {
			return fail(fmt.Errorf("tmux door: uid %d has %d connections %s, one more was refused", uid, c.bounds.Each, kinds[i]))
		}
		if err != nil {
			return fail(fmt.Errorf("tmux door: there are %d connections %s, one more of uid %d was refused", c.bounds.All, kinds[i], uid))
		}
		v.calls[i] = call
		c.stay.change(call.Leave)
	}
	return ctx, v, nil
}

// kinds says which of the two crowds of a visit is meant.
var kinds = [2]string{"under way", "here"}

// makeRoom gives what ends it for others.
func (v *visit) makeRoom(s *Server) func() {
	return func() {
		v.leave(errMadeRoom)
		s.complain(fmt.Sprintf("tmux door: there are too many connections; one of uid %d, which had proved nobody, made room", v.uid))
	}
}

// leave ends the connection and gives its places back.
func (v *visit) leave(why error) {
	v.gone(why)
	v.put(v.nc)
	v.fresh.give()
	v.here.give()
}

// stand says how far it has come.
func (v *visit) stand(as crowd.Standing) {
	for _, c := range v.calls {
		c.Stand(as)
	}
}

// stay is the place that a connection takes.
type stay struct {
	mu    sync.Mutex
	leave func()
	given bool
}

// change gives the place back for another.
func (t *stay) change(leave func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.given {
		leave()
		return
	}
	if t.leave != nil {
		t.leave()
	}
	t.leave = leave
}

// give gives it back for good.
func (t *stay) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.given = true
	if t.leave != nil {
		t.leave()
	}
}

// maxProofs bounds how many proofs are under way, also of those who have made room meanwhile. Who has proved
// somebody before finds room beside as many of others.
const maxProofs = 2 * total
