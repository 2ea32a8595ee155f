package executor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// anchor keeps a guest's display from sizing windows. tmux takes no size from
// a client that asked to be ignored as long as any other client is attached
// that did not ask so; the anchor is that other one: a control client that has
// no size itself. So windows keep theirs, also when the guest is alone.
type anchor struct {
	conn *wire.Conn
	in   *os.File // closing it ends the client as well
}

// anchorGrace is how long a display may outlive its anchor.
const anchorGrace = 300 * time.Millisecond

// drop lets the anchor go.
func (a *anchor) drop() {
	if a != nil {
		_ = a.in.Close()
		_ = a.conn.Close()
	}
}

// weighDown makes the seat's anchor, before its display can have any size. If
// it is lost later, so is the seat.
func (s *seat) weighDown(ctx context.Context, session tmux.SessionID, opts tmux.ParseOptions) error {
	s.mu.Lock()
	have := s.anchor != nil
	s.mu.Unlock()
	if have {
		return nil
	}
	a, out, err := dropAnchor(ctx, s.server, session, opts)
	if err != nil {
		return fmt.Errorf("keep the display from sizing windows: %w", err)
	}
	s.mu.Lock()
	s.anchor = a
	s.mu.Unlock()
	go func() {
		defer out.Close()
		_, err := io.Copy(io.Discard, out) // notices; the end when tmux lets it go
		s.mu.Lock()
		ctx := s.ctx
		s.mu.Unlock()
		if ctx == nil {
			return // never begun
		}
		// The session may have ended, and the display's own end says so.
		select {
		case <-ctx.Done():
		case <-time.After(anchorGrace):
			s.leave(errors.Join(errors.New("what kept your display from sizing windows has gone; attach again"), err))
		}
	}()
	return nil
}

// dropAnchor attaches a control client without a size.
func dropAnchor(ctx context.Context, server Server, session tmux.SessionID, opts tmux.ParseOptions) (*anchor, *os.File, error) {
	name, ok := tmux.SpellCommand("attach-session", opts)
	if !ok {
		return nil, nil, errors.New("the server's command-alias hides attach-session")
	}
	theirIn, ourIn, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer theirIn.Close()
	ourOut, theirOut, err := os.Pipe()
	if err != nil {
		return nil, nil, errors.Join(err, ourIn.Close())
	}
	defer theirOut.Close()
	a := &anchor{in: ourIn}
	fail := func(err error) (*anchor, *os.File, error) {
		_ = ourOut.Close()
		_ = ourIn.Close()
		if a.conn != nil {
			_ = a.conn.Close()
		}
		return nil, nil, err
	}
	if a.conn, err = server.Dial(ctx); err != nil {
		return fail(err)
	}
	h := &wire.Hello{
		Flags: wire.FlagControl | wire.FlagUTF8 | wire.FlagNoStartServer, Cwd: "/", PID: int32(os.Getpid()),
		Argv: []string{name, "-E", "-f", "no-output", "-t", session.String()},
	}
	defer h.Close()
	if h.Stdin, err = wire.DupFD(theirIn); err != nil {
		return fail(err)
	}
	if h.Stdout, err = wire.DupFD(theirOut); err != nil {
		return fail(err)
	}
	if err := a.conn.Identify(ctx, h); err != nil {
		return fail(err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = ourOut.SetReadDeadline(deadline)
	}
	lines := bufio.NewScanner(ourOut)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "%session-changed ") {
			_ = ourOut.SetReadDeadline(time.Time{})
			return a, ourOut, nil
		}
	}
	return fail(errors.Join(errors.New("tmux did not attach it"), lines.Err()))
}
