package attachtest

import "maps"

// Hostile are sequences that a program or a person can have printed to harm
// whoever watches: none may reach a guest.
func Hostile() map[string]string {
	all := controls()
	maps.Copy(all, texts())
	return all
}

// texts are strings and characters, and what asks for them.
func texts() map[string]string {
	return map[string]string{
		"clipboard set":         "\x1b]52;c;aGk=\a",
		"clipboard set, ST":     "\x1b]52;c;aGk=\x1b\\",
		"clipboard ask":         "\x1b]52;c;?\a",
		"passthrough clipboard": "\x1bPtmux;\x1b\x1b]52;c;aGk=\a\x1b\\",
		"title":                 "\x1b]0;evil\a",
		"title 2":               "\x1b]2;evil\x1b\\",
		"title ESC k":           "\x1bkevil\x1b\\",
		"APC":                   "\x1b_evil\x1b\\",
		"hyperlink":             "\x1b]8;;http://evil\x1b\\x\x1b]8;;\x1b\\",
		"cursor colour":         "\x1b]12;red\a",
		"mouse any motion":      "\x1b[?1003h",
		"mouse among others":    "\x1b[?25;1003h",
		"bidi override":         "\u202eabc\u202c",
		"bidi isolate":          "\u2066abc\u2069",
		"palette":               "\x1b]4;1;rgb:00/00/00\a",
		"cwd":                   "\x1b]7;file:///etc\a",
		"notify":                "\x1b]9;hello\a",
		"foreground ask":        "\x1b]10;?\a",
		"font":                  "\x1b]50;?\a",
		"notify urxvt":          "\x1b]777;notify;a;b\a",
		"iterm file":            "\x1b]1337;File=name=eA==:aGk=\a",
		"sixel":                 "\x1bPq#0;2;0;0;0#0~~\x1b\\",
		"kitty graphics":        "\x1b_Ga=T,f=24;AAAA\x1b\\",
		"PM":                    "\x1b^secret\x1b\\",
		"SOS":                   "\x1bXsecret\x1b\\",
		"print on":              "\x1b[5i",
		"title report":          "\x1b[21t",
		"resize window":         "\x1b[8;5;5t",
		"ENQ":                   "\x05",
		"C1 CSI":                "\x9b5i",
		"C1 CSI, UTF-8":         "\u009b5i",
		"C1 OSC, UTF-8":         "\u009d0;evil\u009c",
		"kitty keyboard set":    "\x1b[=1;1u",
		"kitty keyboard pop":    "\x1b[<1u",
		"focus and mouse":       "\x1b[?1004;1003h",
		"8-bit mouse":           "\x1b[?1005h",
	}
}

// controls are control sequences that a display never needs.
func controls() map[string]string {
	return map[string]string{
		"DSR":                     "\x1b[6n",
		"DA1":                     "\x1b[c",
		"DA2":                     "\x1b[>c",
		"DA3":                     "\x1b[=c",
		"XTVERSION":               "\x1b[>q",
		"DECRQSS":                 "\x1bP$qm\x1b\\",
		"XTGETTCAP":               "\x1bP+q544e\x1b\\",
		"DECRQM":                  "\x1b[?2026$p",
		"kitty keyboard":          "\x1b[>1u",
		"kitty keyboard ask":      "\x1b[?u",
		"modifyOtherKeys":         "\x1b[>4;2m",
		"soft reset":              "\x1b[!p",
		"full reset":              "\x1bc",
		"erase scrollback":        "\x1b[3J",
		"alignment test":          "\x1b#8",
		"checksum":                "\x1b[1;1;1;1;1;1*y",
		"user keys":               "\x1bP0;1|17/41\x1b\\",
		"8-bit controls":          "\x1b G",
		"other charset":           "\x1b%@",
		"132 columns":             "\x1b[?3h",
		"origin":                  "\x1b[?6h",
		"huge repeat":             "\x1b[99999b",
		"huge repeat, long":       "\x1b[99999999999999999999999b",
		"padded number":           "\x1b[00000001A",
		"media copy, private":     "\x1b[?5i",
		"C0 inside":               "\x1b[5\x00i",
		"newline inside":          "\x1b[5\ni",
		"ESC inside":              "\x1b[\x1b[5i",
		"string cut by ESC":       "\x1b]0;a\x1b[5i",
		"string in string":        "\x1b]0;a\x1bP$qm\x1b\\",
		"intermediates":           "\x1b[ !\"#5i",
		"linux palette":           "\x1b]P0ff0000\x1b\\",
		"linux palette, no end":   "\x1b]P0ff0000",
		"CAN in a string":         "\x1b]0;a\x18\x1b[5i",
		"DEL in a sequence":       "\x1b[5\x7fi",
		"theme ask":               "\x1b[?996n",
		"mouse highlight":         "\x1b[?1001h\x1b[1;1;1;1;1T",
		"fill with control":       "\x1b[7;1;1;9;9$x",
		"locator":                 "\x1b[1'z",
		"overlong":                "\xc0\x9b5i",
		"surrogate":               "\xed\xa0\x80",
		"title stack":             "\x1b[22;0;0t",
		"window manipulation ask": "\x1b[18t",
	}
}
