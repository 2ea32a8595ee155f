package tmux

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// The most that a command may have a window or a client measure on a server that
// is not one's own: everybody who watches waits while it is drawn. Terminals, and
// what guests may ask for, are smaller.
const (
	mostColumns = 2000
	mostRows    = 1000
)

// What is a size to muxward: digits, so that it is the same number to whoever
// reads it.
var (
	digitsForm  = regexp.MustCompile(`^\+?[0-9]{1,9}$`)
	extentForm  = regexp.MustCompile(`^([0-9]{1,9})x([0-9]{1,9})$`)
	clientForm  = regexp.MustCompile(`^(?:@[0-9]{1,9}:)?(\+?[0-9]{1,9})[x,](\+?[0-9]{1,9})$`)
	forgetsForm = regexp.MustCompile(`^@[0-9]{1,9}:$`) // a size is given back
)

// CountSizes counts by how many commands tmux is told the size of a window or a
// client that is there: the command itself, and those that it holds and runs.
func (inv *Invocation) CountSizes(opts ParseOptions) int {
	n := 0
	switch inv.Row.Name {
	case "resize-window":
		n = 1
	case "refresh-client":
		n = len(inv.Values('C'))
	case "bind-key", "set-hook", "set-option", "set-window-option":
		return 0 // what they hold is kept, and run by nobody now
	}
	for _, in := range inv.nested(opts) {
		n += in.CountSizes(opts)
	}
	return n
}

// nested gives the commands that a command holds, as far as they can be known
// before it runs.
func (inv *Invocation) nested(opts ParseOptions) (all []*Invocation) {
	for _, n := range inv.Nested() {
		if some, err := n.Commands(opts); err == nil {
			all = append(all, some...)
		}
	}
	return all
}

// BoundSizes holds a command to sizes that may be given on a server of somebody
// else, also in the commands that it holds: digits, and no more than the most. w
// is the window that it is about. By how much that may grow is said in what it
// measures then, so that it is the same whatever happens meanwhile.
func (inv *Invocation) BoundSizes(w *Window, opts ParseOptions) error {
	if err := inv.absolute(w); err != nil {
		return err
	}
	if err := inv.boundOwn(); err != nil {
		return err
	}
	for _, in := range inv.nested(opts) {
		if err := in.BoundSizes(nil, opts); err != nil {
			return err
		}
	}
	return nil
}

// boundOwn is BoundSizes for the command alone.
func (inv *Invocation) boundOwn() error {
	switch inv.Row.Name {
	case "new-session", "resize-window":
		return inv.boundFlags()
	case "refresh-client":
		for _, value := range inv.Values('C') {
			if forgetsForm.MatchString(value) {
				continue
			}
			m := clientForm.FindStringSubmatch(value)
			if m == nil {
				return notSize(inv, value)
			}
			if err := inv.bound(m[1], m[2]); err != nil {
				return err
			}
		}
	case "set-option", "set-window-option":
		return inv.boundDefault()
	case "select-layout":
		if len(inv.Args) > 0 { // whether it is a layout at all is looked at for everybody
			box, problem := readLayout(inv.Args[0])
			if problem == "" && (box.width > mostColumns || box.height > mostRows) {
				return tooLarge(inv)
			}
		}
	}
	return nil
}

// boundFlags looks at -x and -y.
func (inv *Invocation) boundFlags() error {
	for _, f := range inv.Flags {
		if f.Letter != 'x' && f.Letter != 'y' || f.Value == "-" && inv.Row.Name == "new-session" {
			continue
		}
		if !digitsForm.MatchString(f.Value) {
			return notSize(inv, f.Value)
		}
		cols, rows := f.Value, "1"
		if f.Letter == 'y' {
			cols, rows = "1", f.Value
		}
		if err := inv.bound(cols, rows); err != nil {
			return err
		}
	}
	return nil
}

// boundDefault looks at the size that sessions will have that nobody is attached
// to. It is given whole, so that it is known before.
func (inv *Invocation) boundDefault() error {
	const option, least = "default-size", "default-si" // the shortest that is no other
	if len(inv.Args) < 2 || !strings.HasPrefix(option, inv.Args[0]) || len(inv.Args[0]) < len(least) {
		return nil
	}
	if inv.Has('a') || inv.Has('F') {
		return fmt.Errorf("%s: give the whole %s, such as 80x24, without -a and -F", inv.Row.Name, option)
	}
	m := extentForm.FindStringSubmatch(inv.Args[1])
	if m == nil {
		return notSize(inv, inv.Args[1])
	}
	return inv.bound(m[1], m[2])
}

// absolute says by -x or -y what a window will measure that is told to grow.
func (inv *Invocation) absolute(w *Window) error {
	if inv.Row.Name != "resize-window" || !inv.Has('R') && !inv.Has('D') {
		return nil
	}
	by := "1"
	if len(inv.Args) > 0 {
		by = inv.Args[0]
	}
	switch {
	case inv.Has('L') || inv.Has('U') || inv.Has('R') && inv.Has('D') || inv.Has('x') || inv.Has('y') || inv.Has('a') || inv.Has('A'):
		return fmt.Errorf("%s: -R and -D stand alone; use -x and -y", inv.Row.Name)
	case w == nil:
		return fmt.Errorf("%s: use -x and -y here", inv.Row.Name)
	case !digitsForm.MatchString(by):
		return notSize(inv, by)
	}
	n, err := strconv.Atoi(by)
	if err != nil {
		return notSize(inv, by)
	}
	if inv.Has('R') {
		inv.Delete('R')
		inv.Set('x', strconv.Itoa(w.Width+n))
	} else {
		inv.Delete('D')
		inv.Set('y', strconv.Itoa(w.Height+n))
	}
	inv.Args = nil
	return nil
}

// bound refuses what is larger than the most. Both are digits.
func (inv *Invocation) bound(cols, rows string) error {
	w, werr := strconv.Atoi(cols)
	h, herr := strconv.Atoi(rows)
	if werr != nil || herr != nil || w > mostColumns || h > mostRows {
		return tooLarge(inv)
	}
	return nil
}

func notSize(inv *Invocation, value string) error {
	if inv.Row.Name == "refresh-client" {
		return errors.New("bad size argument") // tmux's words, for what is none for tmux, too
	}
	return fmt.Errorf("%s %s: not a size; write digits alone", inv.Row.Name, quoted(value))
}

func tooLarge(inv *Invocation) error {
	return fmt.Errorf("%s: larger than %dx%d, the most that is allowed here", inv.Row.Name, mostColumns, mostRows)
}
