package ctld

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
)

// Call is one request: the words of a command and its options.
type Call struct {
	Act    string `json:"act"`
	Person string `json:"person,omitempty"`
	Target string `json:"target,omitempty"`
	Reason string `json:"reason,omitempty"`
	Undo   bool   `json:"undo,omitempty"`
	All    bool   `json:"all,omitempty"`
	Views  bool   `json:"views,omitempty"`
	// Hangup ends Panes, or with Sure all that are surely somebody's.
	Hangup bool     `json:"hangup,omitempty"`
	Sure   bool     `json:"sure,omitempty"`
	Panes  []string `json:"panes,omitempty"`
	// IDs are of risks that are to be cleared.
	IDs []string `json:"ids,omitempty"`
	// Role or Verbs, with commas between, are what is granted, from From until
	// Until or for For: times as RFC 3339 has them, and a duration.
	Role  string `json:"role,omitempty"`
	Verbs string `json:"verbs,omitempty"`
	From  string `json:"from,omitempty"`
	Until string `json:"until,omitempty"`
	For   string `json:"for,omitempty"`
	// Seen is the mark of what was told last: the answer waits for another.
	Seen string `json:"seen,omitempty"`
	// ID is the number of a grant or of an invite.
	ID int64 `json:"id,omitempty"`
	// Code is that of an invite. Uses is for how many an invite is to be, Bind has what it
	// gives bound to their keys, and Approve has them wait until somebody lets them in.
	Code    string `json:"code,omitempty"`
	Uses    int    `json:"uses,omitempty"`
	Bind    bool   `json:"bind,omitempty"`
	Approve bool   `json:"approve,omitempty"`
	// Request is the name of a request; Within is how long one waits for its answer,
	// and Stands has it wait also when who asked does not.
	Request string `json:"request,omitempty"`
	Within  string `json:"within,omitempty"`
	Stands  bool   `json:"stands,omitempty"`
	// Text is a line that is suggested.
	Text string `json:"text,omitempty"`
	// Argv is a command line of tmux's, or what there is to tell; Pane and Socket what its client would
	// say of where it is: TMUX_PANE, and the socket that TMUX names.
	Argv   []string `json:"argv,omitempty"`
	Pane   string   `json:"pane,omitempty"`
	Socket string   `json:"socket,omitempty"`
	// Account and Key are what an sshd of the host asks about, Ticket what it was given.
	Account string `json:"account,omitempty"`
	Key     string `json:"key,omitempty"`
	Ticket  string `json:"ticket,omitempty"`
}

// Answer is what comes back: a value, or an error for the person.
type Answer struct {
	Error string          `json:"error,omitempty"`
	Words bool            `json:"words,omitempty"` // the error is a [Words]
	Value json.RawMessage `json:"value,omitempty"`
}

// Words is an error of how a call is worded, whoever makes it: its command line is wrong.
type Words struct{ Err error }

func (w Words) Error() string { return w.Err.Error() }
func (w Words) Unwrap() error { return w.Err }

// Bounds of one exchange.
const (
	maxCall  = 64 << 10
	maxReply = 16 << 20
	readTime = 5 * time.Second
)

// Do sends the call to the daemon that listens on path and decodes its value
// into v, which may be nil.
func (c Call) Do(ctx context.Context, path string, v any) error {
	return c.do(ctx, path, func(d *json.Decoder) error { return read(ctx, d, v) })
}

// Follow is Do for a call that is answered twice: at once, within the time given, and
// at the end of what it has begun, which is waited for until ctx ends. begun is called
// between the two.
func (c Call) Follow(ctx context.Context, path string, within time.Duration, first any, begun func() error, last any) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	soon := time.AfterFunc(within, func() { cancel(context.DeadlineExceeded) })
	defer soon.Stop()
	return c.do(ctx, path, func(d *json.Decoder) error {
		err := read(ctx, d, first)
		soon.Stop()
		if err == nil {
			err = begun()
		}
		if err == nil {
			err = read(ctx, d, last)
		}
		return err
	})
}

// do sends the call and has its answers read.
func (c Call) do(ctx context.Context, path string, answers func(*json.Decoder) error) error {
	conn, err := dial(ctx, path)
	if err != nil {
		return unreached(path, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := json.NewEncoder(conn).Encode(c); err != nil {
		return fmt.Errorf("ask muxward: %w", closed(err))
	}
	return answers(json.NewDecoder(io.LimitReader(conn, maxReply)))
}

// unreached says what to do where nobody lets one in.
func unreached(path string, err error) error {
	if op := new(net.OpError); errors.As(err, &op) {
		err = op.Err // the rest of it tells the path once more
	}
	if errors.Is(err, syscall.EAGAIN) {
		return fmt.Errorf("muxward lets nobody in at %s, as too many wait there: %w; try it again, or see who they are, as root: ss -xp", path, err)
	}
	return fmt.Errorf("no muxward answers at %s: %w; start it with: muxward serve", path, err)
}

// read reads one answer.
func read(ctx context.Context, d *json.Decoder, v any) error {
	var a Answer
	if err := d.Decode(&a); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("muxward did not answer in time: %w", context.Cause(ctx))
		}
		return fmt.Errorf("muxward's answer cannot be read: %w", closed(err))
	}
	switch {
	case a.Error != "" && a.Words:
		return Words{errors.New(a.Error)}
	case a.Error != "":
		return errors.New(a.Error)
	}
	if v == nil {
		return nil
	}
	return json.Unmarshal(a.Value, v)
}

// ErrClosed is the error of a call that was not answered at all: muxward closes the
// connection where there are too many, and as it ends.
var ErrClosed = errors.New("it closed the connection")

// closed tells it from other errors.
func closed(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return fmt.Errorf("%w (%w)", ErrClosed, err)
	}
	return err
}

// readCall reads the one request of a connection, strictly.
func readCall(r io.Reader) (Call, error) {
	d := json.NewDecoder(io.LimitReader(r, maxCall))
	d.DisallowUnknownFields()
	var c Call
	if err := d.Decode(&c); err != nil {
		return Call{}, fmt.Errorf("this is no request of muxward's: %w", err)
	}
	return c, nil
}
