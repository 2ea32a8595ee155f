package tmux

import (
	"slices"
	"strconv"
	"strings"
)

// formatVariable is one variable of the allow-list. get reports false where
// tmux has no value either.
type formatVariable struct {
	name  string
	since Version // zero: in every version
	get   func(*FormatContext) (string, bool)
}

func (v formatVariable) from(since Version) formatVariable {
	v.since = since
	return v
}

// variableGroup is a part of the list, as docs/formats.md shows it.
type variableGroup struct {
	title string
	list  []formatVariable
}

// variableGroups are all variables there are. What is not here is refused, be
// it an option, a variable of the environment, or nothing at all.
func variableGroups() []variableGroup {
	return []variableGroup{
		{"Server", serverVariables()},
		{"Session", sessionVariables()},
		{"Window", slices.Concat(windowVariables(), linkVariables())},
		{"Pane", slices.Concat(paneVariables(), screenVariables())},
		{"Pane in copy mode", modeVariables()},
		{"Client", clientVariables()},
		{"Paste buffer", bufferVariables()},
	}
}

var formatVariables = allVariables()

func allVariables() map[string]*formatVariable {
	all := make(map[string]*formatVariable)
	for _, group := range variableGroups() {
		for i := range group.list {
			all[group.list[i].name] = &group.list[i]
		}
	}
	return all
}

func findVariable(name string) *formatVariable { return formatVariables[name] }

// shortNames are the variables with a name of one letter.
func shortName(c byte) string {
	switch c {
	case 'D':
		return "pane_id"
	case 'F':
		return "window_flags"
	case 'H':
		return "host"
	case 'I':
		return "window_index"
	case 'P':
		return "pane_index"
	case 'S':
		return "session_name"
	case 'T':
		return "pane_title"
	case 'W':
		return "window_name"
	case 'h':
		return "host_short"
	}
	return ""
}

func shortVariable(c byte) *formatVariable { return findVariable(shortName(c)) }

func flagText(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// seconds is a time; tmux has no value for one that never was.
func seconds(t int64) (string, bool) {
	if t == 0 {
		return "", false
	}
	return strconv.FormatInt(t, 10), true
}

func someText(s string) (string, bool) { return s, s != "" }

func plainVariable(name string, get func(*FormatContext) string) formatVariable {
	return formatVariable{name: name, get: func(c *FormatContext) (string, bool) { return get(c), true }}
}

func serverVariables() []formatVariable {
	return []formatVariable{
		{name: "command", get: func(c *FormatContext) (string, bool) { return someText(c.command) }},
		plainVariable("host", func(c *FormatContext) string { return c.Host }),
		plainVariable("host_short", func(c *FormatContext) string { short, _, _ := strings.Cut(c.Host, "."); return short }),
		{name: "line", get: func(c *FormatContext) (string, bool) { return someText(c.line) }},
		plainVariable("loop_last_flag", func(c *FormatContext) string { return flagText(c.last) }).from(v36),
		plainVariable("pane_format", func(c *FormatContext) string { return flagText(c.kind == paneKind) }),
		plainVariable("server_sessions", func(c *FormatContext) string { return strconv.Itoa(len(c.Snap.Sessions)) }).from(v34),
		plainVariable("session_format", func(c *FormatContext) string { return flagText(c.kind == sessionKind) }),
		{name: "start_time", get: func(c *FormatContext) (string, bool) { return seconds(c.Snap.Incarnation.StartTime) }},
		plainVariable("uid", func(c *FormatContext) string { return strconv.Itoa(c.UID) }).from(v33),
		plainVariable("version", func(c *FormatContext) string { return c.Snap.Version.String() }),
		plainVariable("window_format", func(c *FormatContext) string { return flagText(c.kind == windowKind) }),
	}
}

func onBuffer(name string, get func(*Buffer) string) formatVariable {
	return formatVariable{name: name, get: func(c *FormatContext) (string, bool) {
		if c.Buffer == nil {
			return "", false
		}
		return someText(get(c.Buffer))
	}}
}

func bufferVariables() []formatVariable {
	return []formatVariable{
		onBuffer("buffer_created", func(b *Buffer) string { t, _ := seconds(b.Created); return t }),
		onBuffer("buffer_name", func(b *Buffer) string { return b.Name }),
		onBuffer("buffer_sample", func(b *Buffer) string { return b.Sample }),
		onBuffer("buffer_size", func(b *Buffer) string { return strconv.Itoa(b.Size) }),
	}
}

func onSession(name string, get func(*Session) string) formatVariable {
	return formatVariable{name: name, get: func(c *FormatContext) (string, bool) {
		if c.Session == nil {
			return "", false
		}
		return get(c.Session), true
	}}
}

// maySession is onSession for what a session may be without.
func maySession(name string, get func(*FormatContext, *Session) (string, bool)) formatVariable {
	return formatVariable{name: name, get: func(c *FormatContext) (string, bool) {
		if c.Session == nil {
			return "", false
		}
		return get(c, c.Session)
	}}
}

func sessionVariables() []formatVariable {
	return append([]formatVariable{
		maySession("session_activity", func(_ *FormatContext, s *Session) (string, bool) { return seconds(s.Activity) }),
		onSession("session_attached", func(s *Session) string { return strconv.Itoa(s.Attached) }),
		maySession("session_created", func(_ *FormatContext, s *Session) (string, bool) { return seconds(s.Created) }),
		onSession("session_id", func(s *Session) string { return s.ID.String() }),
		maySession("session_last_attached", func(_ *FormatContext, s *Session) (string, bool) { return seconds(s.LastAttached) }),
		onSession("session_many_attached", func(s *Session) string { return flagText(s.Attached > 1) }),
		onSession("session_name", func(s *Session) string { return s.Name }),
		onSession("session_path", func(s *Session) string { return s.Path }),
		onSession("session_windows", func(s *Session) string { return strconv.Itoa(len(s.Links)) }),
		onSession("session_stack", sessionStack),
		maySession("active_window_index", func(_ *FormatContext, s *Session) (string, bool) { return indexText(s.Current) }),
		maySession("last_window_index", func(_ *FormatContext, s *Session) (string, bool) {
			if len(s.Links) == 0 {
				return "", false
			}
			return strconv.Itoa(s.Links[len(s.Links)-1].Index), true
		}),
		maySession("session_marked", func(c *FormatContext, s *Session) (string, bool) {
			return flagText(c.Snap.Marked != nil && c.Snap.Marked.Session == s.ID), true
		}),
		maySession("session_active", func(c *FormatContext, s *Session) (string, bool) {
			return flagText(c.Client != nil && c.Client.Session == s.ID), c.Client != nil
		}).from(v36),
		onSession("session_alerts", sessionAlerts),
		onSession("session_alert", sessionAlert).from(v36),
		maySession("session_attached_list", func(c *FormatContext, s *Session) (string, bool) {
			return someText(clientNames(c.clientsOf(s)))
		}),
	}, groupVariables()...)
}

// indexText is a window's index, which a hidden window does not have.
func indexText(index int) (string, bool) {
	if index < 0 {
		return "", false
	}
	return strconv.Itoa(index), true
}

func sessionStack(s *Session) string {
	var list []string
	for _, index := range append([]int{s.Current}, s.Last...) {
		if index >= 0 {
			list = append(list, strconv.Itoa(index))
		}
	}
	return strings.Join(list, ",")
}

func alertMarks(l *Winlink) string {
	marks := ""
	if l.Activity {
		marks += "#"
	}
	if l.Bell {
		marks += "!"
	}
	if l.Silence {
		marks += "~"
	}
	return marks
}

func sessionAlerts(s *Session) string {
	var list []string
	for i := range s.Links {
		if marks := alertMarks(&s.Links[i]); marks != "" {
			list = append(list, strconv.Itoa(s.Links[i].Index)+marks)
		}
	}
	return strings.Join(list, ",")
}

// sessionAlert has each mark once, in the order in which the windows have them.
func sessionAlert(s *Session) string {
	all := ""
	for i := range s.Links {
		for _, mark := range alertMarks(&s.Links[i]) {
			if !strings.ContainsRune(all, mark) {
				all += string(mark)
			}
		}
	}
	return all
}

func clientNames(list []*Client) string {
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = c.Name
	}
	return strings.Join(names, ",")
}

func sessionNames(list []*Session) string {
	names := make([]string, len(list))
	for i, s := range list {
		names[i] = s.Name
	}
	return strings.Join(names, ",")
}

// inGroup makes a variable of the group that a session is in.
func inGroup(name string, get func(*FormatContext, []*Session) string) formatVariable {
	return maySession(name, func(c *FormatContext, s *Session) (string, bool) {
		if s.Group == "" {
			return "", false
		}
		return get(c, c.index().groups[s.Group]), true
	})
}

func groupVariables() []formatVariable {
	attached := func(list []*Session) int {
		n := 0
		for _, s := range list {
			n += s.Attached
		}
		return n
	}
	return []formatVariable{
		maySession("session_group", func(_ *FormatContext, s *Session) (string, bool) { return someText(s.Group) }),
		onSession("session_grouped", func(s *Session) string { return flagText(s.Group != "") }),
		inGroup("session_group_attached", func(_ *FormatContext, list []*Session) string { return strconv.Itoa(attached(list)) }),
		maySession("session_group_attached_list", func(c *FormatContext, s *Session) (string, bool) {
			if s.Group == "" {
				return "", false
			}
			return someText(clientNames(c.clientsOf(c.index().groups[s.Group]...)))
		}),
		inGroup("session_group_list", func(_ *FormatContext, list []*Session) string { return sessionNames(list) }),
		inGroup("session_group_many_attached", func(_ *FormatContext, list []*Session) string { return flagText(attached(list) > 1) }),
		maySession("session_group_size", func(_ *FormatContext, s *Session) (string, bool) {
			return strconv.Itoa(s.GroupSize), s.Group != ""
		}),
	}
}

func onClient(name string, get func(*Client) string) formatVariable {
	return formatVariable{name: name, get: func(c *FormatContext) (string, bool) {
		if c.Client == nil {
			return "", false
		}
		return get(c.Client), true
	}}
}

// mayClient is onClient for what is empty where a client has no value.
func mayClient(name string, get func(*Client) string) formatVariable {
	return formatVariable{name: name, get: func(c *FormatContext) (string, bool) {
		if c.Client == nil {
			return "", false
		}
		return someText(get(c.Client))
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

func sizeText(n int) string {
	if n < 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func clientVariables() []formatVariable {
	list := []formatVariable{
		mayClient("client_activity", func(c *Client) string { t, _ := seconds(c.Activity); return t }),
		onClient("client_control_mode", func(c *Client) string { return flagText(c.hasFlag("control-mode")) }),
		mayClient("client_created", func(c *Client) string { t, _ := seconds(c.Created); return t }),
		onClient("client_flags", func(c *Client) string { return c.Flags }),
		mayClient("client_height", func(c *Client) string { return sizeText(c.Height) }),
		mayClient("client_last_session", func(c *Client) string { return c.LastSession }),
		onClient("client_name", func(c *Client) string { return c.Name }),
		onClient("client_pid", func(c *Client) string { return strconv.Itoa(c.PID) }),
		onClient("client_readonly", func(c *Client) string { return flagText(c.hasFlag("read-only")) }),
		{name: "client_session", get: func(c *FormatContext) (string, bool) {
			if c.Client == nil {
				return "", false
			}
			if s := c.Snap.Session(c.Client.Session); s != nil {
				return s.Name, true
			}
			return "", false
		}},
		onClient("client_termname", func(c *Client) string { return c.TermName }),
		onClient("client_tty", func(c *Client) string { return c.TTY }),
		onClient("client_uid", func(c *Client) string { return strconv.Itoa(c.UID) }).from(v33),
		mayClient("client_user", func(c *Client) string { return c.User }).from(v33),
		onClient("client_utf8", func(c *Client) string { return flagText(c.hasFlag("UTF-8")) }),
		mayClient("client_width", func(c *Client) string { return sizeText(c.Width) }),
	}
	for i, f := range clientFields() {
		list = append(list, mayClient(f.name, func(c *Client) string { return valueAt(c.values, i) }).from(f.since))
	}
	return list
}

func valueAt(values []string, i int) string {
	if i >= len(values) {
		return ""
	}
	return values[i]
}
