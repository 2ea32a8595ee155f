package sshd

import (
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
	"github.com/muxward/muxward/internal/passed"
	"github.com/muxward/muxward/internal/reach"
)

// listener is something that a client has us listen at.
type listener struct {
	w wanted
	// shut has nobody come there any more; who has come stays (RFC 4254, 7.1: what is taken
	// back is that others come).
	shut func()
	// open opens a channel for a connection that has come there.
	open func(from net.Addr) (string, []byte)
}

// tcpForward is RFC 4254, 7.1.
type tcpForward struct {
	Host string
	Port uint32
}

type socketForward struct{ Path string }

// listening reads a request to listen.
func listening(kind string, payload []byte) (l *listener, key string, ok bool) {
	l = &listener{w: wanted{what: kind, verb: access.Listen, ask: reach.Ask{Kind: reach.Listen}}}
	if kind == forwardSocket {
		var m socketForward
		if ssh.Unmarshal(payload, &m) != nil || !strings.HasPrefix(m.Path, "/") || len(m.Path) > 107 {
			return nil, "", false
		}
		l.w.ask.Path = m.Path
		l.open = func(net.Addr) (string, []byte) {
			return "forwarded-streamlocal@openssh.com", ssh.Marshal(struct{ Path, Reserved string }{m.Path, ""})
		}
		return l, m.Path, true
	}
	var m tcpForward
	if ssh.Unmarshal(payload, &m) != nil || m.Port >= 1<<16 {
		return nil, "", false
	}
	addr, ok := bindAddr(m.Host)
	l.w.ask.Addr, l.w.ask.Port = addr, uint16(m.Port)
	return l, m.Host, ok
}

// listen has us listen for a client, and answers when we do. port is the one that was
// chosen, if that was left to us.
func (c *conn) listen(ctx context.Context, kind string, payload []byte, gone context.CancelCauseFunc) (ok bool, answer []byte) {
	l, key, ok := listening(kind, payload)
	if !ok {
		_ = c.refuse(ctx, kind, gone)
		return false, nil
	}
	leave, err := c.enterReach(ctx, true)
	if err != nil {
		c.tooMuch(ctx, kind, err)
		return false, nil
	}
	ready, over := make(chan struct{}), make(chan struct{})
	c.wg.Go(func() {
		defer leave()
		defer close(over)
		defer c.s.caught(c.who.Person()+"'s "+kind, gone)
		_, _ = c.reach(ctx, l.w, func(ctx context.Context, p *gateway.Permit, line *reach.Line, r *reach.Reached) (gateway.Result, error) {
			port := uint16(0)
			if tcp, is := r.Listener.Addr().(*net.TCPAddr); is && kind == forwardTCP {
				port = uint16(tcp.Port)
				l.open = func(from net.Addr) (string, []byte) { return "forwarded-tcpip", forwarded(key, port, from) }
				if l.w.ask.Port == 0 {
					answer = ssh.Marshal(struct{ Port uint32 }{uint32(port)})
				}
			}
			back, free := make(chan struct{}), make(chan struct{})
			l.shut = sync.OnceFunc(func() {
				close(back)
				_ = r.Listener.Close()
				<-free
			})
			freed := sync.OnceFunc(func() { close(free) })
			defer freed()
			shut := func() {
				defer freed()
				if l.w.ask.Path != "" {
					freeing, cancel := context.WithTimeout(ctx, shutTime)
					defer cancel()
					_ = line.Shut(freeing) // if not, its end removes the path
				}
			}
			if !c.listensAt(kind, key, port, l) {
				return gateway.Result{}, errors.New("the client listens there already")
			}
			defer c.listensNot(kind, key, port, l)
			close(ready)
			moved, err := c.accept(ctx, listens{r.Listener, l.open, c.newComers(l.w.plain().String(), p), back, shut}, gone)
			return gateway.Result{Moved: moved}, err
		})
	})
	select {
	case <-ready:
		return true, answer
	case <-over:
		return false, nil
	}
}

func forwarded(host string, port uint16, from net.Addr) []byte {
	origin, originPort := "", uint32(0)
	if tcp, is := from.(*net.TCPAddr); is {
		origin, originPort = tcp.IP.String(), uint32(tcp.Port)
	}
	return ssh.Marshal(struct {
		Host       string
		Port       uint32
		Origin     string
		OriginPort uint32
	}{host, uint32(port), origin, originPort})
}

// at is by what a client names where it has us listen.
type at struct {
	kind, key string
	port      uint16
}

func (c *conn) listensAt(kind, key string, port uint16, l *listener) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.listeners[at{kind, key, port}] != nil {
		return false
	}
	if c.listeners == nil {
		c.listeners = map[at]*listener{}
	}
	c.listeners[at{kind, key, port}] = l
	return true
}

func (c *conn) listensNot(kind, key string, port uint16, l *listener) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.listeners[at{kind, key, port}] == l { // and not one that was asked for since
		delete(c.listeners, at{kind, key, port})
	}
}

// cancelListen has a listener end that a client does not want any more.
func (c *conn) cancelListen(kind string, payload []byte) bool {
	l, key, ok := listening(kind, payload)
	if !ok {
		return false
	}
	c.mu.Lock()
	found := c.listeners[at{kind, key, l.w.ask.Port}]
	delete(c.listeners, at{kind, key, l.w.ask.Port})
	c.mu.Unlock()
	if found != nil {
		found.shut() // before it is answered: the client may ask for it again
	}
	return found != nil
}

// listens is something that is listened at.
type listens struct {
	net.Listener
	// open opens a channel for a connection that has come there.
	open func(net.Addr) (string, []byte)
	who  *comers
	back chan struct{} // closed once nobody is to come there any more
	free func()        // what was listened at is free then
}

// comes gives the next connection. Where there are too many descriptors for one more, it is
// waited for.
func (l listens) comes(ctx context.Context) (net.Conn, error) {
	for {
		far, err := l.Accept()
		if !passed.Starved(err) && !errors.Is(err, unix.ECONNABORTED) {
			return far, err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-l.back:
			return nil, net.ErrClosed
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// accept carries what comes to a listener until ctx ends, or it is taken back and all that has
// come has ended.
func (c *conn) accept(ctx context.Context, l listens, gone context.CancelCauseFunc) (*gateway.Moved, error) {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	over, told := make(chan struct{}), make(chan struct{})
	c.wg.Go(func() {
		defer close(told)
		defer c.s.caught(c.who.Person()+"'s records", gone)
		l.who.tell(ctx, over)
	})
	defer func() { close(over); <-told }() // before it is on record that it has ended
	var to, from, here atomic.Int64
	var all sync.WaitGroup
	for {
		far, err := l.comes(ctx)
		if err != nil {
			_ = l.Close() // nobody listens, so nobody is to wait there
			select {
			case <-l.back:
				l.free()
				err = nil
			default:
			}
			all.Wait()
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			return &gateway.Moved{To: to.Load(), From: from.Load()}, err
		}
		leave, err := c.enterComer(ctx, &here)
		if err != nil {
			c.tooMuch(ctx, "what comes to "+l.who.name, err)
			_ = far.Close()
			continue
		}
		l.who.came(far)
		carried := make(chan struct{}) // closed when nothing is carried any more
		all.Go(func() { <-carried })
		c.wg.Go(func() {
			defer leave()
			defer c.s.caught(c.who.Person()+"'s forwarding", gone)
			never := sync.OnceFunc(func() { close(carried) })
			defer never()
			defer far.Close()
			channel, requests := c.offer(ctx, l.open, far, never)
			if channel == nil {
				return
			}
			moved, closed := c.carry(ctx, channel, requests, far, gone)
			to.Add(moved.To)
			from.Add(moved.From)
			never()
			c.parted(closed, gone)
		})
	}
}

// enterComer counts one more of those who are connected to one listener.
func (c *conn) enterComer(ctx context.Context, here *atomic.Int64) (leave func(), err error) {
	if crowded(int(here.Load()), maxComers) {
		return nil, fmt.Errorf("%d are connected to it at once", maxComers)
	}
	out, err := c.enterReach(ctx, false)
	if err != nil {
		return nil, err
	}
	here.Add(1)
	return func() {
		here.Add(-1)
		out()
	}, nil
}

// offer opens a channel for a connection. The client may take as long as it likes to say
// yes; when ctx has ended meanwhile nothing is carried, and never calls that.
func (c *conn) offer(ctx context.Context, open func(net.Addr) (string, []byte), far net.Conn, never func()) (ssh.Channel, <-chan *ssh.Request) {
	kind, data := open(far.RemoteAddr())
	type opened struct {
		ch       ssh.Channel
		requests <-chan *ssh.Request
		err      error
	}
	answer := make(chan opened, 1)
	c.wg.Go(func() { // it ends with the connection, if not before
		ch, requests, err := c.ssh.OpenChannel(kind, data)
		answer <- opened{ch, requests, err}
	})
	var o opened
	select {
	case o = <-answer:
		if o.err == nil && ctx.Err() == nil {
			return o.ch, o.requests
		}
		never()
	case <-ctx.Done():
		never()
		_ = far.Close()
		o = <-answer
	}
	if o.err == nil {
		_ = o.ch.Close()
		drain(o.requests)
	}
	return nil, nil
}
