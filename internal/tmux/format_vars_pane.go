package tmux

import (
	"slices"
	"strconv"
	"strings"
)

func onWindow(name string, get func(*Window) string) formatVariable {
	return formatVariable{name: name, get: func(c *FormatContext) (string, bool) {
		if c.Window == nil {
			return "", false
		}
		return get(c.Window), true
	}}
}

func windowVariables() []formatVariable {
	return []formatVariable{
		{name: "window_activity", get: func(c *FormatContext) (string, bool) {
			if c.Window == nil {
				return "", false
			}
			return seconds(c.Window.Activity)
		}},
		onWindow("window_cell_height", func(w *Window) string { return strconv.Itoa(w.CellHeight) }),
		onWindow("window_cell_width", func(w *Window) string { return strconv.Itoa(w.CellWidth) }),
		onWindow("window_height", func(w *Window) string { return strconv.Itoa(w.Height) }),
		onWindow("window_id", func(w *Window) string { return w.ID.String() }),
		onWindow("window_layout", func(w *Window) string { return w.Layout }),
		onWindow("window_name", func(w *Window) string { return w.Name }),
		onWindow("window_panes", func(w *Window) string { return strconv.Itoa(len(w.Panes)) }),
		onWindow("window_visible_layout", func(w *Window) string { return w.VisibleLayout }),
		onWindow("window_width", func(w *Window) string { return strconv.Itoa(w.Width) }),
		onWindow("window_zoomed_flag", func(w *Window) string { return flagText(w.Zoomed) }),
	}
}

// onLink makes a variable of the place of a window in a session.
func onLink(name string, get func(*FormatContext, *Session, *Winlink) string) formatVariable {
	return formatVariable{name: name, get: func(c *FormatContext) (string, bool) {
		if c.Session == nil || c.Link == nil {
			return "", false
		}
		return get(c, c.Session, c.Link), true
	}}
}

// mayLink is onLink for what is empty where there is no value.
func mayLink(name string, get func(*FormatContext, *Winlink) string) formatVariable {
	v := onLink(name, func(c *FormatContext, _ *Session, l *Winlink) string { return get(c, l) })
	always := v.get
	v.get = func(c *FormatContext) (string, bool) {
		text, ok := always(c)
		return text, ok && text != ""
	}
	return v
}

func linkVariables() []formatVariable {
	return append([]formatVariable{
		onLink("window_active", func(_ *FormatContext, s *Session, l *Winlink) string { return flagText(l.Index == s.Current) }),
		onLink("window_activity_flag", func(_ *FormatContext, _ *Session, l *Winlink) string { return flagText(l.Activity) }),
		onLink("window_bell_flag", func(_ *FormatContext, _ *Session, l *Winlink) string { return flagText(l.Bell) }),
		onLink("window_silence_flag", func(_ *FormatContext, _ *Session, l *Winlink) string { return flagText(l.Silence) }),
		onLink("window_index", func(_ *FormatContext, _ *Session, l *Winlink) string { return strconv.Itoa(l.Index) }),
		onLink("window_start_flag", func(_ *FormatContext, s *Session, l *Winlink) string { return flagText(l.Index == s.Links[0].Index) }),
		onLink("window_end_flag", func(_ *FormatContext, s *Session, l *Winlink) string {
			return flagText(l.Index == s.Links[len(s.Links)-1].Index)
		}),
		onLink("window_last_flag", func(_ *FormatContext, s *Session, l *Winlink) string {
			return flagText(len(s.Last) > 0 && s.Last[0] == l.Index)
		}),
		onLink("window_stack_index", func(_ *FormatContext, s *Session, l *Winlink) string {
			return strconv.Itoa(slices.Index(s.Last, l.Index) + 1)
		}),
		onLink("window_marked_flag", func(c *FormatContext, s *Session, l *Winlink) string { return flagText(markedLink(c.Snap, s, l)) }),
		onLink("window_flags", func(c *FormatContext, s *Session, l *Winlink) string { return windowFlags(c, s, l, "##") }),
		onLink("window_raw_flags", func(c *FormatContext, s *Session, l *Winlink) string { return windowFlags(c, s, l, "#") }),
	}, linkedVariables()...)
}

// linkedVariables say where else a window is: in the sessions that the asker
// may see.
func linkedVariables() []formatVariable {
	active := func(c *FormatContext, l *Winlink) []*Session {
		return slices.Compact(slices.DeleteFunc(slices.Clone(c.index().links[l.Window]), func(s *Session) bool {
			current := s.CurrentLink()
			return current == nil || current.Window != l.Window
		}))
	}
	watching := func(c *FormatContext, l *Winlink) []*Client {
		return c.clientsOf(active(c, l)...)
	}
	return []formatVariable{
		onLink("window_active_clients", func(c *FormatContext, _ *Session, l *Winlink) string { return strconv.Itoa(len(watching(c, l))) }),
		mayLink("window_active_clients_list", func(c *FormatContext, l *Winlink) string { return clientNames(watching(c, l)) }),
		onLink("window_active_sessions", func(c *FormatContext, _ *Session, l *Winlink) string {
			return strconv.Itoa(len(active(c, l)))
		}),
		mayLink("window_active_sessions_list", func(c *FormatContext, l *Winlink) string {
			return sessionNames(active(c, l))
		}),
		onLink("window_linked", func(c *FormatContext, s *Session, l *Winlink) string { return flagText(isLinked(c, s, l)) }),
		onLink("window_linked_sessions", func(c *FormatContext, _ *Session, l *Winlink) string { return strconv.Itoa(linkCount(c, l)) }),
		mayLink("window_linked_sessions_list", func(c *FormatContext, l *Winlink) string {
			return sessionNames(c.index().links[l.Window])
		}),
	}
}

// isLinked reports whether the window is elsewhere too: up to 3.5 outside of
// the session's group, from 3.6 on anywhere.
func isLinked(c *FormatContext, s *Session, l *Winlink) bool {
	here := 1
	if s.Group != "" && !c.Snap.Version.AtLeast(v36) {
		here = len(c.index().groups[s.Group])
	}
	return len(c.index().links[l.Window]) != here
}

// linkCount counts the window's places: up to 3.5 all of them, from 3.6 on the
// sessions, of which those of one group count once.
func linkCount(c *FormatContext, l *Winlink) int {
	all := c.index().links[l.Window]
	if !c.Snap.Version.AtLeast(v36) {
		return len(all)
	}
	seen := make(map[string]bool)
	for _, s := range all {
		if s.Group != "" {
			seen["g"+s.Group] = true
		} else {
			seen["s"+s.Name] = true
		}
	}
	return len(seen)
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

func onPane(name string, get func(*Pane) string) formatVariable {
	return formatVariable{name: name, get: func(c *FormatContext) (string, bool) {
		if c.Pane == nil {
			return "", false
		}
		return get(c.Pane), true
	}}
}

// mayPane is onPane for what is empty where a pane has no value.
func mayPane(name string, get func(*Pane) string) formatVariable {
	return formatVariable{name: name, get: func(c *FormatContext) (string, bool) {
		if c.Pane == nil {
			return "", false
		}
		return someText(get(c.Pane))
	}}
}

// onPlace makes a variable of a pane's place in its window.
func onPlace(name string, get func(*Window, *Pane) bool) formatVariable {
	return formatVariable{name: name, get: func(c *FormatContext) (string, bool) {
		if c.Pane == nil {
			return "", false
		}
		w := c.Window
		if w == nil || w.ID != c.Pane.Window {
			w = c.Snap.Window(c.Pane.Window)
		}
		if w == nil {
			return "", false
		}
		return flagText(get(w, c.Pane)), true
	}}
}

func onMark(name string, get func(m *Marked, p *Pane) bool) formatVariable {
	return formatVariable{name: name, get: func(c *FormatContext) (string, bool) {
		if c.Pane == nil {
			return "", false
		}
		return flagText(c.Snap.Marked != nil && get(c.Snap.Marked, c.Pane)), true
	}}
}

func paneVariables() []formatVariable {
	return []formatVariable{
		onPane("alternate_on", func(p *Pane) string { return flagText(p.Alternate) }),
		onPane("cursor_x", func(p *Pane) string { return strconv.Itoa(p.CursorX) }),
		onPane("cursor_y", func(p *Pane) string { return strconv.Itoa(p.CursorY) }),
		onPane("history_bytes", func(p *Pane) string { return strconv.FormatInt(p.HistoryBytes, 10) }),
		onPane("history_limit", func(p *Pane) string { return strconv.Itoa(p.HistoryLimit) }),
		onPane("history_size", func(p *Pane) string { return strconv.Itoa(p.HistorySize) }),
		onPlace("pane_active", func(w *Window, p *Pane) bool { return w.HasActive && w.Active == p.ID }),
		onPlace("pane_at_bottom", func(w *Window, p *Pane) bool {
			end := w.Height
			if w.BorderStatus == "bottom" {
				end--
			}
			return p.Top+p.Height == end
		}),
		onPlace("pane_at_left", func(_ *Window, p *Pane) bool { return p.Left == 0 }),
		onPlace("pane_at_right", func(w *Window, p *Pane) bool { return p.Left+p.Width == w.Width }),
		onPlace("pane_at_top", func(w *Window, p *Pane) bool {
			if w.BorderStatus == "top" {
				return p.Top == 1
			}
			return p.Top == 0
		}),
		onPane("pane_bottom", func(p *Pane) string { return strconv.Itoa(p.Top + p.Height - 1) }),
		mayPane("pane_current_command", func(p *Pane) string { return p.CurrentCommand }),
		mayPane("pane_current_path", func(p *Pane) string { return p.CurrentPath }),
		onPane("pane_dead", func(p *Pane) string { return flagText(p.Dead) }),
		mayPane("pane_dead_status", func(p *Pane) string { return p.DeadStatus }),
		onPane("pane_height", func(p *Pane) string { return strconv.Itoa(p.Height) }),
		onPane("pane_id", func(p *Pane) string { return p.ID.String() }),
		onPane("pane_in_mode", func(p *Pane) string { return strconv.Itoa(p.InMode) }),
		onPane("pane_index", func(p *Pane) string { return strconv.Itoa(p.Index) }),
		onPane("pane_input_off", func(p *Pane) string { return flagText(p.InputOff) }),
		onPlace("pane_last", func(w *Window, p *Pane) bool { return w.HasLast && w.Last == p.ID }),
		onPane("pane_left", func(p *Pane) string { return strconv.Itoa(p.Left) }),
		onMark("pane_marked", func(m *Marked, p *Pane) bool { return m.Pane == p.ID }),
		onMark("pane_marked_set", func(*Marked, *Pane) bool { return true }),
		mayPane("pane_mode", func(p *Pane) string { return p.Mode }),
		onPane("pane_pid", func(p *Pane) string { return strconv.Itoa(p.PID) }),
		onPane("pane_pipe", func(p *Pane) string { return flagText(p.Piped) }),
		onPane("pane_right", func(p *Pane) string { return strconv.Itoa(p.Left + p.Width - 1) }),
		onPane("pane_start_command", func(p *Pane) string { return p.StartCommand }),
		onPane("pane_synchronized", func(p *Pane) string { return flagText(p.Synchronized) }),
		onPane("pane_title", func(p *Pane) string { return p.Title }),
		onPane("pane_top", func(p *Pane) string { return strconv.Itoa(p.Top) }),
		onPane("pane_tty", func(p *Pane) string { return p.TTY }),
		onPane("pane_width", func(p *Pane) string { return strconv.Itoa(p.Width) }),
		onPane("pane_x", func(p *Pane) string { return strconv.Itoa(p.Left) }).from(v37),
		onPane("pane_y", func(p *Pane) string { return strconv.Itoa(p.Top) }).from(v37),
	}
}

// screenVariables are what a pane's screen says of itself.
func screenVariables() []formatVariable {
	var list []formatVariable
	for i, f := range paneFields() {
		get := mayPane
		if f.name == "pane_path" || f.name == "pane_start_path" || f.name == "pane_flags" {
			get = onPane // empty, but there
		}
		list = append(list, get(f.name, func(p *Pane) string { return valueAt(p.values, i) }).from(f.since))
	}
	return list
}

// modeVariables have values only while the pane is in copy or view mode.
func modeVariables() []formatVariable {
	var list []formatVariable
	for i, f := range modeFields() {
		list = append(list, mayPane(f.name, func(p *Pane) string {
			value := valueAt(p.modeValues, i)
			// Nothing but what the mode itself says is shown.
			if !allDigits(value) && value != "char" && value != "word" && value != "line" ||
				p.Mode != "copy-mode" && p.Mode != "view-mode" {
				return ""
			}
			return value
		}).from(f.since))
	}
	return list
}
