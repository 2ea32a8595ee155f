package attach

import "github.com/muxward/muxward/internal/attach/screen"

// This file is the allow-list: everything that may reach a person's terminal
// is in the tables below, and nothing else does. Review it as one page.
//
// Source: what tmux writes (3.3a tried, 3.2a to 3.7c by their sources) to a client's terminal for the terminfo
// entries xterm-256color, screen-256color, tmux-256color, linux, vt100 and
// rxvt, and ECMA-48 and xterm's ctlseqs for what the sequences do.

// Policy says which groups of sequences a person gets beside the plain ones.
// The zero value is the strictest.
type Policy struct {
	// Titles: OSC 0, 1, 2 and the title stack (XTWINOPS 22, 23).
	Titles bool
	// Clipboard: OSC 52 that sets. One that asks is a question.
	Clipboard bool
	// Hyperlinks: OSC 8.
	Hyperlinks bool
	// Bell: BEL outside of strings.
	Bell bool
	// Mouse: reports of clicks and of what is dragged (?1000, ?1002), as they are
	// read here (?1006).
	Mouse bool
	// Motion: those of the mouse wherever it goes, and in other forms (?1003 to
	// ?1016).
	Motion bool
	// CursorColour: OSC 12 and 112.
	CursorColour bool
	// Bidi: the characters that reorder text (U+202A–202E, U+2066–2069).
	Bidi bool
	// Wide: whatever is well formed, questions to the terminal included; for
	// the owner at home, whose own tmux decides. Still dropped: printing
	// (CSI i), C1 controls, ENQ, and strings that do not end.
	Wide bool
}

// Window gives what tmux hears of a terminal's size. Pixels are the owner's alone, at home: whoever else is
// there is shown no image, and by theirs tmux would give everybody's window another cell, and draw images
// as large as they say (up to 65535 by 65535), while all wait. A guest's lower terminal is taken for one
// of [MinRows], and shows the first of them: the status may get more lines at any time, for whoever looks on.
func (p Policy) Window(w Window) Window {
	if p.Wide {
		return w.Clamp()
	}
	w.Width, w.Height = 0, 0
	w = w.Clamp()
	w.Rows = max(w.Rows, lowest())
	return w
}

// Guest is the policy of people who are let in: what a display needs.
// The mouse is asked for as for everybody who looks at that session.
func Guest() Policy { return Policy{Bell: true, Mouse: true} }

// DirectGuest is the policy of direct input on somebody else's server: the
// mouse is input, too. It is no reason to let that server's tmux, and what runs
// in it, have the person's title, clipboard or answers.
func DirectGuest() Policy { return Policy{Bell: true, Mouse: true, Motion: true} }

// Owner is the policy of direct input at home: what the owner would see without
// muxward.
func Owner() Policy {
	return Policy{Titles: true, Clipboard: true, Hyperlinks: true, Bell: true,
		Mouse: true, Motion: true, CursorColour: true, Bidi: true, Wide: true}
}

// need is a Policy as bits, for the tables.
type need uint16

const (
	needTitles need = 1 << iota
	needClipboard
	needHyperlinks
	needBell
	needMouse
	needMotion
	needColour
	needBidi
	needWide
)

// args says which parameters a control sequence may carry.
type args uint8

const (
	// numbers: at most max decimal numbers of at most four digits, ';' between.
	numbers args = iota
	// small: as numbers, and each is 0, 1 or 2. It keeps ED 3, which erases
	// what the person has scrolled back, from reaching them.
	small
	// rendition: numbers with ';' or ':' between (SGR and its underline styles).
	rendition
	// listed: each parameter must be in the modes table.
	listed
)

// csiRule allows one control sequence: CSI prefix? parameters inter? final.
type csiRule struct {
	prefix, inter, final byte
	args                 args
	max                  int
	need                 need
	name                 string
}

var csiRules = []csiRule{
	{0, 0, '@', numbers, 1, 0, "ICH"},
	{0, 0, 'A', numbers, 1, 0, "CUU"},
	{0, 0, 'B', numbers, 1, 0, "CUD"},
	{0, 0, 'C', numbers, 1, 0, "CUF"},
	{0, 0, 'D', numbers, 1, 0, "CUB"},
	{0, 0, 'E', numbers, 1, 0, "CNL"},
	{0, 0, 'F', numbers, 1, 0, "CPL"},
	{0, 0, 'G', numbers, 1, 0, "CHA"},
	{0, 0, 'H', numbers, 2, 0, "CUP"},
	{0, 0, 'I', numbers, 1, 0, "CHT"},
	{0, 0, 'J', small, 1, 0, "ED"},
	{0, 0, 'K', small, 1, 0, "EL"},
	{0, 0, 'L', numbers, 1, 0, "IL"},
	{0, 0, 'M', numbers, 1, 0, "DL"},
	{0, 0, 'P', numbers, 1, 0, "DCH"},
	{0, 0, 'S', numbers, 1, 0, "SU"},
	{0, 0, 'T', numbers, 1, 0, "SD"},
	{0, 0, 'X', numbers, 1, 0, "ECH"},
	{0, 0, 'Z', numbers, 1, 0, "CBT"},
	{0, 0, '`', numbers, 1, 0, "HPA"},
	{0, 0, 'a', numbers, 1, 0, "HPR"},
	{0, 0, 'b', numbers, 1, 0, "REP"},
	{0, 0, 'd', numbers, 1, 0, "VPA"},
	{0, 0, 'e', numbers, 1, 0, "VPR"},
	{0, 0, 'f', numbers, 2, 0, "HVP"},
	{0, 0, 'g', numbers, 1, 0, "TBC"},
	{0, 0, 'h', listed, 4, 0, "SM"},
	{0, 0, 'l', listed, 4, 0, "RM"},
	{0, 0, 'm', rendition, 64, 0, "SGR"},
	{0, 0, 'r', numbers, 2, 0, "DECSTBM"},
	{0, 0, 's', numbers, 2, 0, "DECSLRM"},
	{0, 0, 't', numbers, 3, needTitles, "XTWINOPS 22 23"}, // checked by winops
	{0, ' ', 'q', numbers, 1, 0, "DECSCUSR"},
	{0, '$', 'x', numbers, 5, 0, "DECFRA"}, // checked by fill
	{'?', 0, 'h', listed, 8, 0, "DECSET"},
	{'?', 0, 'l', listed, 8, 0, "DECRST"},
	{'?', 0, 'c', small, 1, 0, "linux cursor"}, // checked by linuxCursor
	{'>', 0, 'm', numbers, 2, needWide, "XTMODKEYS"},
}

// modeRule allows setting one mode, given what it needs, and resetting it.
type modeRule struct {
	private bool
	number  int
	need    need
	mark    screen.Marks
	name    string
}

var modeRules = []modeRule{
	{false, 34, 0, 0, "cursor shape (screen's cnorm, cvvis)"},
	{true, 1, 0, screen.CursorKeys, "DECCKM"},
	{true, 7, 0, 0, "DECAWM"},
	{true, 12, 0, 0, "blinking cursor"},
	{true, 25, 0, 0, "DECTCEM"},
	{true, 47, 0, screen.AlternateOld, "alternate screen"},
	{true, 69, 0, screen.Margins, "DECLRMM"},
	{true, 1000, needMouse, screen.Mouse, "mouse"},
	{true, 1002, needMouse, screen.Mouse, "mouse, drag"},
	{true, 1003, needMotion, screen.Mouse, "mouse, any motion"},
	{true, 1004, 0, screen.Focus, "focus"},
	{true, 1005, needMotion, screen.Mouse, "mouse, UTF-8"},
	{true, 1006, needMouse, screen.Mouse, "mouse, SGR"},
	{true, 1015, needMotion, screen.Mouse, "mouse, urxvt"},
	{true, 1016, needMotion, screen.Mouse, "mouse, pixels"},
	{true, 1047, 0, screen.AlternateOld, "alternate screen"},
	{true, 1048, 0, 0, "save cursor"},
	{true, 1049, 0, screen.Alternate, "alternate screen, cursor"},
	{true, 2004, 0, screen.Paste, "bracketed paste"},
	{true, 2026, 0, screen.Sync, "synchronized update"},
	{true, 2031, needWide, screen.Theme, "theme reports"},
	{true, 7727, needWide, screen.EscapeKey, "application escape"},
}

// escRule allows ESC inter? final.
type escRule struct {
	inter, final byte
	mark         screen.Marks // set, or cleared if unset is true
	unset        bool
	name         string
}

var escRules = []escRule{
	{0, '7', 0, false, "DECSC"},
	{0, '8', 0, false, "DECRC"},
	{0, '=', screen.Keypad, false, "DECKPAM"},
	{0, '>', screen.Keypad, true, "DECKPNM"},
	{0, 'D', 0, false, "IND"},
	{0, 'E', 0, false, "NEL"},
	{0, 'H', 0, false, "HTS"},
	{0, 'M', 0, false, "RI"},
	{'(', '0', 0, false, "G0 line drawing"},
	{'(', 'B', 0, false, "G0 ASCII"},
	{')', '0', 0, false, "G1 line drawing"},
	{')', 'B', 0, false, "G1 ASCII"},
}

// body says what may follow the number of an OSC.
type body uint8

const (
	words     body = iota // text that could also be printed
	colour                // a colour by name or value, never a question
	selection             // which clipboard, and base64, never a question
	nothing
)

// oscRule allows OSC number; body.
type oscRule struct {
	number string
	body   body
	need   need
	name   string
}

var oscRules = []oscRule{
	{"0", words, needTitles, "title and icon"},
	{"1", words, needTitles, "icon"},
	{"2", words, needTitles, "title"},
	{"8", words, needHyperlinks, "hyperlink"},
	{"12", colour, needColour, "cursor colour"},
	{"52", selection, needClipboard, "clipboard"},
	{"112", nothing, needColour, "cursor colour, reset"},
}

// dcsExact are the device control strings that need no policy.
var dcsExact = []string{
	"=1s", // begin a synchronized update, the older form
	"=2s", // end it
}

// controls are the C0 controls that are passed. BEL needs the policy.
const controls = "\b\t\n\r\x0e\x0f"

// blockedRune reports whether a character is kept from the person.
func blockedRune(r rune, have need) bool {
	switch {
	case r < 0xa0: // C1 controls in UTF-8; below them nothing comes here
		return true
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return have&needBidi == 0
	}
	return false
}

// bits turns a Policy into the bits of the tables.
func (p Policy) bits() need {
	var n need
	for _, f := range []struct {
		on  bool
		bit need
	}{
		{p.Titles, needTitles}, {p.Clipboard, needClipboard},
		{p.Hyperlinks, needHyperlinks}, {p.Bell, needBell},
		{p.Mouse, needMouse}, {p.Motion, needMotion}, {p.CursorColour, needColour},
		{p.Bidi, needBidi}, {p.Wide, needWide},
	} {
		if f.on {
			n |= f.bit
		}
	}
	return n
}
