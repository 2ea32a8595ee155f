package tmux

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// DefaultFormat returns the format a command prints with when -F is not given,
// or "" if it prints nothing by format.
func DefaultFormat(inv *Invocation) string { return defaultFormat(inv, Reference()) }

func defaultFormat(inv *Invocation, v Version) string {
	history := "[#{pane_width}x#{pane_height}] [history #{history_size}/#{history_limit}, #{history_bytes} bytes] " +
		"#{pane_id}#{?pane_active, (active),}#{?pane_dead, (dead),}"
	if v.AtLeast(v37) {
		history = strings.Replace(history, "]", "#{?pane_floating_flag, #{pane_x}#,#{pane_y}#,#{pane_z}}]", 1)
	}
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
	case "new-window", "split-window", "new-pane":
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
	v := snap.Version.orReference()
	text, given := inv.Get('F')
	if !given {
		text = defaultFormat(inv, v)
	}
	format, err := CompileFormatFor(text, v)
	if err != nil {
		return nil, err
	}
	filter, filtered := inv.Get('f')
	keep, err := CompileFormatFor(filter, v)
	if err != nil {
		return nil, err
	}
	order, err := orderOf(inv)
	if err != nil {
		return nil, err
	}
	rows := listRowsOf(inv, snap, target, order)
	work, shared := newFormatWork(len(rows)), &formatIndex{}
	var lines []string
	room := maxListing
	for i := range rows {
		row := &rows[i]
		row.UID, row.Host, row.Zone, row.Now = base.UID, base.Host, base.Zone, base.Now
		row.command, row.shared = inv.Row.Name, shared
		if filtered {
			text, err := keep.expand(row, work)
			if err != nil {
				return nil, err
			}
			room -= len(text)
			if !formatTrue(text) {
				continue
			}
		}
		line, err := format.expand(row, work)
		if err != nil {
			return nil, err
		}
		lines = append(lines, line)
		if room -= len(line); room < 0 {
			return nil, fmt.Errorf("%s: the formats make more than %d MiB of text", inv.Row.Name, maxListing>>20)
		}
	}
	return lines, nil
}

// listRowsOf returns the rows of a list command, in tmux's order.
func listRowsOf(inv *Invocation, snap *Snapshot, target Found, order rowOrder) []FormatContext {
	var rows []FormatContext
	switch inv.Row.Name {
	case "list-sessions":
		for i := range snap.Sessions {
			rows = append(rows, contextOf(snap, Found{Session: &snap.Sessions[i]}))
		}
		order.sort(rows, bySessions)
		number(rows, snap)
	case "list-windows":
		for _, s := range listedSessions(inv.Has('a'), snap, target) {
			start := len(rows)
			for i := range s.Links {
				rows = append(rows, contextOf(snap, Found{Session: s, Link: &s.Links[i]}))
			}
			number(rows[start:], snap)
		}
		order.sort(rows, byWindows)
		if snap.Version.AtLeast(v37) {
			number(rows, snap)
		}
	case "list-panes":
		rows = paneRowsOf(inv, snap, target, order)
	case "list-clients":
		rows = clientRowsOf(inv, snap, target, order)
	case "list-buffers":
		for i := range snap.Buffers {
			rows = append(rows, FormatContext{Snap: snap, Buffer: &snap.Buffers[i]})
		}
		order.sort(rows, byBuffers)
	}
	return rows
}

// number gives the rows their numbers. From 3.7 on list-windows and list-panes
// give all rows the number of rows.
func number(rows []FormatContext, snap *Snapshot) {
	for i := range rows {
		rows[i].line = strconv.Itoa(i)
		if snap.Version.AtLeast(v37) && rows[i].kind >= windowKind {
			rows[i].line = strconv.Itoa(len(rows))
		}
	}
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

func paneRowsOf(inv *Invocation, snap *Snapshot, target Found, order rowOrder) []FormatContext {
	var rows []FormatContext
	add := func(s *Session, l *Winlink) {
		w := snap.Window(l.Window)
		if w == nil {
			return
		}
		start := len(rows)
		for _, id := range w.Panes {
			rows = append(rows, contextOf(snap, Found{Session: s, Link: l, Window: w, Pane: snap.Pane(id)}))
		}
		order.sort(rows[start:], byPanes)
		number(rows[start:], snap)
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

func clientRowsOf(inv *Invocation, snap *Snapshot, target Found, order rowOrder) []FormatContext {
	var rows []FormatContext
	for i := range snap.Clients {
		client := &snap.Clients[i]
		s := snap.Session(client.Session)
		if s == nil || inv.Has('t') && (target.Session == nil || s.ID != target.Session.ID) {
			continue
		}
		c := contextOf(snap, Found{Session: s})
		c.Client, c.kind = client, otherKind
		rows = append(rows, c)
	}
	order.sort(rows, byClients)
	number(rows, snap)
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
		text = defaultFormat(inv, snap.Version.orReference())
	}
	if inv.Has('l') {
		return text, nil
	}
	zone := base.Zone
	if zone == nil {
		zone = time.UTC
	}
	format, err := compileFormatAt(text, snap.Version, now.In(zone))
	if err != nil {
		return "", err
	}
	c := contextOf(snap, target)
	c.UID, c.Host, c.Zone, c.Now = base.UID, base.Host, base.Zone, now
	c.command, c.kind = inv.Row.Name, paneKind
	if c.Client = base.Client; c.Client == nil && c.Session != nil {
		c.Client = bestClient(snap, c.Session)
	}
	return format.expand(&c, newFormatWork(1))
}
