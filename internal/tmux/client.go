package tmux

import "strings"

// findClient finds a client by its name or terminal, with or without /dev/.
// One colon at the end is ignored, as tmux does.
func findClient(snap *Snapshot, target string) *Client {
	target = strings.TrimSuffix(target, ":")
	for i := range snap.Clients {
		c := &snap.Clients[i]
		if target == c.Name {
			return c
		}
		if c.TTY == "" {
			continue
		}
		if target == c.TTY {
			return c
		}
		if short, ok := strings.CutPrefix(c.TTY, "/dev/"); ok && target == short {
			return c
		}
	}
	return nil
}

// ResolveClient finds the client that a target names among those of the
// snapshot. The error's text is tmux's own.
func ResolveClient(snap *Snapshot, target string) (*Client, error) {
	if c := findClient(snap, target); c != nil {
		return c, nil
	}
	return nil, &TargetError{TargetClient, "can't find client: " + strings.TrimSuffix(target, ":")}
}

// CurrentClient finds the client that a command without a client target means
// when the asking client itself shows no session: the one used last on the
// session of the pane the asker runs in, or on the session used last.
func CurrentClient(snap *Snapshot, ctx ResolveContext) (*Client, error) {
	f := finder{snap: snap}
	var s *Session
	if ctx.Pane != nil && snap.Pane(*ctx.Pane) != nil {
		s = f.bestWithWindow(snap.Pane(*ctx.Pane).Window)
	} else {
		s = f.bestSession(f.allSessions())
	}
	if s != nil {
		if c := bestClient(snap, s); c != nil {
			return c, nil
		}
	}
	return nil, &TargetError{TargetClient, "no current client"}
}

// bestClient returns the client of the session that was used last, or of the
// whole server if nobody shows the session, or nil.
func bestClient(snap *Snapshot, s *Session) *Client {
	var best *Client
	for i := range snap.Clients {
		c := &snap.Clients[i]
		if s != nil && s.Attached != 0 && c.Session != s.ID {
			continue
		}
		if best == nil || c.Activity > best.Activity {
			best = c
		}
	}
	return best
}
