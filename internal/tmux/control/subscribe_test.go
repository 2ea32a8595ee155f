package control

import (
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// TestSubscriptions: what was subscribed to is notified with its id, at first
// and after each change, and not after the end. Nothing else comes: no text of
// a program's choice, whatever it does with its title and its directory.
func TestSubscriptions(t *testing.T) {
	eachWay(t, func(t *testing.T, s *tmuxtest.Server, c *Client) {
		ctx := ctxOf(t)
		if c.opts.Session == "" {
			if err := c.Subscribe(ctx, "%0", PaneInMode); err == nil {
				t.Error("a client without session subscribes for somebody else")
			}
			return
		}
		for _, bad := range []struct {
			id string
			v  Watched
		}{
			{"%0", "pane_title"}, {"%0", WindowPanes}, {"@0", PaneDead}, {"%*", PaneDead}, {"$0", WindowPanes}, {"", PaneDead},
			{"%0'; kill-server", PaneDead}, {"%0", "pane_dead}#{pane_title"},
		} {
			if err := c.Subscribe(ctx, bad.id, bad.v); err == nil {
				t.Errorf("%q of %q can be subscribed to", bad.v, bad.id)
			}
			if err := c.Unsubscribe(ctx, bad.id, bad.v); err == nil {
				t.Errorf("%q of %q can be unsubscribed", bad.v, bad.id)
			}
		}
		want := Notice{Kind: SubscriptionChanged, ID: "%0"}
		all := map[Notice]int{}
		heard := func(n Notice) func() bool {
			return func() bool {
				for _, got := range c.Notices() {
					all[got]++
				}
				return all[n] > 0
			}
		}
		for _, v := range []Watched{PaneInMode, PaneInputOff} {
			if err := c.Subscribe(ctx, "%0", v); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Subscribe(ctx, "@0", WindowPanes); err != nil {
			t.Fatal(err)
		}
		tmuxtest.Eventually(t, heard(want), "the first value is notified")
		tmuxtest.Eventually(t, heard(Notice{Kind: SubscriptionChanged, ID: "@0"}), "that of the window, too")
		for _, lines := range [][]string{{"copy-mode", "-t", "%0"}, {"send-keys", "-t", "%0", "-X", "cancel"}, {"select-pane", "-t", "%0", "-d"}} {
			clear(all)
			s.Run(lines...)
			tmuxtest.Eventually(t, heard(want), "%q is notified", lines)
		}
		for _, v := range []Watched{PaneInMode, PaneInputOff} {
			if err := c.Unsubscribe(ctx, "%0", v); err != nil {
				t.Fatal(err)
			}
		}
		heard(want)()
		clear(all)
		s.Run("select-pane", "-t", "%0", "-e", ";", "split-window", "-d", "-t", "@0")
		tmuxtest.Eventually(t, heard(Notice{Kind: SubscriptionChanged, ID: "@0"}), "the other one goes on")
		if all[want] > 0 {
			t.Error("notified after the end")
		}
	})
}

// TestSubscriptionNames: a notice with a name that is not ours is none.
func TestSubscriptionNames(t *testing.T) {
	for line, id := range map[string]string{
		"%subscription-changed pane_in_mode%3 $1 @2 0 %3 : 1": "%3",
		"%subscription-changed window_panes@7 $1 @7 0 - : 2":  "@7",
		"%subscription-changed x $1 @2 0 %3 : 1":              "",
		"%subscription-changed %3":                            "%3",
		"%subscription-changed pane_dead%":                    "",
		"%subscription-changed pane dead%3":                   "",
		"%subscription-changed ":                              "",
		"%subscription-changed pane_dead%99999999999999 : 1":  "",
	} {
		n, ok := parseNotice([]byte(line))
		if n.ID != id || ok != (id != "") {
			t.Errorf("%q: %+v %v", line, n, ok)
		}
	}
}
