package attach

import "strings"

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

// modifiers returns the prefix of a key's name for xterm's modifier parameter:
// 1 plus shift 1, meta 2, control 4; 9 is meta alone.
func modifiers(m int) (string, bool) {
	if m == 9 {
		m = 3
	}
	if m < 1 || m > 8 {
		return "", false
	}
	var b strings.Builder
	m--
	if m&4 != 0 {
		b.WriteString("C-")
	}
	if m&2 != 0 {
		b.WriteString("M-")
	}
	if m&1 != 0 {
		b.WriteString("S-")
	}
	return b.String(), true
}
