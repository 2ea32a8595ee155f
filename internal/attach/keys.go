package attach

// The tables of keys as terminals send them, and the names that tmux gives
// them (tmux(1), "KEY BINDINGS").

// csiTilde names CSI number ~.
var csiTilde = map[int]string{
	1: "Home", 2: "IC", 3: "DC", 4: "End", 5: "PPage", 6: "NPage", 7: "Home", 8: "End",
	11: "F1", 12: "F2", 13: "F3", 14: "F4", 15: "F5", 17: "F6", 18: "F7", 19: "F8",
	20: "F9", 21: "F10", 23: "F11", 24: "F12",
}

// csiLetter names CSI letter and CSI 1 ; modifiers letter.
var csiLetter = map[byte]string{
	'A': "Up", 'B': "Down", 'C': "Right", 'D': "Left", 'H': "Home", 'F': "End",
	'P': "F1", 'Q': "F2", 'R': "F3", 'S': "F4",
}

// ss3Letter names ESC O letter.
var ss3Letter = map[byte]string{
	'A': "Up", 'B': "Down", 'C': "Right", 'D': "Left", 'H': "Home", 'F': "End",
	'P': "F1", 'Q': "F2", 'R': "F3", 'S': "F4", '[': "Escape",
	'a': "C-Up", 'b': "C-Down", 'c': "C-Right", 'd': "C-Left",
	'o': "KP/", 'j': "KP*", 'm': "KP-", 'w': "KP7", 'x': "KP8", 'y': "KP9",
	'k': "KP+", 't': "KP4", 'u': "KP5", 'v': "KP6", 'q': "KP1", 'r': "KP2",
	's': "KP3", 'M': "KPEnter", 'p': "KP0", 'n': "KP.",
}

// csiPlain names what is sent without parameters and takes no modifiers.
var csiPlain = map[byte]string{
	'Z': "BTab", 'a': "S-Up", 'b': "S-Down", 'c': "S-Right", 'd': "S-Left",
}

// linuxKey names CSI [ letter, as the Linux console sends it.
var linuxKey = map[byte]string{'A': "F1", 'B': "F2", 'C': "F3", 'D': "F4", 'E': "F5"}

// rxvtModifier is what ends CSI number in place of ~. A third one, $, is not
// the final byte of a control sequence and is looked for where they are read.
var rxvtModifier = map[byte]string{'^': "C-", '@': "C-S-"}

// charNames names the keys that come as a character and are none, those of
// the keypad by what the kitty keyboard protocol calls them.
var charNames = map[int]string{
	9: "Tab", 13: "Enter", 27: "Escape", 32: "Space", 127: "BSpace",
	57399: "KP0", 57400: "KP1", 57401: "KP2", 57402: "KP3", 57403: "KP4",
	57404: "KP5", 57405: "KP6", 57406: "KP7", 57407: "KP8", 57408: "KP9",
	57409: "KP.", 57410: "KP/", 57411: "KP*", 57412: "KP-", 57413: "KP+", 57414: "KPEnter",
	57417: "Left", 57418: "Right", 57419: "Up", 57420: "Down", 57421: "PPage", 57422: "NPage",
	57423: "Home", 57424: "End", 57425: "IC", 57426: "DC",
}

// The private use area, where that protocol has its other keys.
const (
	privateFirst = 0xe000
	privateLast  = 0xf8ff
)

// modifiers returns the prefix of a key's name for the modifier parameter, which
// is 1 and the sum of: shift 1, alt 2, control 4, meta 8 and 32. Locks (64 and
// 128) change nothing; with hyper (16) it is a key that tmux has not.
func modifiers(m int) (string, bool) {
	m--
	if m < 0 || m > 255 || m&16 != 0 {
		return "", false
	}
	name := ""
	if m&4 != 0 {
		name += "C-"
	}
	if m&(2|8|32) != 0 {
		name += "M-"
	}
	if m&1 != 0 {
		name += "S-"
	}
	return name, true
}
