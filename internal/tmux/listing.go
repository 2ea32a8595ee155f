package tmux

import (
	"errors"
	"fmt"
	"time"
)

// DefaultFormat returns the format a command prints with when -F is not given,
// or "" if it prints nothing by format.
func DefaultFormat(inv *Invocation) string {
	const history = "[#{pane_width}x#{pane_height}] [history #{history_size}/#{history_limit}, #{history_bytes} bytes] " +
		"#{pane_id}#{?pane_active, (active),}#{?pane_dead, (dead),}"
	const windowHead = "#{window_index}: #{window_name}#{window_raw_flags} (#{window_panes} panes) [#{window_width}x#{window_height}] "
	switch inv.Row.Name {
	case "list-sessions":
		return "#{session_name}: #{session_windows} windows (created #{t:session_created})" +
			"#{?session_grouped, (group #{session_group}),}#{?session_attached, (attached),}"
	case "list-windows":
		if inv.Has('a') {
			return "#{session_name}:" + windowHead
		}
		return windowHead + "[layout #{window_layout}] #{window_id}#{?window_active, (active),}"
	case "list-panes":
		switch {
		case inv.Has('a'):
			return "#{session_name}:#{window_index}.#{pane_index}: " + history
		case inv.Has('s'):
			return "#{window_index}.#{pane_index}: " + history
		}
		return "#{pane_index}: " + history
	case "list-clients":
		return "#{client_name}: #{session_name} [#{client_width}x#{client_height} #{client_termname}] " +
			"#{?#{!=:#{client_uid},#{uid}},[user #{?client_user,#{client_user},#{client_uid},}] ,}" +
			"#{?client_flags,(#{client_flags}),}"
	case "list-buffers":
		return `#{buffer_name}: #{buffer_size} bytes: "#{buffer_sample}"`
	case "display-message":
		return "[#{session_name}] #{window_index}:#{window_name}, current pane #{pane_index} - (%H:%M %d-%b-%y)"
	case "new-session":
		return "#{session_name}:"
	case "new-window", "split-window":
		return "#{session_name}:#{window_index}.#{pane_index}"
	}
	return ""
}

// maxListing is how many bytes all rows of a listing may have: a hundred
// thousand sessions as they are listed without a format. A few bytes of format
// make much more work than that otherwise, for each row anew.
const maxListing = 10 << 20

// Listing returns what a list command prints, one string for each row, from a
// snapshot of [Full] detail: pass one that holds only what the asker may see.
// base gives the values that are not of a row (UID, Host, Zone). The -F and -f
// formats of the invocation are compiled by our own engine.
func Listing(inv *Invocation, snap *Snapshot, target Found, base FormatContext) ([]string, error) {
	if inv.Has('O') || inv.Has('r') {
		return nil, errors.New(inv.Row.Name + ": sorting is not available here")
	}
	text, given := inv.Get('F')
	if !given {
		text = DefaultFormat(inv)
	}
	format, err := CompileFormat(text)
	if err != nil {
		return nil, err
	}
	filter, filtered := inv.Get('f')
	keep, err := CompileFormat(filter)
	if err != nil {
		return nil, err
	}
	var lines []string
	room := maxListing
	for _, row := range listRowsOf(inv, snap, target) {
		row.UID, row.Host, row.Zone = base.UID, base.Host, base.Zone
		if filtered {
			kept := keep.Expand(row)
			room -= len(kept)
			if !formatTrue(kept) {
				continue
			}
		}
		lines = append(lines, format.Expand(row))
		if room -= len(lines[len(lines)-1]); room < 0 {
			return nil, fmt.Errorf("%s: the formats make more than %d MiB of text", inv.Row.Name, maxListing>>20)
		}
	}
	return lines, nil
}

// listRowsOf returns the rows of a list command, in tmux's order.
func listRowsOf(inv *Invocation, snap *Snapshot, target Found) []FormatContext {
	var rows []FormatContext
	switch inv.Row.Name {
	case "list-sessions":
		for i := range snap.Sessions {
			c := ContextOf(snap, Found{Session: &snap.Sessions[i]})
			c.Line = i
			rows = append(rows, c)
		}
	case "list-windows":
		for _, s := range listedSessions(inv.Has('a'), snap, target) {
			for i := range s.Links {
				c := ContextOf(snap, Found{Session: s, Link: &s.Links[i]})
				c.Line = i
				rows = append(rows, c)
			}
		}
	case "list-panes":
		rows = paneRowsOf(inv, snap, target)
	case "list-clients":
		rows = clientRowsOf(inv, snap, target)
	case "list-buffers":
		for i := range snap.Buffers {
			rows = append(rows, FormatContext{Snap: snap, Buffer: &snap.Buffers[i], Line: i})
		}
	}
	return rows
}

func listedSessions(all bool, snap *Snapshot, target Found) []*Session {
	if all {
		f := finder{snap: snap}
		return f.allSessions()
	}
	if target.Session == nil {
		return nil
	}
	return []*Session{target.Session}
}

func paneRowsOf(inv *Invocation, snap *Snapshot, target Found) []FormatContext {
	var rows []FormatContext
	add := func(s *Session, l *Winlink) {
		w := snap.Window(l.Window)
		if w == nil {
			return
		}
		for i, id := range w.Panes {
			c := ContextOf(snap, Found{Session: s, Link: l, Window: w, Pane: snap.Pane(id)})
			c.Line = i
			rows = append(rows, c)
		}
	}
	if !inv.Has('a') && !inv.Has('s') {
		if target.Session != nil && target.Link != nil {
			add(target.Session, target.Link)
		}
		return rows
	}
	for _, s := range listedSessions(inv.Has('a'), snap, target) {
		for i := range s.Links {
			add(s, &s.Links[i])
		}
	}
	return rows
}

func clientRowsOf(inv *Invocation, snap *Snapshot, target Found) []FormatContext {
	var rows []FormatContext
	for i := range snap.Clients {
		client := &snap.Clients[i]
		s := snap.Session(client.Session)
		if s == nil || inv.Has('t') && (target.Session == nil || s.ID != target.Session.ID) {
			continue
		}
		c := ContextOf(snap, Found{Session: s})
		c.Client, c.Line = client, len(rows)
		rows = append(rows, c)
	}
	return rows
}

// Message returns what display-message prints, from a snapshot of [Full]
// detail that holds only what the asker may see.
func Message(inv *Invocation, snap *Snapshot, target Found, base FormatContext, now time.Time) (string, error) {
	text, given := inv.Get('F')
	switch {
	case given && len(inv.Args) > 0:
		return "", errors.New("only one of -F or argument must be given")
	case len(inv.Args) > 0:
		text = inv.Args[0]
	case !given:
		text = DefaultFormat(inv)
	}
	if inv.Has('l') {
		return text, nil
	}
	zone := base.Zone
	if zone == nil {
		zone = time.UTC
	}
	format, err := CompileFormat(Strftime(text, now.In(zone)))
	if err != nil {
		return "", err
	}
	c := ContextOf(snap, target)
	c.UID, c.Host, c.Zone = base.UID, base.Host, base.Zone
	if c.Client = base.Client; c.Client == nil && c.Session != nil {
		c.Client = BestClient(snap, c.Session)
	}
	return format.Expand(c), nil
}
