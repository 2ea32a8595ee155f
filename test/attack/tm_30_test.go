package attack

import (
	"regexp"
	"slices"
	"testing"
)

// Carol may type, read and split in one session. Where tmux takes a number she
// writes something else: a format, a shell command, one that is too long, a
// number with something after it. A guest's number is a number, and nothing
// else is sent to tmux in its place.
func TestTM30NumbersOfAGuest(t *testing.T) {
	t.Parallel()
	helps := standardGrants + "  - {who: mwcarol, role: operator, on: mwalice/shared, reason: helps}\n"
	row{grants: helps, teeth: "teeth_guest", restless: true, gains: 2, attack: func(w *world) {
		const a = "mwalice/shared:0.0"
		lure := "#(" + w.lure() + ")"
		for _, number := range []string{lure, "1" + lure, "#{pid}", "#{l:1}", "-" + lure, "10%" + lure, "1 2", "0x1", "", "99999999999999999999"} {
			for _, args := range [][]string{
				{"capture-pane", "-p", "-t", a, "-S", number}, {"capture-pane", "-p", "-t", a, "-E", number},
				{"split-window", "-d", "-t", a, "-l", number, "cat"}, {"split-window", "-d", "-t", a, "-p", number, "cat"},
				{"send-keys", "-t", a, "-N", number},
			} {
				w.refused(carol, args...)
			}
		}
		soonIf(w.control, func() bool { return caught(w) })
		for _, e := range w.Audit() {
			w.onlyNumbers(e.Person, e.Executed)
		}
		// What is a number is one.
		for _, args := range [][]string{
			{"capture-pane", "-p", "-t", a, "-S", "-", "-E", "-"}, {"capture-pane", "-p", "-t", a, "-S", "-10", "-E", "5"},
			{"split-window", "-d", "-t", a, "-l", "2", "cat"}, {"split-window", "-d", "-t", a, "-l", "20%", "cat"},
		} {
			if r := w.try(carol, args...); r.Code != 0 && !w.control {
				w.t.Errorf("%q: %+v", args, r)
			}
		}
	}}.run(t)
}

var aNumber = regexp.MustCompile(`^(-|[+-]?[0-9]{1,9}|[0-9]{1,9}%)$`)

// onlyNumbers looks at what tmux was told for a guest.
func (w *world) onlyNumbers(who string, executed []string) {
	for i := 1; i < len(executed); i++ {
		flag, capture := executed[i-1], executed[0] == "capture-pane"
		if flag == "-p" && capture {
			continue // is no number there
		}
		if who == carol && slices.Contains([]string{"-S", "-E", "-l", "-p", "-N"}, flag) && !aNumber.MatchString(executed[i]) {
			w.gain("tmux was told %q for a number: %q", executed[i], executed)
		}
	}
}
