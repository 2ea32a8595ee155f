package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// dialTime is how long Dial waits when its context does not end by itself.
const dialTime = 5 * time.Second

// oneWrite is what the kernel takes from a socket's writer as a whole or not
// at all, with room to spare: the data of one socket buffer (SKB_MAX_ALLOC,
// 16 KiB or less, plus 32 KiB of fragments).
const oneWrite = 32 << 10

// Dial connects to the tmux server that listens on path, whose framing is f.
// A server with a full backlog is waited for; one that is not there is an
// error at once.
func Dial(ctx context.Context, path string, f Framing) (*Conn, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, dialTime)
		defer cancel()
	}
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		nc, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
		if err == nil {
			return NewClient(nc.(*net.UnixConn), f), nil
		}
		if !errors.Is(err, unix.EAGAIN) {
			return nil, fmt.Errorf("connect to the tmux server: %w", err)
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("connect to the tmux server %s: its backlog is full and it accepts nobody: %w", path, ctx.Err())
		}
	}
}

// Identify introduces us to the server and asks for h.Argv (or the shell). The
// descriptors in h stay the caller's and may be closed afterwards.
//
// The server acts on an introduction by its flags and its end. Those and the
// command go last and in one piece, which the kernel takes whole or not at
// all; when there is no descriptor or one, everything does. So a server never
// holds a client that is half introduced and then gone, not even if ctx ends
// or this process is killed in between; if it ends the connection is closed.
func (c *Conn) Identify(ctx context.Context, h *Hello) error {
	if c.side != ClientSide {
		return errors.New("identify: this is the server's side of the connection")
	}
	lead, body, last := h.introduction()
	err := c.identify(ctx, lead, body, last)
	if err != nil {
		_ = c.Close()
		return fmt.Errorf("identify to the tmux server: %w", err)
	}
	return nil
}

func (c *Conn) identify(ctx context.Context, lead, body, last []Message) error {
	all := append(append(lead, body...), last...)
	size := 0
	for _, m := range all {
		b, err := m.appendPayload(nil)
		if err != nil {
			return err
		}
		size += HeaderSize + len(b)
	}
	if size <= oneWrite {
		return c.WriteMsg(ctx, all...)
	}
	if err := c.WriteMsg(ctx, all[:len(all)-len(last)]...); err != nil {
		return err
	}
	return c.WriteMsg(ctx, last...)
}

// introduction returns the messages of h in three parts: the descriptors, what
// can be long, and what the server acts on.
func (h *Hello) introduction() (lead, body, last []Message) {
	if h.Stdin != nil {
		lead = append(lead, &IdentifyStdin{FD: h.Stdin})
	}
	if h.Stdout != nil {
		lead = append(lead, &IdentifyStdout{FD: h.Stdout})
	}
	body = append(body,
		&IdentifyTerm{Term: h.Term},
		&IdentifyFeatures{Features: h.Features},
		&IdentifyTTYName{Name: h.TTYName},
		&IdentifyCwd{Path: h.Cwd},
		&IdentifyClientPID{PID: h.PID})
	for _, s := range h.Terminfo {
		body = append(body, &IdentifyTerminfo{Cap: s})
	}
	for _, s := range h.Env {
		if len(s)+1 > MaxPayload {
			continue // tmux's client leaves these out as well
		}
		body = append(body, &IdentifyEnviron{Var: s})
	}
	last = append(last,
		// Up to 3.4; tmux reads it as a signed number, and bit 31 would
		// set all bits above.
		&IdentifyFlags{Flags: uint32(h.Flags) &^ (1 << 31)},
		&IdentifyLongFlags{Flags: h.Flags},
		&IdentifyDone{})
	if h.Shell {
		return lead, body, append(last, &Shell{})
	}
	return lead, body, append(last, &Command{Argv: h.Argv})
}
