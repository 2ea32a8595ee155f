package sshd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// wary is a network connection that may say little until it has proved somebody,
// and has to take what is written to it, in time.
type wary struct {
	net.Conn
	trusted atomic.Bool
	left    int          // the reader's
	wrote   atomic.Int64 // bytes
	calls   sync.RWMutex // held for reading by what uses the descriptor
	quick   *quick       // nil if it is no connection of TCP
}

var errTalksTooMuch = errors.New("it said more than anybody needs to who proves who they are")

func (w *wary) Read(p []byte) (int, error) {
	w.calls.RLock()
	defer w.calls.RUnlock()
	switch {
	case !w.trusted.Load():
	case w.quick != nil:
		return w.quick.read(p)
	default:
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
	w.calls.RLock()
	defer w.calls.RUnlock()
	if w.trusted.Load() {
		_ = w.Conn.SetWriteDeadline(time.Now().Add(stallTime)) // an error comes again at the write
	}
	var n int
	var err error
	if w.quick != nil && w.trusted.Load() {
		n, err = w.quick.write(p)
	} else {
		n, err = w.Conn.Write(p)
	}
	w.wrote.Add(int64(n))
	return n, err
}

// abort ends the connection and throws away what the network has not taken.
func (w *wary) abort() {
	if tcp, ok := w.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = w.close()
}

// Close ends the connection. What the kernel has not sent by now is thrown away:
// after this, nobody looks whether it may still be seen.
func (w *wary) Close() error {
	if w.unsent() > 0 {
		w.abort()
		return nil
	}
	return w.close()
}

// close waits for the calls on the descriptor, with the last of which the kernel
// closes it.
func (w *wary) close() error {
	err := w.Conn.Close()
	w.calls.Lock()
	defer w.calls.Unlock()
	return err
}

// hangUp closes the connection behind what was written to it, if the network takes
// that within limit.
func (w *wary) hangUp(limit time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	_ = w.taken(ctx) // what is not taken is thrown away
	_ = w.Close()
}

// lookTime is how long lies between two looks at what cannot be waited for.
const lookTime = 2 * time.Millisecond

// until looks until done is true, or ctx ends.
func until(ctx context.Context, done func() bool) error {
	tick := time.NewTicker(lookTime)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", errNotRead, ctx.Err())
		}
	}
	return nil
}

// taken waits until the kernel has sent what was written until now: what it has not,
// the other end could ask for at any time. What is sent is theirs.
func (w *wary) taken(ctx context.Context) error {
	before := w.wrote.Load()
	return until(ctx, func() bool {
		since := w.wrote.Load() - before // first: what comes in between is unsent, too
		return int64(w.unsent()) <= since
	})
}

// unsent is how much the kernel holds that was never sent.
func (w *wary) unsent() (n int) {
	tcp, ok := w.Conn.(*net.TCPConn)
	if !ok {
		return 0
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0
	}
	w.calls.RLock()
	defer w.calls.RUnlock()
	_ = raw.Control(func(fd uintptr) {
		n, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQNSD) // a connection that is gone sends nothing
	})
	return n
}

// maxUnsent bounds what the kernel takes that is not on its way yet.
const maxUnsent = 16 << 10

// deadTime is how long the network may leave unconfirmed what was sent.
const deadTime = time.Minute

func bound(nc net.Conn) {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return
	}
	if raw, err := tcp.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { // they are bounds, not needs
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, maxUnsent)
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(deadTime.Milliseconds()))
		})
	}
}

// way tells whether what was written to a connection's channels has come to the
// network. While keys are exchanged the library holds it back, and says it was
// written; how long that takes is the client's to choose.
type way struct {
	begun atomic.Uint64 // key exchanges
	over  atomic.Uint64 // of them, those that are known to be over
}

// begins counts a key exchange that begins.
func (w *way) begins() { w.begun.Add(1) }

// witness is a host key that tells when a key exchange begins: that is when a
// server says which host keys it has.
type witness struct {
	ssh.Signer
	begins func()
}

// PublicKey gives the public half.
func (w witness) PublicKey() ssh.PublicKey {
	w.begins()
	return w.Signer.PublicKey()
}

// probeSize is more than is written for a key exchange, with the host's certificate: else
// that could be taken for the probe.
const (
	exchangeSize = 4 << 10
	probeSize    = exchangeSize + 2*maxCertificate
)

// onItsWay waits until all that was written to the connection's channels has left
// for the other end.
func (c *conn) onItsWay(ctx context.Context) error {
	for {
		// Only what began before this look can hold back what was written before.
		begun := c.way.begun.Load()
		if c.way.over.Load() >= begun {
			return c.nc.taken(ctx)
		}
		before := c.nc.wrote.Load()
		grown := func() bool { return c.nc.wrote.Load()-before >= probeSize }
		if err := c.probe(ctx); err != nil {
			return err
		}
		// The probe is behind what was written before. If it was written itself, so
		// was that; if not, it waits for the same exchange.
		if grown() {
			c.way.over.Store(begun)
			continue
		}
		if err := until(ctx, grown); err != nil {
			return err
		}
	}
}

// probe writes a request that a client has nothing to answer to.
func (c *conn) probe(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { // it ends with the connection, if not before
		_, _, err := c.ssh.SendRequest(keepalive, false, make([]byte, probeSize))
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			return errChannelGone
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errNotRead, ctx.Err())
	}
}

const keepalive = "keepalive@openssh.com"
