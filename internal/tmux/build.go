package tmux

import (
	"errors"
	"fmt"
	"strings"
)

// builder collects rows into a snapshot. Rows of linked windows come once for
// each link and are kept once.
type builder struct {
	snap     *Snapshot
	servers  int
	sessions map[SessionID]int // index into snap.Sessions
	windows  map[WindowID]int
	panes    map[PaneID]int
	counts   map[SessionID]int // windows that the session row announced
	marked   Marked
	marks    int
}

func (b *builder) server(r *row) error {
	b.servers++
	s := b.snap
	s.Incarnation.PID = r.int()
	s.Incarnation.StartTime = r.number()
	version := r.word()
	s.Incarnation.Mark = r.text()
	s.Options.SetClipboard = r.word()
	s.Options.ExitUnattached = r.flag()
	s.Options.DefaultShell = r.text()
	s.Options.DefaultCommand = r.text()
	if r.err != nil {
		return r.err
	}
	v, err := ParseVersion(version)
	if err != nil {
		return err
	}
	s.Version = v
	return nil
}

func (b *builder) session(r *row) error {
	var s Session
	s.ID = r.sessionID()
	s.Created, s.Activity, s.LastAttached = r.number(), r.number(), r.number()
	s.Attached = r.int()
	windows := r.int()
	stack := r.word()
	marked := r.flag()
	s.GroupSize = r.int()
	s.BaseIndex = r.int()
	s.Prefix = r.text()
	s.Group = r.text()
	if b.snap.Detail == Full {
		s.Path = r.ascii()
	}
	s.Name = r.last()
	if err := parseStack(&s, stack); err != nil {
		return err
	}
	if _, twice := b.sessions[s.ID]; twice {
		return fmt.Errorf("session %s listed twice", s.ID)
	}
	if marked {
		b.marked.Session = s.ID
		b.marks++
	}
	if b.counts == nil {
		b.counts = map[SessionID]int{}
	}
	b.counts[s.ID] = windows
	b.sessions[s.ID] = len(b.snap.Sessions)
	b.snap.Sessions = append(b.snap.Sessions, s)
	return nil
}

// parseStack reads the indexes of the current window and of those before it.
func parseStack(s *Session, stack string) error {
	for i, field := range strings.Split(stack, ",") {
		if !allDigits(field) || len(field) > 10 {
			return fmt.Errorf("session %s: not a window index: %.40q", s.ID, field)
		}
		index := (&row{rest: field, more: true}).int()
		if i == 0 {
			s.Current = index
		} else {
			s.Last = append(s.Last, index)
		}
	}
	return nil
}

func (b *builder) window(r *row) error {
	session := r.sessionID()
	link := Winlink{Index: r.int(), Window: r.windowID()}
	flags := r.word()
	w := Window{ID: link.Window}
	panes := r.int()
	w.Width, w.Height = r.int(), r.int()
	w.Zoomed = r.flag()
	w.PaneBase = r.int()
	w.BorderStatus = r.word()
	if b.snap.Detail == Full {
		w.Layout, w.VisibleLayout = r.word(), r.word()
	}
	w.Name = r.last()
	at, ok := b.sessions[session]
	if !ok {
		return fmt.Errorf("window %s in session %s, which is not listed", w.ID, session)
	}
	link.Activity = strings.Contains(flags, "#")
	link.Bell = strings.Contains(flags, "!")
	link.Silence = strings.Contains(flags, "~")
	if strings.Contains(flags, "M") {
		b.marked.Index, b.marked.Window = link.Index, w.ID
		b.marks++
	}
	s := &b.snap.Sessions[at]
	s.Links = append(s.Links, link)
	if _, twice := b.windows[w.ID]; !twice {
		w.Panes = make([]PaneID, 0, min(panes, 64))
		b.windows[w.ID] = len(b.snap.Windows)
		b.snap.Windows = append(b.snap.Windows, w)
	}
	return nil
}

func (b *builder) pane(r *row) error {
	var p Pane
	p.Window, p.ID = r.windowID(), r.paneID()
	p.Index = r.int()
	p.Left, p.Top, p.Width, p.Height = r.int(), r.int(), r.int(), r.int()
	set := r.bits(8)
	p.Dead, p.InputOff, p.Synchronized, p.Piped, p.Alternate = set[2], set[4], set[5], set[6], set[7]
	p.InMode, p.Mode = r.int(), r.word()
	p.PID, p.TTY = r.int(), r.word()
	if b.snap.Detail == Full {
		p.HistorySize, p.HistoryLimit, p.HistoryBytes = r.int(), r.int(), r.number()
		p.CursorX, p.CursorY = r.int(), r.int()
		p.DeadStatus = r.word()
		p.CurrentCommand, p.CurrentPath, p.StartCommand = r.ascii(), r.ascii(), r.ascii()
		p.Title = r.text()
	}
	if r.err != nil {
		return nil // told by the caller, with the line
	}
	at, ok := b.windows[p.Window]
	if !ok {
		return fmt.Errorf("pane %s in window %s, which is not listed", p.ID, p.Window)
	}
	if _, twice := b.panes[p.ID]; twice {
		return nil
	}
	w := &b.snap.Windows[at]
	if set[0] {
		w.Active, w.HasActive = p.ID, true
	}
	if set[1] {
		w.Last, w.HasLast = p.ID, true
	}
	if set[3] {
		b.marked.Pane = p.ID
		b.marks++
	}
	w.Panes = append(w.Panes, p.ID)
	b.panes[p.ID] = len(b.snap.Panes)
	b.snap.Panes = append(b.snap.Panes, p)
	return nil
}

func (b *builder) client(r *row) error {
	var c Client
	c.PID = r.int()
	c.Session = r.sessionID()
	c.Activity, c.Created = r.number(), r.number()
	c.Width, c.Height = r.size(), r.size()
	c.UID = r.int()
	c.Flags = r.word()
	c.TTY = r.ascii()
	if b.snap.Detail == Full {
		c.TermName, c.User, c.LastSession = r.ascii(), r.ascii(), r.text()
	}
	c.Name = r.ascii()
	b.snap.Clients = append(b.snap.Clients, c)
	return nil
}

func (b *builder) buffer(r *row) error {
	buf := Buffer{Size: r.int(), Created: r.number(), Name: r.ascii(), Sample: r.text()}
	b.snap.Buffers = append(b.snap.Buffers, buf)
	return nil
}

// finish checks that the replies describe one and the same moment.
func (b *builder) finish() error {
	if b.servers != 1 {
		return fmt.Errorf("%d lines about the server, want one", b.servers)
	}
	for i := range b.snap.Sessions {
		s := &b.snap.Sessions[i]
		if len(s.Links) != b.counts[s.ID] || s.CurrentLink() == nil {
			return fmt.Errorf("session %s changed while it was listed", s.ID)
		}
	}
	for i := range b.snap.Windows {
		if w := &b.snap.Windows[i]; !w.HasActive {
			return fmt.Errorf("window %s changed while it was listed", w.ID)
		}
	}
	switch b.marks {
	case 0:
	case 3:
		m := b.marked
		b.snap.Marked = &m
	default:
		// The marked window may be gone from its session while the pane
		// lives on elsewhere; tmux then has no marked pane either.
		if b.marks > 3 {
			return errors.New("more than one marked pane")
		}
	}
	b.snap.index()
	return nil
}

// parseAliases reads `show-options -s command-alias`: one line for each, the
// value quoted as tmux quotes option values. What cannot be read becomes an
// alias whose value no parser accepts, so that its name is refused.
func parseAliases(reply string) []CommandAlias {
	var all []CommandAlias
	for line := range strings.Lines(reply) {
		line = strings.TrimRight(line, "\r\n")
		_, value, ok := strings.Cut(line, " ")
		if !ok || !strings.HasPrefix(line, "command-alias[") {
			continue
		}
		plain := unquoteOption(value)
		if name, command, ok := strings.Cut(plain, "="); ok {
			all = append(all, CommandAlias{Name: name, Value: command})
		}
	}
	return all
}

// unquoteOption undoes the quoting of option values: '…', "…" with backslash
// escapes, or one escaped character.
func unquoteOption(s string) string {
	switch {
	case len(s) >= 2 && s[0] == '\'' && s[len(s)-1] == '\'':
		s = s[1 : len(s)-1]
	case len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"':
		s = s[1 : len(s)-1]
	}
	return unescape(s)
}

// unescape undoes vis(3) escapes: \n and friends, \ooo, \c.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if i+2 < len(s) && s[i] >= '0' && s[i] <= '3' && allDigits(s[i:i+3]) {
			b.WriteByte((s[i]-'0')<<6 | (s[i+1]-'0')<<3 | (s[i+2] - '0'))
			i += 2
			continue
		}
		if at := strings.IndexByte("abefnrstv0", s[i]); at >= 0 {
			b.WriteByte("\a\b\x1b\f\n\r \t\v\x00"[at])
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
