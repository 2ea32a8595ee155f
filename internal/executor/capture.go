package executor

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/scrollback"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/wire"
)

const (
	// captureLines is how much of a pane's history somebody looks back at, and
	// fewLines how much if that is too many bytes.
	captureLines = 10000
	fewLines     = 1000
	// captureBytes is how much of a pane is captured at most.
	captureBytes = 8 << 20
	// keptBytes is what is kept for each byte that is captured.
	keptBytes = 2
)

// captured is what was captured of a pane, and what there is to know about it.
type captured struct {
	on       access.Object
	content  *scrollback.Content
	bytes    int // that are kept
	settings scrollback.Settings
	// The pane's cursor, and where the pane is on the display, or in its window.
	cursorX, cursorY int
	left, top        int
	above, below     int // how many status lines there are
}

var errTooMuch = errors.New("it holds too much to be shown here")

// capture captures a pane for this person, who needs the right to scroll it, by
// an act that is decided and written like any other. It is their own: nothing
// is changed in the pane or for anybody else.
func (s *seat) capture(ctx context.Context, at *tmux.Found) (*captured, error) {
	r, err := s.act(ctx, at, "look-back", nil, access.Scroll, func(ctx context.Context, on access.Object) (gateway.Result, error) {
		if need := (gateway.Need{Verb: access.View, Object: on}); !s.live.Decide(need).Allow {
			return gateway.Result{}, &gateway.Refused{Decision: s.live.Decide(need), Need: need}
		}
		c, err := s.captureNow(ctx, at, on)
		return gateway.Result{Value: c}, err
	})
	if err != nil {
		return nil, err
	}
	c, ok := r.Value.(*captured)
	if !ok {
		return nil, errors.New("the pane was not captured; this is a fault of muxward")
	}
	return c, nil
}

// act takes an act on a pane through the line.
func (s *seat) act(ctx context.Context, at *tmux.Found, name string, args []string, verb access.Verb,
	do func(context.Context, access.Object) (gateway.Result, error),
) (gateway.Result, error) {
	if at == nil || !at.Whole() {
		return gateway.Result{}, errors.New("the pane has gone")
	}
	target := spot(at.Session.ID, at.Window.ID, at.Pane.ID)
	session := s.stage.Load().session.ID
	return s.e.Gateway().Handle(ctx, gateway.Request{
		Identity: s.live.Who(), Here: s.server.Owner(), Session: &session, Display: s.tty, Client: s.client,
		Act: &gateway.Act{Name: name, Args: args, Target: tmux.JoinOwner(s.server.Owner(), target), Verb: verb, Do: do},
	})
}

// captureNow has tmux print the pane, if it is still what was decided.
func (s *seat) captureNow(ctx context.Context, at *tmux.Found, on access.Object) (*captured, error) {
	failpoint.At("seat-capture")
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	w, err := s.scenery(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask where the pane is on your screen: %w", err)
	}
	for _, lines := range []int{captureLines, fewLines} {
		printed, err := s.printPane(ctx, at, lines)
		if errors.Is(err, errTooMuch) {
			continue
		}
		if err != nil {
			return nil, err
		}
		c, err := readCapture(printed, lines)
		if err == nil {
			c.on, c.bytes = on, keptBytes*len(printed)
			c.left -= w.left
			c.top += w.above - w.top
			c.above, c.below = w.above, w.below
		}
		return c, err
	}
	return nil, errTooMuch
}

// captureFormat asks for what [readCapture] reads from the first line.
const captureFormat = "#{pane_width} #{pane_height} #{history_size} #{cursor_x} #{cursor_y} " +
	"#{pane_left} #{pane_top} #{mode-keys} #{wrap-search} #{word-separators}"

// printPane has tmux print what there is to know about the pane and all that it
// holds, at one moment. It is asked by a connection of its own, on which text
// cannot be taken for anything else.
func (s *seat) printPane(ctx context.Context, at *tmux.Found, lines int) (string, error) {
	opts := s.reading()
	target := spot(at.Session.ID, at.Window.ID, at.Pane.ID)
	from := strconv.Itoa(-lines)
	commands := [][]string{
		{"display-message", "-p", "-t", target, captureFormat},
		{"capture-pane", "-p", "-e", "-N", "-S", from, "-t", target},
		{"capture-pane", "-p", "-J", "-S", from, "-t", target},
	}
	for _, words := range commands {
		name, ok := tmux.SpellCommand(words[0], opts)
		if !ok {
			return "", fmt.Errorf("the server's command-alias hides %s", words[0])
		}
		words[0] = name
	}
	argv, err := tmux.GuardedInMode(placeOf(at), commands, refusal, opts)
	if err != nil {
		return "", err
	}
	for i := range argv {
		argv[i] = tmux.EscapeArg(argv[i])
	}
	printed, code, err := s.printed(ctx, argv, captureBytes)
	switch {
	case err != nil:
		return "", err
	case len(printed) >= captureBytes:
		return "", errTooMuch
	case code != 0 || strings.HasPrefix(printed, refusal):
		return "", errors.New("the pane was moved, or has gone; try again")
	}
	return printed, nil
}

// printed gives what commands print, up to a limit, and their exit code. They are
// ours, and asked by a connection of its own.
func (s *seat) printed(ctx context.Context, argv []string, limit int) (string, int32, error) {
	conn, err := s.server.Dial(ctx)
	if err != nil {
		return "", 0, fmt.Errorf("reach the tmux server: %w", err)
	}
	defer conn.Close()
	hello := &wire.Hello{Flags: wire.FlagUTF8 | wire.FlagNoStartServer, Cwd: "/", Argv: argv, PID: int32(s.live.Who().PID())}
	if err := conn.Identify(ctx, hello); err != nil {
		return "", 0, err
	}
	client := newKeyClient(s.client)
	client.limit = limit
	r := relay{server: conn, client: client, plan: &gateway.Plan{Invocation: &tmux.Invocation{Row: tmux.FindCommand("capture-pane")}}}
	exit, err := r.run(ctx)
	return client.printed(), exit.Code, err
}

func placeOf(at *tmux.Found) tmux.Place {
	return tmux.Place{Pane: at.Pane.ID, Window: at.Window.ID, HasWindow: true, Session: at.Session.ID, HasSession: true}
}

// readCapture reads what was printed: a line of numbers and options, and the
// pane twice, first row by row, then with rows joined that are one line.
func readCapture(printed string, lines int) (*captured, error) {
	strange := errors.New("the tmux server answers in a way that is not understood here")
	first, rest, _ := strings.Cut(printed, "\n")
	fields := strings.SplitN(first, " ", 10)
	if len(fields) < 9 {
		return nil, strange
	}
	var n [7]int
	for i := range n {
		var err error
		if n[i], err = strconv.Atoi(fields[i]); err != nil {
			return nil, strange
		}
	}
	history := min(n[2], lines)
	rows, joined, ok := cutLines(rest, history+n[1])
	if !ok {
		return nil, strange
	}
	content, err := scrollback.Parse(scrollback.Capture{
		Width: n[0], Height: n[1], History: history, Older: n[2] - history, Text: rows, Joined: joined,
	})
	if err != nil {
		return nil, err
	}
	c := &captured{content: content, cursorX: n[3], cursorY: n[4], left: n[5], top: n[6]}
	c.settings.Vi = fields[7] == "vi"
	c.settings.Wrap = fields[8] == "1" || fields[8] == "on"
	if len(fields) > 9 {
		c.settings.Separators = fields[9]
	}
	return c, nil
}

// cutLines cuts off so many lines.
func cutLines(s string, count int) (lines, rest string, ok bool) {
	at := 0
	for range count {
		n := strings.IndexByte(s[at:], '\n')
		if n < 0 {
			return "", "", false
		}
		at += n + 1
	}
	return s[:at], s[at:], true
}

// statusLines is how many lines the options status and status-position give to the
// status line above the panes, and below.
func statusLines(status, position string) (above, below int) {
	n, err := strconv.Atoi(status)
	switch {
	case status == "off":
		n = 0
	case err != nil:
		n = 1
	}
	if n = min(max(n, 0), 5); position == "top" {
		return n, 0
	}
	return 0, n
}
