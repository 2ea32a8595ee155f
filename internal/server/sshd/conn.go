package sshd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
)

// conn is one connection, and once it has proved somebody, theirs.
type conn struct {
	s     *Server
	nc    *wary
	known func() // it counts as a newcomer no longer
	who   identity.Identity
	user  string
	proof atomic.Pointer[identity.SSHProof]

	mu      sync.Mutex
	tried   []string // why keys were not taken
	key     string   // the last of them
	cancel  context.CancelCauseFunc
	ended   error
	open    int           // sessions
	left    chan struct{} // if somebody waits, is closed when the last one has ended
	refused int
	empty   *time.Timer
	done    chan struct{}
	wg      sync.WaitGroup
}

func newConn(s *Server, nc net.Conn, known func()) *conn {
	return &conn{s: s, nc: &wary{Conn: nc, left: graceBytes}, known: known, done: make(chan struct{})}
}

// wary is a network connection that may say little until it has proved somebody,
// and has to take what is written to it, in time.
type wary struct {
	net.Conn
	trusted atomic.Bool
	left    int // the reader's
}

var errTalksTooMuch = errors.New("it said more than anybody needs to who proves who they are")

func (w *wary) Read(p []byte) (int, error) {
	if w.trusted.Load() {
		return w.Conn.Read(p)
	}
	if w.left <= 0 {
		return 0, errTalksTooMuch
	}
	n, err := w.Conn.Read(p[:min(len(p), w.left)])
	w.left -= n
	return n, err
}

func (w *wary) Write(p []byte) (int, error) {
	if w.trusted.Load() {
		_ = w.Conn.SetWriteDeadline(time.Now().Add(stallTime)) // an error comes again at the write
	}
	return w.Conn.Write(p)
}

// abort ends the connection with whatever the network still holds.
func (w *wary) abort() {
	if tcp, ok := w.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = w.Conn.Close()
}

// unsent bounds what the kernel takes that is not on its way yet: what it holds
// cannot be taken back.
const unsent = 16 << 10

func bound(nc net.Conn) {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return
	}
	if raw, err := tcp.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsent) // it is a bound, not a need
		})
	}
}

// end has everything of the connection end, for a reason that its person hears.
func (c *conn) end(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == nil {
		c.ended = why
	}
	if c.cancel != nil {
		c.cancel(c.ended)
	}
}

// serve is the life of a connection: who is it, and a session for each channel.
func (c *conn) serve(ctx context.Context) {
	defer close(c.done)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c.mu.Lock()
	c.cancel = cancel
	c.mu.Unlock()
	bound(c.nc.Conn)
	conn, channels, requests, err := c.shake(ctx)
	if err != nil {
		return
	}
	defer c.nc.Close()
	leave, ok := c.s.enter(c.who.Person())
	if !ok {
		c.s.refuse(ctx, c.nc.RemoteAddr(), c.who.Key(), c.who.Person()+" has too many connections here")
		abandon(conn, channels, requests)
		return
	}
	defer leave()
	proof := c.proof.Load()
	if err := c.s.Prover.Stands(proof); !stands(err) { // keys may have changed meanwhile
		c.s.refuse(ctx, c.nc.RemoteAddr(), c.who.Key(), "what was proved does not stand any more: "+err.Error())
		abandon(conn, channels, requests)
		return
	}
	if at := proof.Until(); !at.IsZero() {
		var over context.CancelFunc
		ctx, over = context.WithDeadlineCause(ctx, at, errors.New("what you came in with has expired"))
		defer over()
	}
	c.attend(ctx, conn, channels, requests)
}

// shake proves who it is, in time.
func (c *conn) shake(ctx context.Context) (*ssh.ServerConn, <-chan ssh.NewChannel, <-chan *ssh.Request, error) {
	prover := c.s.Prover
	prover.Refused = c.note
	config := c.s.config()
	prover.Install(config)
	_ = c.nc.SetDeadline(time.Now().Add(cmp.Or(c.s.Grace, graceTime)))
	stop := context.AfterFunc(ctx, func() { _ = c.nc.Close() })
	conn, channels, requests, err := ssh.NewServerConn(c.nc, config)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		var proof *identity.SSHProof
		if c.who, proof, err = prover.FromConn(conn, Door); err == nil {
			c.proof.Store(proof)
		}
	}
	if err != nil {
		c.fail(ctx, err)
		if conn != nil {
			abandon(conn, channels, requests)
		}
		return nil, nil, nil, err
	}
	c.user = conn.User()
	c.nc.trusted.Store(true)
	_ = c.nc.SetDeadline(time.Time{})
	c.known()
	if err := c.s.Gateway.AtDoor(ctx, access.Event{Door: Door, From: c.who.From(), Key: c.who.Key(), Person: c.who.Person(),
		Allowed: true, Note: "let in"}); err != nil {
		c.s.Complain("ssh door: " + c.who.Person() + " was not let in, because it cannot be recorded: " + err.Error())
		abandon(conn, channels, requests)
		return nil, nil, nil, err
	}
	return conn, channels, requests, nil
}

// abandon ends a connection that is not served, and what came over it.
func abandon(conn *ssh.ServerConn, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
	_ = conn.Close()
	var rest sync.WaitGroup
	rest.Go(func() { ssh.DiscardRequests(requests) })
	for ch := range channels {
		_ = ch.Reject(ssh.Prohibited, "")
	}
	rest.Wait()
}

// note keeps why a key was not taken.
func (c *conn) note(_ net.Addr, key string, proved bool, why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.key = key
	text := why.Error()
	if !proved {
		text += " (offered)"
	}
	if len(c.tried) < maxTries {
		c.tried = append(c.tried, text)
	}
}

// fail writes that nobody was proved, and has the address pay for it.
func (c *conn) fail(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	c.mu.Lock()
	tried, key := strings.Join(c.tried, "; "), c.key
	c.mu.Unlock()
	var timeout net.Error
	cost := failCost
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		cost = graceCost
	case tried == "":
		cost = lookCost
	}
	if fails {
		c.s.pen.add(source(c.nc.RemoteAddr()), cost, time.Now())
	}
	why := "nobody was proved: " + err.Error()
	if tried != "" {
		why += "; " + tried
	}
	c.s.refuse(ctx, c.nc.RemoteAddr(), key, why)
}

// attend serves channels until the connection ends.
func (c *conn) attend(ctx context.Context, conn *ssh.ServerConn, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
	ctx, gone := context.WithCancelCause(ctx)
	defer gone(nil)
	c.mu.Lock()
	c.empty = time.AfterFunc(emptyTime, func() { gone(errors.New("nothing was asked for")) })
	c.mu.Unlock()
	defer c.empty.Stop()
	c.wg.Go(func() {
		defer c.s.caught("a connection's requests", gone)
		for r := range requests {
			c.global(ctx, r, gone)
		}
	})
	// Sessions have the last word, and then the connection ends, whatever they do.
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		c.quiet(lingerTime)
		c.nc.finish(conn)
	})
	for ch := range channels {
		c.channel(ctx, ch, gone)
	}
	gone(errors.New("the connection has ended"))
	if !stop() {
		<-closed
	}
	_ = conn.Close()
	c.wg.Wait()
}

// quiet waits until the last session has ended, at most for limit.
func (c *conn) quiet(limit time.Duration) {
	c.mu.Lock()
	if c.open == 0 {
		c.mu.Unlock()
		return
	}
	left := make(chan struct{})
	c.left = left
	c.mu.Unlock()
	select {
	case <-left:
	case <-time.After(limit):
	}
}

// leave counts a session that has ended.
func (c *conn) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open--; c.open > 0 {
		return
	}
	c.empty.Reset(emptyTime)
	if c.left != nil {
		close(c.left)
		c.left = nil
	}
}

// finish closes the connection, in order if the network takes it.
func (w *wary) finish(conn *ssh.ServerConn) {
	_ = w.SetWriteDeadline(time.Now().Add(time.Second))
	_ = conn.Close()
}

// refuse answers what is not offered, which is in the log, and ends a connection
// that does not stop to ask.
func (c *conn) refuse(ctx context.Context, what string, gone context.CancelCauseFunc) error {
	c.mu.Lock()
	c.refused++
	enough := tiresome(c.refused)
	c.mu.Unlock()
	if enough {
		gone(errors.New("too much was asked for that is not offered"))
	}
	return c.s.Gateway.Refuse(ctx, gateway.Request{Identity: c.who, Door: Door}, []string{"ssh", what},
		fmt.Errorf("%s is not offered here", tidy(what)))
}

// global answers a request that is about the whole connection.
func (c *conn) global(ctx context.Context, r *ssh.Request, gone context.CancelCauseFunc) {
	switch r.Type {
	case "keepalive@openssh.com", "hostkeys-prove-00@openssh.com", "no-more-sessions@openssh.com":
	default:
		_ = c.refuse(ctx, r.Type, gone)
	}
	if r.WantReply {
		_ = r.Reply(false, nil) // who has gone hears nothing
	}
}

// channel opens a session, and nothing else.
func (c *conn) channel(ctx context.Context, ch ssh.NewChannel, gone context.CancelCauseFunc) {
	if ch.ChannelType() != "session" {
		if foreign(ch) {
			return
		}
		err := c.refuse(ctx, ch.ChannelType(), gone)
		_ = ch.Reject(ssh.Prohibited, err.Error())
		return
	}
	c.mu.Lock()
	busy := full(c.open) || c.ended != nil || ctx.Err() != nil
	if !busy {
		c.open++
		c.empty.Stop()
	}
	c.mu.Unlock()
	if busy {
		_ = c.refuse(ctx, "one more session", gone)
		_ = ch.Reject(ssh.ResourceShortage, "too many sessions on one connection")
		return
	}
	channel, requests, err := ch.Accept()
	if err != nil {
		c.leave()
		return
	}
	c.wg.Go(func() {
		defer c.leave()
		defer c.s.caught(c.who.Person()+"'s session", gone)
		newSession(c, channel, gone).serve(ctx, requests)
	})
}
