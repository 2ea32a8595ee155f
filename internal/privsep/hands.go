package privsep

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/passed"
)

// Hands are the helper's hands, for guard: each method is a request.
type Hands struct {
	c     *Client
	once  sync.Once
	close chan struct{}
}

// Hands gives the helper's hands. There is one pair of them.
func (c *Client) Hands() *Hands { return &Hands{c: c, close: make(chan struct{})} }

// Doors is the directory of the doors.
func (h *Hands) Doors() string { return h.c.welcome.Doors }

// Found lists servers that were left running.
func (h *Hands) Found(ctx context.Context) ([]string, error) {
	var s Servers
	err := h.plain(ctx, NumFound, Nothing{}, &s)
	return s.IDs, err
}

// Adopt takes hold of one of them.
func (h *Hands) Adopt(ctx context.Context, id string) (held keep.Held, err error) {
	return held, h.plain(ctx, NumAdopt, Server{id}, &held)
}

// Start starts a server.
func (h *Hands) Start(ctx context.Context, o keep.Order) (held keep.Held, err error) {
	order := Order{Owner: o.Owner, Account: o.Account, Isolated: o.Isolated}
	for _, v := range o.Environ {
		order.Environ = append(order.Environ, []byte(v))
	}
	files, err := h.c.call(ctx, NumStart, order, &held, func(done []byte) { // nobody will know of it
		var late keep.Held
		if Decode(done, &late) == nil {
			h.undo(func(ctx context.Context) error { return h.Abandon(ctx, late.ID) })
		}
	})
	return held, none(NumStart, files, err)
}

// undo undoes what was answered too late. What cannot be undone now is found by who asks
// next, and refused.
func (h *Hands) undo(do func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	_ = do(ctx)
}

// Abandon ends a server that was started in vain.
func (h *Hands) Abandon(ctx context.Context, id string) error {
	return h.plain(ctx, NumAbandon, Server{id}, &Nothing{})
}

// Connect connects to a server as its account.
func (h *Hands) Connect(ctx context.Context, id string) (*os.File, error) {
	return h.c.callFile(ctx, NumConnect, Server{id}, &Nothing{})
}

// Mend does something about a server that cannot be connected to.
func (h *Hands) Mend(ctx context.Context, id string) error {
	return h.plain(ctx, NumMend, Server{id}, &Nothing{})
}

// Note writes down what a server says of itself.
func (h *Hands) Note(ctx context.Context, id string, said keep.Said) error {
	return h.plain(ctx, NumNote, Noted{id, said}, &Nothing{})
}

// OpenDoor opens a door.
func (h *Hands) OpenDoor(ctx context.Context, p keep.Place) (keep.Opened, error) {
	var o Opened
	files, err := h.c.call(ctx, NumOpenDoor, p, &o, func([]byte) { // nobody would accept there
		h.undo(func(ctx context.Context) error { return h.CloseDoor(ctx, p) })
	})
	f, err := one(NumOpenDoor, files, err)
	return keep.Opened{Path: o.Path, UID: o.UID, Generation: o.Generation, Listen: f}, err
}

// CloseDoor removes a door's socket.
func (h *Hands) CloseDoor(ctx context.Context, p keep.Place) error {
	return h.plain(ctx, NumCloseDoor, p, &Nothing{})
}

// Reach starts a process of an account, and gives the line to it.
func (h *Hands) Reach(ctx context.Context, a keep.Account) (*os.File, error) {
	return h.c.callFile(ctx, NumReach, Reach{a}, &Nothing{})
}

// Ticket gives a ticket for one pane of an isolated server.
func (h *Hands) Ticket(ctx context.Context, p keep.Pass) (string, error) {
	var t Ticket
	err := h.plain(ctx, NumTicket, p, &t)
	return t.Ticket, err
}

// Halt stops a server, or lets it go on.
func (h *Hands) Halt(ctx context.Context, id string, stop bool) (out keep.Halted, err error) {
	what := GoOn
	if stop {
		what = Stop
	}
	return out, h.plain(ctx, NumHalt, Halt{id, what}, &out)
}

// Next gives what has happened, and waits for it.
func (h *Hands) Next(ctx context.Context) (keep.Event, error) {
	select {
	case <-h.close:
		return keep.Event{}, keep.ErrClosed
	default:
	}
	select {
	case e, ok := <-h.c.events:
		if !ok {
			return keep.Event{}, keep.ErrClosed
		}
		return e.happened()
	case <-h.close:
		return keep.Event{}, keep.ErrClosed
	case <-ctx.Done():
		return keep.Event{}, context.Cause(ctx)
	}
}

// Close has Next wait for nothing more. The helper closes what is open when the
// line ends.
func (h *Hands) Close() error {
	h.once.Do(func() { close(h.close) })
	return nil
}

// plain is a request whose answer has no descriptors.
func (h *Hands) plain(ctx context.Context, n Number, body, out any) error {
	return h.c.callPlain(ctx, n, body, out)
}

func (c *Client) callPlain(ctx context.Context, n Number, body, out any) error {
	files, err := c.Call(ctx, n, body, out)
	return none(n, files, err)
}

// none makes sure that an answer has no descriptors.
func none(n Number, files []*os.File, err error) error {
	if err == nil && len(files) > 0 {
		passed.Close(files)
		err = fmt.Errorf("%w: an answer to %d has descriptors", ErrPacket, n)
	}
	return err
}

// callFile is a request whose answer has one descriptor.
func (c *Client) callFile(ctx context.Context, n Number, body, out any) (*os.File, error) {
	files, err := c.Call(ctx, n, body, out)
	return one(n, files, err)
}

// one gives the one descriptor of an answer.
func one(n Number, files []*os.File, err error) (*os.File, error) {
	if err != nil {
		return nil, err
	}
	if len(files) != 1 {
		passed.Close(files)
		return nil, fmt.Errorf("%w: an answer to %d has %d descriptors and not one", ErrPacket, n, len(files))
	}
	return files[0], nil
}

func (e Event) happened() (keep.Event, error) {
	var h Happened
	err := Decode(e.Body, &h)
	want := 0
	if h.Kind == keep.EventReplaced {
		want = 1
	}
	if err == nil && len(e.Files) != want {
		err = fmt.Errorf("%w: an event has %d descriptors", ErrPacket, len(e.Files))
	}
	if err != nil {
		passed.Close(e.Files)
		return keep.Event{}, errors.Join(errors.New("an event of muxward-helper"), err)
	}
	out := keep.Event{Kind: h.Kind, Level: h.Level, ID: h.ID, Owner: h.Owner, Text: h.Text, Place: h.Place, Generation: h.Generation}
	if want == 1 {
		out.Listen = e.Files[0]
	}
	return out, nil
}
