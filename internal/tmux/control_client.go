package tmux

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// ControlSettings are what refresh-client changes about a client in control mode,
// as far as a guest may: what that one client is told.
type ControlSettings struct {
	// Flags are for the client, as -f of tmux takes them.
	Flags []string
	Panes []PaneSetting
	// Watches are subscriptions that begin, or end if they have no Format.
	Watches []Watch
}

// PaneSetting says how a client is told of a pane: on, off, continue or pause.
type PaneSetting struct {
	Pane  PaneID
	State string
}

const (
	// maxClientSize is the most that tmux takes for a size.
	maxClientSize = 10000
	// maxSettings bounds what one command changes.
	maxSettings = 1000
)

var (
	pauseForm = regexp.MustCompile(`^pause-after(=[0-9]{1,6})?$`)
	sizeForm  = regexp.MustCompile(`^(?:@[0-9]{1,9}:)?([0-9]{1,9})[x,]([0-9]{1,9})$`)
)

// ControlSettings reads the settings of a guest's refresh-client, nil if it has
// none. A size is read and counts for nothing: a client that is told of what
// others show sizes none of it.
func (inv *Invocation) ControlSettings(v Version) (*ControlSettings, error) {
	if !inv.Has('A') && !inv.Has('B') && !inv.Has('C') && !inv.Has('f') && !inv.Has('F') || inv.Row.Name != "refresh-client" {
		return nil, nil
	}
	if len(inv.Flags) > maxSettings {
		return nil, fmt.Errorf("refresh-client: more than %d flags", maxSettings)
	}
	s := &ControlSettings{}
	for _, letter := range []byte{'F', 'f'} {
		value, _ := inv.Get(letter)
		for name := range strings.SplitSeq(value, ",") {
			if err := s.flag(name); err != nil {
				return nil, fmt.Errorf("refresh-client -%c %s: %w", letter, quoted(name), err)
			}
		}
	}
	for _, value := range inv.Values('A') {
		s.pane(value)
	}
	if len(s.Panes) > maxPaneSettings {
		return nil, fmt.Errorf("refresh-client: more than %d panes at once", maxPaneSettings)
	}
	for _, value := range inv.Values('B') {
		if err := s.watch(value, v); err != nil {
			return nil, fmt.Errorf("refresh-client -B %s: %w", quoted(value), err)
		}
	}
	if value, given := inv.Get('C'); given {
		if err := checkClientSize(value); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// maxPaneSettings bounds how often one command of a guest has tmux asked.
const maxPaneSettings = 64

// flag takes one flag. What a guest's client is anyway needs no saying.
func (s *ControlSettings) flag(name string) error {
	plain, off := strings.CutPrefix(name, "!")
	switch {
	case name == "", name == "read-only", name == "ignore-size":
	case plain == "no-output", plain == "wait-exit", pauseForm.MatchString(plain):
		s.Flags = append(s.Flags, name)
	case off && (plain == "read-only" || plain == "ignore-size"):
		return errors.New(noFlags)
	default:
		return errors.New("not offered to guests; no-output, pause-after and wait-exit are")
	}
	return nil
}

// pane takes the setting of one pane. tmux says nothing of what is none.
func (s *ControlSettings) pane(value string) {
	id, state, _ := strings.Cut(value, ":")
	pane, err := ParsePaneID(id)
	if err != nil {
		return
	}
	switch state {
	case "on", "off", "continue", "pause":
		s.Panes = append(s.Panes, PaneSetting{pane, state})
	}
}

// watch takes a subscription, or the end of one.
func (s *ControlSettings) watch(value string, v Version) error {
	name, rest, begins := strings.Cut(value, ":")
	if err := checkName(name); err != nil {
		return err
	}
	what, text, ok := strings.Cut(rest, ":")
	if begins && !ok {
		return nil // as tmux, which then does nothing
	}
	w := Watch{Name: name}
	if begins {
		w.of(what)
		var err error
		if w.Format, err = CompileFormatFor(text, v); err != nil {
			return err
		}
	}
	s.Watches = append(s.Watches, w)
	return nil
}

// checkClientSize says what tmux says of a size.
func checkClientSize(value string) error {
	if forgetsForm.MatchString(value) {
		return nil
	}
	parts := sizeForm.FindStringSubmatch(value)
	if parts == nil {
		return errors.New("bad size argument")
	}
	for _, part := range parts[1:] {
		if n, err := strconv.Atoi(part); err != nil || n < 1 || n > maxClientSize {
			return errors.New("size too small or too big")
		}
	}
	return nil
}

// Watch is a subscription of a client in control mode: it is told of the value of
// a format when that changes.
type Watch struct {
	Name   string
	Format *Format

	panes, windows bool // of panes or of windows, else of the session
	all            bool // of all of them, else of the one with this id:
	pane           PaneID
	window         WindowID
}

// of reads what a subscription is about. As with tmux that is the session if it
// is nothing else.
func (w *Watch) of(what string) {
	if what == "%*" || what == "@*" {
		w.all, w.panes, w.windows = true, what[0] == '%', what[0] == '@'
		return
	}
	if id, err := ParsePaneID(what); err == nil {
		w.panes, w.pane = true, id
	} else if id, err := ParseWindowID(what); err == nil {
		w.windows, w.window = true, id
	}
}

// watchSteps is how much work the subscriptions of one person may take each time,
// all together: some milliseconds.
const watchSteps = 1 << 17

// WatchWork is what is left of it.
type WatchWork struct{ formatWork }

// NewWatchWork is for one time.
func NewWatchWork() *WatchWork { return &WatchWork{formatWork{watchSteps}} }

// Values gives the notifications, without newlines, that tell the values of a
// subscription to somebody who is at a session, over a snapshot of [Full] detail
// that holds only what they may see. base gives what is not of a row, and their
// client. A value that takes too much work is not there.
func (w *Watch) Values(snap *Snapshot, at SessionID, base FormatContext, work *WatchWork) []string {
	session := snap.Session(at)
	if session == nil {
		return nil
	}
	var all []string
	add := func(f Found, place string) {
		c := contextOf(snap, f)
		c.Client, c.UID, c.Host, c.Zone, c.Now = base.Client, base.UID, base.Host, base.Zone, base.Now
		text, err := w.Format.expand(&c, &work.formatWork)
		if err != nil {
			return
		}
		all = append(all, fmt.Sprintf("%%subscription-changed %s %v %s : %s", w.Name, at, place, oneLine(text)))
	}
	if !w.panes && !w.windows {
		add(Found{Session: session}, "- - -")
		return all
	}
	for i := range session.Links {
		l := &session.Links[i]
		window := snap.Window(l.Window)
		switch {
		case window == nil:
		case w.windows && (w.all || w.window == window.ID):
			f := Found{Session: session, Link: l, Window: window}
			add(f, fmt.Sprintf("%v %d -", window.ID, l.Index))
		case w.panes:
			for j := range window.Panes {
				if p := snap.Pane(window.Panes[j]); p != nil && (w.all || w.pane == p.ID) {
					f := Found{Session: session, Link: l, Window: window, Pane: p}
					add(f, fmt.Sprintf("%v %d %v", window.ID, l.Index, p.ID))
				}
			}
		}
	}
	return all
}

// oneLine is a value as it can stand in a line: nothing in it ends that.
func oneLine(text string) string { return strings.ReplaceAll(Clean(text), "\n", " ") }
