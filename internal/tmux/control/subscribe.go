package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/muxward/muxward/internal/tmux"
)

// Watched is a value whose changes [Client.Subscribe] has notified. There are
// only numbers that tmux works out by itself: what a program in a pane chooses
// the text of (titles, names, paths) must never come on this connection
// unasked.
type Watched string

// The values of panes and of windows.
const (
	PaneInMode   Watched = "pane_in_mode"
	PaneDead     Watched = "pane_dead"
	PaneInputOff Watched = "pane_input_off"
	PanePiped    Watched = "pane_pipe"
	WindowPanes  Watched = "window_panes"
	WindowZoomed Watched = "window_zoomed_flag"
)

// SubscriptionChanged is the kind of the notices that [Client.Subscribe] asks
// for. Their ID is what was subscribed to.
const SubscriptionChanged Kind = "subscription-changed"

// Subscribe has the server look at a value of a pane (%3) or a window (@1)
// each second, and notify when it has changed, and once to begin with. As with
// all notices, what is true now has to be asked for. A client without a
// session cannot subscribe: the server would take somebody else's for it.
func (c *Client) Subscribe(ctx context.Context, id string, v Watched) error {
	name, err := c.subscription(id, v)
	if err != nil {
		return err
	}
	_, err = c.Do(ctx, fmt.Sprintf("refresh-client -B '%s:%s:#{%s}'", name, id, v))
	return err
}

// Unsubscribe undoes [Client.Subscribe]. What was notified before may still be
// fetched.
func (c *Client) Unsubscribe(ctx context.Context, id string, v Watched) error {
	name, err := c.subscription(id, v)
	if err != nil {
		return err
	}
	_, err = c.Do(ctx, fmt.Sprintf("refresh-client -B '%s'", name))
	return err
}

// subscription names one, so that its notices name what they are about.
func (c *Client) subscription(id string, v Watched) (string, error) {
	if c.opts.Session == "" {
		return "", errors.New("control: a client without a session cannot subscribe")
	}
	of := map[byte][]Watched{'%': {PaneInMode, PaneDead, PaneInputOff, PanePiped}, '@': {WindowPanes, WindowZoomed}}
	if !tmux.IsID(id) || !slices.Contains(of[id[0]], v) {
		return "", fmt.Errorf("control: cannot subscribe to %q of %q", v, id)
	}
	return string(v) + id, nil
}

// subscribed gives what a notice of a subscription is about, from its name,
// which is ours.
func subscribed(name []byte) string {
	i := bytes.LastIndexAny(name, "%@")
	if i < 0 || len(name)-i > 11 || !tmux.IsID(string(name[i:])) || strings.ContainsFunc(string(name[:i]), func(r rune) bool {
		return r != '_' && (r < 'a' || r > 'z')
	}) {
		return ""
	}
	return string(name[i:])
}
