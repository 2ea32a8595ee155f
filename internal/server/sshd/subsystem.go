package sshd

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/reach"
)

// sftp is the subsystem that is there without having been configured.
const sftp = "sftp"

// ranSubsystem is how one has ended.
type ranSubsystem struct {
	result gateway.Result
	err    error
}

// subsystem starts one, and gives what waits for its end; nil if it is refused.
func (x *session) subsystem(ctx context.Context, payload []byte) func(context.Context) (gateway.Result, error) {
	var m struct{ Name string }
	if ssh.Unmarshal(payload, &m) != nil || len(m.Name) > 64 {
		_ = x.c.refuse(ctx, "subsystem", x.gone)
		return nil
	}
	argv := x.c.s.Reaching.Subsystems[m.Name]
	if argv == nil && m.Name != sftp {
		_ = x.c.refuse(ctx, "subsystem "+m.Name, x.gone)
		return nil
	}
	leave, err := x.c.enterReach(ctx, false)
	if err != nil {
		x.c.tooMuch(ctx, "subsystem "+m.Name, err)
		return nil
	}
	w := wanted{what: "subsystem", name: m.Name, verb: access.Subsystem, ask: reach.Ask{Kind: reach.Subsystem, Argv: argv}}
	ready, over := make(chan struct{}), make(chan ranSubsystem, 1)
	x.wg.Go(func() {
		defer leave()
		ran := ranSubsystem{err: errors.New("a fault of muxward ended it")}
		defer func() { over <- ran }()
		defer x.c.s.caught(x.c.who.Person()+"'s "+m.Name, x.gone)
		ran.result, ran.err = x.c.reach(ctx, w, func(ctx context.Context, _ *gateway.Permit, line *reach.Line, r *reach.Reached) (gateway.Result, error) {
			close(ready)
			return x.runs(ctx, line, r)
		})
	})
	select {
	case <-ready:
	case <-over: // the log tells why
		return nil
	}
	return func(context.Context) (gateway.Result, error) {
		ran := <-over // it ends with ctx, which serve's is
		return ran.result, ran.err
	}
}

// runs carries between the channel and a subsystem until that has ended, or ctx has.
func (x *session) runs(ctx context.Context, line *reach.Line, r *reach.Reached) (gateway.Result, error) {
	var to, from atomic.Int64
	stop := context.AfterFunc(ctx, func() {
		r.Close()
		x.in.setDeadline(longAgo)
	})
	defer stop()
	x.c.wg.Go(func() { // it ends with the input, which the session's end ends
		defer x.c.s.caught("a subsystem's input", x.gone)
		x.feed(ctx, r, &to)
	})
	var wg sync.WaitGroup
	for _, out := range []struct {
		from io.Reader
		errs bool
	}{{r.Conn, false}, {r.Errs, true}} {
		wg.Go(func() {
			defer x.c.s.caught("a subsystem's output", x.gone)
			x.hear(ctx, out.from, out.errs, &from)
		})
	}
	wg.Wait()
	result := gateway.Result{Moved: &gateway.Moved{To: to.Load(), From: from.Load()}, Exit: 1}
	if ctx.Err() != nil {
		x.muted(ctx)
		return result, context.Cause(ctx)
	}
	code, err := line.Exit(ctx)
	result.Exit, result.Moved.To = code, to.Load()
	return result, err
}

// feed gives a subsystem what comes over the channel.
func (x *session) feed(ctx context.Context, r *reach.Reached, count *atomic.Int64) {
	buf := make([]byte, 32<<10)
	for {
		n, err := x.in.read(buf, nil, ctx.Err)
		if n > 0 {
			m, errWrite := r.Conn.Write(buf[:n])
			count.Add(int64(m))
			if errWrite != nil {
				return
			}
		}
		if err != nil {
			closeWrite(r.Conn)
			return
		}
	}
}

// hear prints what a subsystem says.
func (x *session) hear(ctx context.Context, from io.Reader, errs bool, count *atomic.Int64) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if x.out.put(ctx, buf[:n], errs) != nil {
				return
			}
			count.Add(int64(n))
		}
		if err != nil {
			return
		}
	}
}
