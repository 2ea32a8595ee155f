package tmux

import (
	"strconv"
	"strings"
)

// formatVariable is one variable of the allow-list.
type formatVariable struct {
	get    func(*FormatContext) string
	isTime bool // an empty value stands for never
}

func findVariable(name string) *formatVariable { return formatVariables[name] }

// FormatVariables returns the names of all variables that are available.
func FormatVariables() []string {
	all := make([]string, 0, len(formatVariables))
	for name := range formatVariables {
		all = append(all, name)
	}
	return all
}

func shortVariable(c byte) *formatVariable {
	switch c {
	case 'D':
		return findVariable("pane_id")
	case 'F':
		return findVariable("window_flags")
	case 'H':
		return findVariable("host")
	case 'I':
		return findVariable("window_index")
	case 'P':
		return findVariable("pane_index")
	case 'S':
		return findVariable("session_name")
	case 'T':
		return findVariable("pane_title")
	case 'W':
		return findVariable("window_name")
	case 'h':
		return findVariable("host_short")
	}
	return nil
}

var formatVariables = mergeVariables(serverVariables(), sessionVariables(), windowVariables(),
	winlinkVariables(), paneVariables(), paneDetailVariables(), clientVariables())

func mergeVariables(parts ...map[string]*formatVariable) map[string]*formatVariable {
	all := make(map[string]*formatVariable)
	for _, part := range parts {
		for name, v := range part {
			all[name] = v
		}
	}
	return all
}

func flagText(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

func secondsText(t int64) string {
	if t == 0 {
		return ""
	}
	return strconv.FormatInt(t, 10)
}

func sizeText(n int) string {
	if n < 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func serverVariables() map[string]*formatVariable {
	return map[string]*formatVariable{
		"host":       {get: func(c *FormatContext) string { return c.Host }},
		"host_short": {get: func(c *FormatContext) string { short, _, _ := strings.Cut(c.Host, "."); return short }},
		"line":       {get: func(c *FormatContext) string { return strconv.Itoa(c.Line) }},
		"uid":        {get: func(c *FormatContext) string { return strconv.Itoa(c.UID) }},
		"version":    {get: func(c *FormatContext) string { return c.Snap.Version.String() }},

		"buffer_created": onBuffer(func(b *Buffer) string { return secondsText(b.Created) }),
		"buffer_name":    onBuffer(func(b *Buffer) string { return b.Name }),
		"buffer_sample":  onBuffer(func(b *Buffer) string { return b.Sample }),
		"buffer_size":    onBuffer(func(b *Buffer) string { return strconv.Itoa(b.Size) }),
	}
}

func onBuffer(get func(*Buffer) string) *formatVariable {
	return &formatVariable{get: func(c *FormatContext) string {
		if c.Buffer == nil {
			return ""
		}
		return get(c.Buffer)
	}}
}

func onSession(get func(*Session) string) *formatVariable {
	return &formatVariable{get: func(c *FormatContext) string {
		if c.Session == nil {
			return ""
		}
		return get(c.Session)
	}}
}

func sessionVariables() map[string]*formatVariable {
	return map[string]*formatVariable{
		"session_activity":      onSession(func(s *Session) string { return secondsText(s.Activity) }),
		"session_attached":      onSession(func(s *Session) string { return strconv.Itoa(s.Attached) }),
		"session_created":       onSession(func(s *Session) string { return secondsText(s.Created) }),
		"session_group":         onSession(func(s *Session) string { return s.Group }),
		"session_grouped":       onSession(func(s *Session) string { return flagText(s.Group != "") }),
		"session_id":            onSession(func(s *Session) string { return s.ID.String() }),
		"session_last_attached": onSession(func(s *Session) string { return secondsText(s.LastAttached) }),
		"session_many_attached": onSession(func(s *Session) string { return flagText(s.Attached > 1) }),
		"session_name":          onSession(func(s *Session) string { return s.Name }),
		"session_path":          onSession(func(s *Session) string { return s.Path }),
		"session_windows":       onSession(func(s *Session) string { return strconv.Itoa(len(s.Links)) }),
		"session_group_size": onSession(func(s *Session) string {
			if s.Group == "" {
				return ""
			}
			return strconv.Itoa(s.GroupSize)
		}),
		"session_stack": onSession(func(s *Session) string {
			list := []string{strconv.Itoa(s.Current)}
			for _, index := range s.Last {
				list = append(list, strconv.Itoa(index))
			}
			return strings.Join(list, ",")
		}),
		"active_window_index": onSession(func(s *Session) string { return strconv.Itoa(s.Current) }),
		"last_window_index":   onSession(func(s *Session) string { return strconv.Itoa(s.Links[len(s.Links)-1].Index) }),
		"session_marked": {get: func(c *FormatContext) string {
			if c.Session == nil {
				return ""
			}
			return flagText(c.Snap.Marked != nil && c.Snap.Marked.Session == c.Session.ID)
		}},
	}
}

func onWindow(get func(*Window) string) *formatVariable {
	return &formatVariable{get: func(c *FormatContext) string {
		if c.Window == nil {
			return ""
		}
		return get(c.Window)
	}}
}

func windowVariables() map[string]*formatVariable {
	return map[string]*formatVariable{
		"window_height":         onWindow(func(w *Window) string { return strconv.Itoa(w.Height) }),
		"window_id":             onWindow(func(w *Window) string { return w.ID.String() }),
		"window_layout":         onWindow(func(w *Window) string { return w.Layout }),
		"window_name":           onWindow(func(w *Window) string { return w.Name }),
		"window_panes":          onWindow(func(w *Window) string { return strconv.Itoa(len(w.Panes)) }),
		"window_visible_layout": onWindow(func(w *Window) string { return w.VisibleLayout }),
		"window_width":          onWindow(func(w *Window) string { return strconv.Itoa(w.Width) }),
		"window_zoomed_flag":    onWindow(func(w *Window) string { return flagText(w.Zoomed) }),
	}
}

// onLink makes a variable of the place of a window in a session.
func onLink(get func(*FormatContext, *Session, *Winlink) string) *formatVariable {
	return &formatVariable{get: func(c *FormatContext) string {
		if c.Session == nil || c.Link == nil {
			return ""
		}
		return get(c, c.Session, c.Link)
	}}
}

func winlinkVariables() map[string]*formatVariable {
	return map[string]*formatVariable{
		"window_active":        onLink(func(_ *FormatContext, s *Session, l *Winlink) string { return flagText(l.Index == s.Current) }),
		"window_activity_flag": onLink(func(_ *FormatContext, _ *Session, l *Winlink) string { return flagText(l.Activity) }),
		"window_bell_flag":     onLink(func(_ *FormatContext, _ *Session, l *Winlink) string { return flagText(l.Bell) }),
		"window_silence_flag":  onLink(func(_ *FormatContext, _ *Session, l *Winlink) string { return flagText(l.Silence) }),
		"window_index":         onLink(func(_ *FormatContext, _ *Session, l *Winlink) string { return strconv.Itoa(l.Index) }),
		"window_start_flag":    onLink(func(_ *FormatContext, s *Session, l *Winlink) string { return flagText(l.Index == s.Links[0].Index) }),
		"window_end_flag": onLink(func(_ *FormatContext, s *Session, l *Winlink) string {
			return flagText(l.Index == s.Links[len(s.Links)-1].Index)
		}),
		"window_last_flag": onLink(func(_ *FormatContext, s *Session, l *Winlink) string {
			return flagText(len(s.Last) > 0 && s.Last[0] == l.Index)
		}),
		"window_stack_index": onLink(func(_ *FormatContext, s *Session, l *Winlink) string {
			for i, index := range s.Last {
				if index == l.Index {
					return strconv.Itoa(i + 1)
				}
			}
			return "0"
		}),
		"window_marked_flag": onLink(func(c *FormatContext, s *Session, l *Winlink) string { return flagText(markedLink(c.Snap, s, l)) }),
		"window_flags":       onLink(func(c *FormatContext, s *Session, l *Winlink) string { return windowFlags(c, s, l, "##") }),
		"window_raw_flags":   onLink(func(c *FormatContext, s *Session, l *Winlink) string { return windowFlags(c, s, l, "#") }),
	}
}

func markedLink(snap *Snapshot, s *Session, l *Winlink) bool {
	m := snap.Marked
	return m != nil && m.Session == s.ID && m.Index == l.Index
}

// windowFlags is the string of marks after a window's name.
func windowFlags(c *FormatContext, s *Session, l *Winlink, activity string) string {
	var b strings.Builder
	add := func(set bool, mark string) {
		if set {
			b.WriteString(mark)
		}
	}
	add(l.Activity, activity)
	add(l.Bell, "!")
	add(l.Silence, "~")
	add(l.Index == s.Current, "*")
	add(len(s.Last) > 0 && s.Last[0] == l.Index, "-")
	add(markedLink(c.Snap, s, l), "M")
	add(c.Window != nil && c.Window.Zoomed, "Z")
	return b.String()
}

func onPane(get func(*Pane) string) *formatVariable {
	return &formatVariable{get: func(c *FormatContext) string {
		if c.Pane == nil {
			return ""
		}
		return get(c.Pane)
	}}
}

// onPlace makes a variable of a pane's place in its window.
func onPlace(get func(*FormatContext, *Window, *Pane) string) *formatVariable {
	return &formatVariable{get: func(c *FormatContext) string {
		if c.Pane == nil {
			return ""
		}
		w := c.Snap.Window(c.Pane.Window)
		if w == nil {
			return ""
		}
		return get(c, w, c.Pane)
	}}
}

func paneVariables() map[string]*formatVariable {
	return map[string]*formatVariable{
		"alternate_on":      onPane(func(p *Pane) string { return flagText(p.Alternate) }),
		"pane_bottom":       onPane(func(p *Pane) string { return strconv.Itoa(p.Top + p.Height - 1) }),
		"pane_dead":         onPane(func(p *Pane) string { return flagText(p.Dead) }),
		"pane_height":       onPane(func(p *Pane) string { return strconv.Itoa(p.Height) }),
		"pane_id":           onPane(func(p *Pane) string { return p.ID.String() }),
		"pane_in_mode":      onPane(func(p *Pane) string { return strconv.Itoa(p.InMode) }),
		"pane_index":        onPane(func(p *Pane) string { return strconv.Itoa(p.Index) }),
		"pane_input_off":    onPane(func(p *Pane) string { return flagText(p.InputOff) }),
		"pane_left":         onPane(func(p *Pane) string { return strconv.Itoa(p.Left) }),
		"pane_mode":         onPane(func(p *Pane) string { return p.Mode }),
		"pane_pid":          onPane(func(p *Pane) string { return strconv.Itoa(p.PID) }),
		"pane_pipe":         onPane(func(p *Pane) string { return flagText(p.Piped) }),
		"pane_right":        onPane(func(p *Pane) string { return strconv.Itoa(p.Left + p.Width - 1) }),
		"pane_synchronized": onPane(func(p *Pane) string { return flagText(p.Synchronized) }),
		"pane_top":          onPane(func(p *Pane) string { return strconv.Itoa(p.Top) }),
		"pane_tty":          onPane(func(p *Pane) string { return p.TTY }),
		"pane_width":        onPane(func(p *Pane) string { return strconv.Itoa(p.Width) }),
		"pane_active": onPlace(func(_ *FormatContext, w *Window, p *Pane) string {
			return flagText(w.HasActive && w.Active == p.ID)
		}),
		"pane_last": onPlace(func(_ *FormatContext, w *Window, p *Pane) string {
			return flagText(w.HasLast && w.Last == p.ID)
		}),
		"pane_at_left":  onPlace(func(_ *FormatContext, _ *Window, p *Pane) string { return flagText(p.Left == 0) }),
		"pane_at_right": onPlace(func(_ *FormatContext, w *Window, p *Pane) string { return flagText(p.Left+p.Width == w.Width) }),
		"pane_at_top": onPlace(func(_ *FormatContext, w *Window, p *Pane) string {
			return flagText(p.Top == 0 || w.BorderStatus == "top" && p.Top == 1)
		}),
		"pane_at_bottom": onPlace(func(_ *FormatContext, w *Window, p *Pane) string {
			end := p.Top + p.Height
			return flagText(end == w.Height && w.BorderStatus != "bottom" || w.BorderStatus == "bottom" && end == w.Height-1)
		}),
		"pane_marked": {get: func(c *FormatContext) string {
			return flagText(c.Pane != nil && c.Snap.Marked != nil && c.Snap.Marked.Pane == c.Pane.ID)
		}},
		"pane_marked_set": {get: func(c *FormatContext) string { return flagText(c.Snap.Marked != nil) }},
	}
}

// paneDetailVariables need a snapshot of [Full] detail.
func paneDetailVariables() map[string]*formatVariable {
	return map[string]*formatVariable{
		"cursor_x":             onPane(func(p *Pane) string { return strconv.Itoa(p.CursorX) }),
		"cursor_y":             onPane(func(p *Pane) string { return strconv.Itoa(p.CursorY) }),
		"history_bytes":        onPane(func(p *Pane) string { return strconv.FormatInt(p.HistoryBytes, 10) }),
		"history_limit":        onPane(func(p *Pane) string { return strconv.Itoa(p.HistoryLimit) }),
		"history_size":         onPane(func(p *Pane) string { return strconv.Itoa(p.HistorySize) }),
		"pane_current_command": onPane(func(p *Pane) string { return p.CurrentCommand }),
		"pane_current_path":    onPane(func(p *Pane) string { return p.CurrentPath }),
		"pane_dead_status":     onPane(func(p *Pane) string { return p.DeadStatus }),
		"pane_start_command":   onPane(func(p *Pane) string { return p.StartCommand }),
		"pane_title":           onPane(func(p *Pane) string { return p.Title }),
	}
}

func onClient(get func(*Client) string) *formatVariable {
	return &formatVariable{get: func(c *FormatContext) string {
		if c.Client == nil {
			return ""
		}
		return get(c.Client)
	}}
}

func (c *Client) hasFlag(flag string) bool {
	for f := range strings.SplitSeq(c.Flags, ",") {
		if f == flag {
			return true
		}
	}
	return false
}

func clientVariables() map[string]*formatVariable {
	return map[string]*formatVariable{
		"client_activity":     onClient(func(c *Client) string { return secondsText(c.Activity) }),
		"client_control_mode": onClient(func(c *Client) string { return flagText(c.hasFlag("control-mode")) }),
		"client_created":      onClient(func(c *Client) string { return secondsText(c.Created) }),
		"client_flags":        onClient(func(c *Client) string { return c.Flags }),
		"client_height":       onClient(func(c *Client) string { return sizeText(c.Height) }),
		"client_last_session": onClient(func(c *Client) string { return c.LastSession }),
		"client_name":         onClient(func(c *Client) string { return c.Name }),
		"client_pid":          onClient(func(c *Client) string { return strconv.Itoa(c.PID) }),
		"client_readonly":     onClient(func(c *Client) string { return flagText(c.hasFlag("read-only")) }),
		"client_termname":     onClient(func(c *Client) string { return c.TermName }),
		"client_tty":          onClient(func(c *Client) string { return c.TTY }),
		"client_uid":          onClient(func(c *Client) string { return strconv.Itoa(c.UID) }),
		"client_user":         onClient(func(c *Client) string { return c.User }),
		"client_utf8":         onClient(func(c *Client) string { return flagText(c.hasFlag("UTF-8")) }),
		"client_width":        onClient(func(c *Client) string { return sizeText(c.Width) }),
		"client_session": {get: func(c *FormatContext) string {
			if c.Client == nil {
				return ""
			}
			if s := c.Snap.Session(c.Client.Session); s != nil {
				return s.Name
			}
			return ""
		}},
	}
}
