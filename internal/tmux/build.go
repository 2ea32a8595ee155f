package tmux

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// builder collects rows into a snapshot. Windows that are linked several times
// come once for each link, with their panes, and are kept once.
type builder struct {
	snap    *Snapshot
	servers int
	ids     map[SessionID]bool
	windows map[WindowID]int // index into snap.Windows
	panes   map[PaneID]bool
	linked  map[WindowID]string // names of the sessions a window is linked into
	counts  fieldCounts
	at      int  // the window that the next panes belong to, -1 before the first
	again   bool // that window was there before: so were its panes
	whole   bool // the last row has come
}

// fieldCounts say how many fields the rows have that differ between versions.
type fieldCounts struct{ pane, mode, client int }

func newBuilder(d Detail) *builder {
	return &builder{
		snap: &Snapshot{Detail: d}, at: -1,
		ids: map[SessionID]bool{}, windows: map[WindowID]int{}, panes: map[PaneID]bool{},
		linked: map[WindowID]string{},
	}
}

func (b *builder) server(r *row) error {
	b.servers++
	s := b.snap
	s.Incarnation.PID = r.int()
	s.Incarnation.StartTime = r.number()
	version := r.word()
	s.Incarnation.Mark = r.text()
	if s.Detail == Full {
		s.Options.SetClipboard = r.word()
		s.Options.ExitUnattached = r.flag()
		s.Options.DefaultShell = r.text()
		s.Options.DefaultCommand = r.text()
		b.counts = fieldCounts{r.count(len(paneFields())), r.count(len(modeFields())), r.count(len(clientFields()))}
	}
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

// mark reads one place of the marked pane. It may be linked at several; it was
// marked at the one whose session and window say so.
func (b *builder) mark(r *row) error {
	here := r.word() == "11"
	m := Marked{Session: r.sessionID(), Index: r.int(), Window: r.windowID(), Pane: r.paneID()}
	if here {
		b.snap.Marked = &m
	}
	return nil
}

func (b *builder) session(r *row) error {
	var s Session
	s.ID = r.sessionID()
	s.Activity, s.LastAttached, s.Attached = r.number(), r.number(), r.int()
	stack := r.word()
	s.Renumber, s.BaseIndex = r.flag(), r.int()
	s.Group = r.text()
	if b.snap.Detail == Full {
		s.Created = r.number()
		s.GroupSize = r.int()
		s.Path = r.ascii()
	}
	s.Name = r.last()
	if err := parseStack(&s, stack); err != nil {
		return err
	}
	if b.ids[s.ID] {
		return fmt.Errorf("session %s listed twice", s.ID)
	}
	b.ids[s.ID], b.at = true, -1
	b.snap.Sessions = append(b.snap.Sessions, s)
	return nil
}

// parseStack reads the indexes of the current window and of those before it.
func parseStack(s *Session, stack string) error {
	for i, field := range strings.Split(stack, ",") {
		if !allDigits(field) || len(field) > 10 {
			return fmt.Errorf("not a window index: %.40q", field)
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
	link := Winlink{Index: r.int(), Window: r.windowID()}
	flags := r.word()
	w := Window{ID: link.Window, Zoomed: strings.Contains(flags, "Z")}
	w.PaneBase, w.BorderStatus = r.int(), r.word()
	w.Layout = r.word()
	if b.snap.Detail == Full {
		w.VisibleLayout = r.word()
		w.Activity = r.number()
		w.CellWidth, w.CellHeight = r.int(), r.int()
		b.linked[w.ID] = r.text()
	}
	w.Name = r.last()
	if len(b.snap.Sessions) == 0 {
		return errors.New("a window without a session")
	}
	link.Activity = strings.Contains(flags, "#")
	link.Bell = strings.Contains(flags, "!")
	link.Silence = strings.Contains(flags, "~")
	s := &b.snap.Sessions[len(b.snap.Sessions)-1]
	if s.Link(link.Index) != nil {
		return fmt.Errorf("two windows at index %d", link.Index)
	}
	s.Links = append(s.Links, link)
	if b.at, b.again = b.windows[w.ID]; b.again {
		return nil
	}
	b.at = len(b.snap.Windows)
	b.windows[w.ID] = b.at
	b.snap.Windows = append(b.snap.Windows, w)
	return nil
}

func (b *builder) pane(r *row, active bool) error {
	if b.at < 0 {
		return errors.New("a pane without a window")
	}
	w := &b.snap.Windows[b.at]
	p := Pane{ID: r.paneID(), Window: w.ID, Index: r.int()}
	last := r.flag()
	p.PID, p.TTY = r.int(), r.word()
	if b.snap.Detail == Full {
		readPaneMore(r, &p, b.counts)
	}
	if r.more {
		r.fail("the end of the line", r.rest)
	}
	if b.again {
		if !slices.Contains(w.Panes, p.ID) {
			return fmt.Errorf("pane %s was not in window %s before", p.ID, w.ID)
		}
		return nil
	}
	if b.panes[p.ID] {
		return fmt.Errorf("pane %s listed twice", p.ID)
	}
	if active {
		w.Active, w.HasActive = p.ID, true
	}
	if last {
		w.Last, w.HasLast = p.ID, true
	}
	w.Panes = append(w.Panes, p.ID)
	b.panes[p.ID] = true
	b.snap.Panes = append(b.snap.Panes, p)
	return nil
}

func readPaneMore(r *row, p *Pane, n fieldCounts) {
	p.Left, p.Top, p.Width, p.Height = r.place(), r.place(), r.int(), r.int()
	set := r.bits(5)
	p.Dead, p.InputOff, p.Synchronized, p.Piped, p.Alternate = set[0], set[1], set[2], set[3], set[4]
	p.InMode, p.Mode = r.int(), r.word()
	p.HistorySize, p.HistoryLimit, p.HistoryBytes = r.int(), r.int(), r.number()
	p.CursorX, p.CursorY = r.int(), r.int()
	p.DeadStatus = r.word()
	p.CurrentCommand, p.CurrentPath, p.StartCommand = r.ascii(), r.ascii(), r.ascii()
	p.values = readFields(r, n.pane)
	if p.InMode > 0 {
		p.modeValues = readFields(r, n.mode)
	}
	p.Title = r.text()
}

func (b *builder) client(r *row) error {
	var c Client
	c.PID = r.int()
	c.Session = r.sessionID()
	c.Activity = r.number()
	c.Flags, c.TTY = r.word(), r.ascii()
	if b.snap.Detail == Full {
		c.Created = r.number()
		c.Width, c.Height = r.size(), r.size()
		c.LastSession = r.text()
		c.UID, _ = strconv.Atoi(r.ascii()) // empty before 3.3
		c.TermName = r.ascii()
		c.values = readFields(r, b.counts.client)
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

// ErrUnfinished is the error of an answer, as a snapshot, that lacks its last row: tmux (3.7 and
// newer) took longer than it allows itself.
var ErrUnfinished = errors.New("tmux took longer for it than it allows itself, and left it unfinished")

// finish checks that nothing is missing, and places the panes.
func (b *builder) finish() error {
	if b.servers != 1 {
		return fmt.Errorf("%d lines about the server, want one", b.servers)
	}
	if b.snap.Version.AtLeast(v37) && !b.whole {
		return ErrUnfinished
	}
	for i := range b.snap.Sessions {
		if s := &b.snap.Sessions[i]; s.CurrentLink() == nil {
			return fmt.Errorf("session %s lacks its current window", s.ID)
		}
	}
	for i := range b.snap.Windows {
		if w := &b.snap.Windows[i]; !w.HasActive {
			return fmt.Errorf("window %s lacks its active pane", w.ID)
		}
	}
	if m := b.snap.Marked; m != nil && (!b.ids[m.Session] || !b.panes[m.Pane]) {
		return fmt.Errorf("marked pane %s is not listed", m.Pane)
	}
	b.snap.index()
	for i := range b.snap.Windows {
		w := &b.snap.Windows[i]
		// Which order tmux lists panes in depends on its version.
		slices.SortStableFunc(w.Panes, func(x, y PaneID) int { return b.snap.Pane(x).Index - b.snap.Pane(y).Index })
		b.snap.place(w)
		w.Linked = b.linkOrder(b.linked[w.ID])
	}
	return nil
}

// linkOrder reads the names of the sessions that a window is linked into. Names
// may have commas in them: then the shortest one that fits is taken.
func (b *builder) linkOrder(names string) []SessionID {
	var order []SessionID
	for rest, more := names, true; more; {
		var name string
		name, rest, more = strings.Cut(rest, ",")
		s := b.snap.SessionByName(name)
		for s == nil && more {
			var part string
			part, rest, more = strings.Cut(rest, ",")
			name += "," + part
			s = b.snap.SessionByName(name)
		}
		if s == nil {
			return nil
		}
		order = append(order, s.ID)
	}
	return order
}

// ParseAliases reads `show-options -s command-alias`: one line for each, the
// value quoted as tmux quotes option values. What cannot be read becomes an
// alias whose value no parser accepts, so that its name is refused.
func ParseAliases(reply string, v Version) []CommandAlias {
	var all []CommandAlias
	for line := range strings.Lines(reply) {
		line = strings.TrimRight(line, "\r\n")
		_, value, ok := strings.Cut(line, " ")
		if !ok || !strings.HasPrefix(line, "command-alias[") {
			continue
		}
		if v.AtLeast(v34) && !v.AtLeast(v35) {
			value = escapedOnce(value)
		}
		plain := unquoteOption(value)
		if name, command, ok := strings.Cut(plain, "="); ok {
			all = append(all, CommandAlias{Name: name, Value: command})
		}
	}
	return all
}

// escapedOnce makes of a value as 3.4 shows it what the other versions show: it
// puts two backslashes before a $ that begins a variable, where they put one.
func escapedOnce(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		b.WriteByte(s[i])
		if s[i] != '\\' || i+1 == len(s) {
			continue
		}
		i++
		if s[i] == '\\' && i+2 < len(s) && s[i+1] == '$' && (s[i+2] == '{' || inName(int(s[i+2]), true)) {
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
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
