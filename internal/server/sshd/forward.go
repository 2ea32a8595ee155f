package sshd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/reach"
	"github.com/muxward/muxward/internal/tmux"
)

// The kinds of channels and requests by which ports and sockets are forwarded: RFC 4254, 7,
// and OpenSSH's PROTOCOL, 2.4.
const (
	directTCP     = "direct-tcpip"
	directSocket  = "direct-streamlocal@openssh.com"
	forwardTCP    = "tcpip-forward"
	forwardSocket = "streamlocal-forward@openssh.com"
)

// direct is what a channel asks to be connected to.
func direct(ch ssh.NewChannel) (w wanted, ok bool) {
	w = wanted{what: ch.ChannelType(), verb: access.Forward, ask: reach.Ask{Kind: reach.Connect}}
	switch ch.ChannelType() {
	case directTCP:
		var m struct {
			Host       string
			Port       uint32
			Origin     string
			OriginPort uint32
		}
		ok = ssh.Unmarshal(ch.ExtraData(), &m) == nil && m.Port > 0 && m.Port < 1<<16 && m.Host != "" && len(m.Host) <= 255
		w.ask.Host, w.ask.Port = m.Host, uint16(m.Port)
	case directSocket:
		var m struct {
			Path     string
			Reserved string
			Number   uint32
		}
		ok = ssh.Unmarshal(ch.ExtraData(), &m) == nil && strings.HasPrefix(m.Path, "/") && len(m.Path) <= 107
		w.ask.Path = m.Path
	}
	return w, ok
}

// forward connects a channel to what it asks for.
func (c *conn) forward(ctx context.Context, ch ssh.NewChannel, gone context.CancelCauseFunc) {
	w, ok := direct(ch)
	if !ok {
		err := c.refuse(ctx, ch.ChannelType(), gone)
		_ = ch.Reject(ssh.Prohibited, err.Error())
		return
	}
	leave, err := c.enterReach(ctx, false)
	if err != nil {
		c.tooMuch(ctx, w.what, err)
		_ = ch.Reject(ssh.ResourceShortage, err.Error())
		return
	}
	c.wg.Go(func() {
		defer leave()
		defer c.s.caught(c.who.Person()+"'s "+w.what, gone)
		var closed <-chan struct{}
		taken := false
		_, err := c.reach(ctx, w, func(ctx context.Context, _ *gateway.Permit, _ *reach.Line, r *reach.Reached) (gateway.Result, error) {
			channel, requests, err := ch.Accept()
			if err != nil {
				return gateway.Result{}, err
			}
			taken = true
			var moved *gateway.Moved
			moved, closed = c.carry(ctx, channel, requests, r.Conn, gone)
			return gateway.Result{Moved: moved}, context.Cause(ctx)
		})
		if closed != nil {
			c.parted(closed, gone)
		}
		if !taken {
			_ = ch.Reject(reasonOf(err), readableError(err))
		}
	})
}

// tooMuch writes that something was not reached because of a limit. Who is over one, as a
// browser behind ssh -D may be, is not ended for that, and is told of once a second at most.
func (c *conn) tooMuch(ctx context.Context, what string, err error) {
	c.mu.Lock()
	c.missed++
	n, now := c.missed, time.Now()
	due := now.Sub(c.missedTold) >= time.Second
	if due {
		c.missed, c.missedTold = 0, now
	}
	c.mu.Unlock()
	switch {
	case !due:
		return
	case n > 1:
		err = fmt.Errorf("%w (%d of them since the last record)", err, n)
	}
	_ = c.s.Gateway.Refuse(ctx, gateway.Request{Identity: c.who, Door: Door}, []string{"ssh", what}, err)
}

func reasonOf(err error) ssh.RejectionReason {
	if errors.As(err, new(*gateway.Refused)) {
		return ssh.Prohibited
	}
	return ssh.ConnectionFailed
}

func readableError(err error) string {
	if err == nil {
		return "it has ended"
	}
	text := tmux.Clean(err.Error())
	return text[:min(len(text), 300)]
}

// carry carries bytes between a channel and what was reached until both have ended, or one
// fails, or ctx ends: nothing is carried then, and what was written to the channel is on its
// way or will not be. closed is closed once the client has closed the channel, too.
func (c *conn) carry(ctx context.Context, ch ssh.Channel, requests <-chan *ssh.Request, far net.Conn, gone context.CancelCauseFunc) (moved *gateway.Moved, closed <-chan struct{}) {
	var to, from atomic.Int64
	stop := context.AfterFunc(ctx, func() {
		cutOff(far)
		_ = ch.Close()
	})
	defer stop()
	both := make(chan struct{})
	c.wg.Go(func() {
		defer close(both)
		drain(requests)
	})
	c.wg.Go(func() { discard(ch.Stderr()) })
	inward, outward, broken := make(chan struct{}), make(chan struct{}), make(chan struct{})
	fails := sync.OnceFunc(func() { close(broken) })
	c.wg.Go(func() {
		defer close(inward)
		defer c.s.caught(c.who.Person()+"'s forwarding", gone)
		if pass(far, ch, &to) != nil {
			fails()
		}
		closeWrite(far)
	})
	c.wg.Go(func() {
		defer close(outward)
		defer c.s.caught(c.who.Person()+"'s forwarding", gone)
		if pass(ch, far, &from) != nil {
			fails()
		}
		_ = ch.CloseWrite() // of a channel that has gone it is no news
	})
	ended := make(chan struct{})
	c.wg.Go(func() {
		defer close(ended)
		<-inward
		<-outward
	})
	select {
	case <-ended:
	case <-broken:
	case <-both: // the client has closed it, and gets nothing any more (RFC 4254, 5.3)
		c.handedOn(ctx, inward)
	case <-ctx.Done():
		c.settled(ctx, outward, gone)
	}
	_ = far.Close()
	_ = ch.Close()
	return &gateway.Moved{To: to.Load(), From: from.Load()}, both
}

// handedOn waits until what a client has sent before it closed a channel is handed on.
func (c *conn) handedOn(ctx context.Context, inward <-chan struct{}) {
	late := time.NewTimer(stuckTime)
	defer late.Stop()
	select {
	case <-inward:
	case <-late.C:
	case <-ctx.Done():
	}
}

// cutOff closes a connection, and what it has not sent yet is thrown away. Who reads it is
// woken first: closing waits for them, also if somebody has set it to block.
func cutOff(far net.Conn) {
	if tcp, ok := far.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	if half, ok := far.(interface{ CloseRead() error }); ok {
		_ = half.CloseRead()
	}
	_ = far.Close()
}

// parted waits until a client has closed a channel that is closed here: until then it may
// send, and the channel counts.
func (c *conn) parted(closed <-chan struct{}, gone context.CancelCauseFunc) {
	late := time.AfterFunc(c.s.times().close, func() {
		gone(errors.New("the client does not close what is closed here"))
		c.nc.abort()
	})
	defer late.Stop()
	<-closed // or the connection has gone
}

// settled waits until what was written before ctx ended is on its way, and nobody writes
// any more; if the network does not take it, it is thrown away with the connection.
func (c *conn) settled(ctx context.Context, outward <-chan struct{}, gone context.CancelCauseFunc) {
	short, cancel := context.WithTimeout(context.WithoutCancel(ctx), stuckTime)
	defer cancel()
	over := func(why error) {
		gone(why)
		c.nc.abort()
	}
	if err := c.onItsWay(short); errors.Is(err, errNotRead) {
		over(err)
		return
	}
	select {
	case <-outward:
	case <-short.Done():
		over(errNotRead)
	}
}

// pass copies until one of both ends (nil), or fails.
func pass(to io.Writer, from io.Reader, count *atomic.Int64) error {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			m, errWrite := to.Write(buf[:n])
			count.Add(int64(m))
			if errWrite != nil {
				return errWrite
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func closeWrite(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// bindAddr is where a client asks to listen: RFC 4254, 7.1, and as OpenSSH's sshd has it.
func bindAddr(host string) (netip.Addr, bool) {
	switch strings.ToLower(host) {
	case "localhost":
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), true
	case "", "*":
		return netip.IPv4Unspecified(), true
	}
	a, err := netip.ParseAddr(host)
	return a.Unmap(), err == nil && a.Zone() == ""
}
