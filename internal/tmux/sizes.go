package tmux

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// The most that anybody may have a window or a client measure, who holds every
// verb: tmux draws whatever it is told, and everybody who watches waits for it.
const (
	mostColumns = 2000
	mostRows    = 1000
	// What is above these tmux refuses in its own words.
	sessionMost = 65535
	windowMost  = 10000
	anySize     = 1<<63 - 1
)

// clientSize is how refresh-client takes sizes: of the client, or of a window of
// it.
var clientSize = regexp.MustCompile(`^\s*(?:@[0-9]*:)?\s*\+?([0-9]+)[x,]\s*\+?([0-9]+)`)

// Sizes reports whether the command tells tmux the size of a window or a client
// that is there.
func (inv *Invocation) Sizes() bool {
	return inv.Row.Name == "resize-window" || inv.Row.Name == "refresh-client" && inv.Has('C')
}

// CheckSizes refuses sizes above what muxward lets tmux hear of, whoever gives
// them, also in commands that the command holds. w is the window that it is
// about, nil if that is not known. What is no size is left to tmux to refuse.
func (inv *Invocation) CheckSizes(w *Window, opts ParseOptions) error {
	var cols, rows string
	refused := anySize
	switch inv.Row.Name {
	case "new-session":
		cols, _ = inv.Get('x')
		rows, _ = inv.Get('y')
		refused = sessionMost
	case "resize-window":
		cols, _ = inv.Get('x')
		rows, _ = inv.Get('y')
		refused = windowMost
		if w != nil && !inv.grows(w) {
			return tooLarge(inv)
		}
	case "refresh-client":
		for _, value := range inv.Values('C') {
			if m := clientSize.FindStringSubmatch(value); m != nil && (beyond(m[1], mostColumns, anySize) || beyond(m[2], mostRows, anySize)) {
				return tooLarge(inv)
			}
		}
	case "set-option", "set-window-option":
		cols, rows = inv.defaultSize()
	}
	if beyond(cols, mostColumns, refused) || beyond(rows, mostRows, refused) {
		return tooLarge(inv)
	}
	for _, n := range inv.Nested() {
		all, err := n.Commands(opts)
		if err != nil {
			continue // it runs nothing, or what is only known when it runs
		}
		for _, in := range all {
			if err := in.CheckSizes(nil, opts); err != nil {
				return err
			}
		}
	}
	return nil
}

// grows reports whether a window may grow by as much as it is asked to.
func (inv *Invocation) grows(w *Window) bool {
	by := 1
	if len(inv.Args) > 0 {
		n, err := strconv.Atoi(inv.Args[0])
		if err != nil {
			return true
		}
		by = n
	}
	return !(inv.Has('R') && by > mostColumns-w.Width || inv.Has('D') && by > mostRows-w.Height)
}

// defaultSize is the size that sessions will have that nobody is attached to, if
// the command sets that.
func (inv *Invocation) defaultSize() (cols, rows string) {
	const option, least = "default-size", "default-si" // the shortest that is no other
	if len(inv.Args) < 2 || !strings.HasPrefix(option, inv.Args[0]) || len(inv.Args[0]) < len(least) {
		return "", ""
	}
	cols, rows, _ = strings.Cut(inv.Args[1], "x")
	return cols, rows
}

// beyond reports whether a value is a number above most that tmux would take.
func beyond(value string, most, refused int) bool {
	digits := strings.TrimLeft(value, " \t+")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return false
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		n = anySize
	}
	return n > most && n <= refused
}

func tooLarge(inv *Invocation) error {
	return fmt.Errorf("%s: larger than %dx%d, the most that is allowed here", inv.Row.Name, mostColumns, mostRows)
}
