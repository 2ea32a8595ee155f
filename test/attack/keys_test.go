package attack

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// keyBytes is what a terminal of xterm's kind sends for a key, by tmux's name
// for it, and whether there is such a key.
func keyBytes(name string) (string, bool) {
	base, mods := name, 0
	for len(base) > 2 && base[1] == '-' {
		bit, ok := map[byte]int{'S': 1, 'M': 2, 'C': 4}[base[0]]
		if !ok {
			return "", false
		}
		mods, base = mods|bit, base[2:]
	}
	if m := mouseName.FindStringSubmatch(base); m != nil {
		return mouseBytes(m[1], m[2], m[3], mods), true
	}
	if base == "Space" {
		base = " "
	}
	if final, ok := map[string]string{"Up": "A", "Down": "B", "Right": "C", "Left": "D", "Home": "H", "End": "F"}[base]; ok {
		if mods == 0 {
			return "\x1b[" + final, true
		}
		return fmt.Sprintf("\x1b[1;%d%s", mods+1, final), true
	}
	if n, ok := map[string]int{"IC": 2, "DC": 3, "PPage": 5, "NPage": 6, "F1": 11, "F5": 15, "F12": 24}[base]; ok {
		if mods == 0 {
			return fmt.Sprintf("\x1b[%d~", n), true
		}
		return fmt.Sprintf("\x1b[%d;%d~", n, mods+1), true
	}
	if len(base) != 1 || mods&1 != 0 {
		return "", false
	}
	c := base[0]
	if mods&4 != 0 {
		c &= 0x1f
	}
	if mods&2 != 0 {
		return "\x1b" + string(rune(c)), true
	}
	return string(rune(c)), true
}

// mouseName takes a mouse key's name apart: what, which button, where.
var mouseName = regexp.MustCompile(`^(MouseDown|MouseUp|MouseDrag|MouseDragEnd|WheelUp|WheelDown|DoubleClick|SecondClick|TripleClick)(\d*)` +
	`(Pane|Border|Status|StatusLeft|StatusRight|StatusDefault|ScrollbarSlider|ScrollbarUp|ScrollbarDown|Control[0-9])$`)

// mouseBytes are SGR reports of a mouse at a place of the standard world's
// picture: 80 by 24, two panes above each other, the status line at the end.
func mouseBytes(what, button, where string, mods int) string {
	n, _ := strconv.Atoi(button)
	at := map[string]string{"Border": "9;12", "Status": "12;24", "StatusLeft": "2;24", "StatusRight": "78;24", "StatusDefault": "45;24"}[where]
	if strings.HasPrefix(where, "Control") { // from 3.7 on, on borders
		at = "9;12"
	}
	if at == "" {
		at = "5;5"
	}
	code := max(n-1, 0) + mods<<2
	press, release := fmt.Sprintf("\x1b[<%d;%sM", code, at), fmt.Sprintf("\x1b[<%d;%sm", code, at)
	click := press + release
	switch what {
	case "WheelUp":
		return fmt.Sprintf("\x1b[<%d;%sM", 64+mods<<2, at)
	case "WheelDown":
		return fmt.Sprintf("\x1b[<%d;%sM", 65+mods<<2, at)
	case "MouseDrag", "MouseDragEnd":
		return press + fmt.Sprintf("\x1b[<%d;9;7M", code+32) + release
	case "DoubleClick", "SecondClick":
		return click + click
	case "TripleClick":
		return click + click + click
	}
	return click
}

// bindings are the keys bound in one of the owner's tables, as tmux names them.
func (w *world) bindings(table string) (keys []string) {
	w.t.Helper()
	for _, line := range strings.Split(w.server.Run("list-keys", "-T", table), "\n") {
		_, rest, ok := strings.Cut(line, " "+table+" ")
		if !ok {
			w.t.Fatalf("list-keys: %q", line)
		}
		key := strings.Fields(rest)[0]
		if len(key) == 2 {
			key = strings.TrimPrefix(key, `\`)
		}
		keys = append(keys, key)
	}
	return keys
}

// press types every key bound in a table, after lead, but for those in but,
// and answers what asks.
func (w *world) press(x *tmuxtest.Terminal, table, lead string, but ...string) (pressed int) {
	w.t.Helper()
	skip := strings.Join(but, " ")
	for _, key := range w.bindings(table) {
		if strings.Contains(" "+skip+" ", " "+key+" ") {
			continue
		}
		bytes, ok := keyBytes(key)
		if !ok {
			w.t.Errorf("%s is bound in %s, and nothing here says how it is typed", key, table)
			continue
		}
		x.Type(lead + bytes + "y\r")
		pressed++
	}
	return pressed
}
