package screen

// Marks is the set of things a display has changed on a terminal. Only what
// is marked is undone: a terminal that knows no mouse never sees a mouse
// sequence, which it might print as text.
type Marks uint32

// What a display may change. A mark is set when the sequence that turns the
// mode on is let through, and cleared when it is turned off again.
const (
	// Drawn: something was drawn on the screen that is not the alternate one,
	// or since the alternate one was entered.
	Drawn Marks = 1 << iota
	// Alternate: the alternate screen (?1049).
	Alternate
	// AlternateOld: the alternate screen, entered the older way (?47, ?1047).
	AlternateOld
	// Region: a scrolling region (DECSTBM).
	Region
	// CursorKeys: application cursor keys (?1).
	CursorKeys
	// Keypad: application keypad (ESC =).
	Keypad
	// Mouse: any mouse report (?1000 to ?1016).
	Mouse
	// Focus: focus reports (?1004).
	Focus
	// Paste: bracketed paste (?2004).
	Paste
	// Sync: an open synchronized update (?2026).
	Sync
	// Margins: left and right margins (?69).
	Margins
	// Style: a cursor style (DECSCUSR).
	Style
	// Colour: a cursor colour (OSC 12).
	Colour
	// Title: the title was pushed (XTWINOPS 22) and not popped.
	Title
	// ExtendedKeys: modifyOtherKeys or the kitty keyboard.
	ExtendedKeys
	// Theme: reports of a changed theme (?2031).
	Theme
	// EscapeKey: mintty's application escape key (?7727).
	EscapeKey
)

// abort ends whatever sequence or string the terminal was in the middle of.
const abort = "\x18\x1b\\"

// off holds the bytes that undo a mark and need no order among themselves.
var off = []struct {
	mark Marks
	seq  string
}{
	{Sync, "\x1b[?2026l"},
	{Mouse, "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1005l\x1b[?1006l\x1b[?1015l\x1b[?1016l"},
	{Focus, "\x1b[?1004l"},
	{Paste, "\x1b[?2004l"},
	{Theme, "\x1b[?2031l"},
	{EscapeKey, "\x1b[?7727l"},
	{ExtendedKeys, "\x1b[>4m\x1b[=0u"},
	{Colour, "\x1b]112\a"},
	{Margins, "\x1b[?69l"},
	{Style, "\x1b[0 q"},
}

// Restore returns the bytes that put a terminal back. now is what is (or may
// be) on; ever is what was on at any time. Modes that were ever on are turned
// off again, because a display that lagged may have lost the bytes that did;
// the alternate screen is left, and the screen cleared, only if now says so,
// because either would cost the person what is on their own screen.
//
// The bytes are the same whatever TERM is; they were tried on the terminfo
// entries xterm-256color, screen-256color, tmux-256color, linux and vt100.
func Restore(now, ever Marks) []byte {
	if now|ever == 0 {
		return nil
	}
	b := append([]byte(nil), abort...)
	for _, o := range off {
		if (now|ever)&o.mark != 0 {
			b = append(b, o.seq...)
		}
	}
	// Shift in, US-ASCII, plain characters, wrap on, keypad and arrows normal.
	b = append(b, "\x0f\x1b(B\x1b[m\x1b[?7h\x1b[?1l\x1b>"...)
	if now&(Alternate|AlternateOld|Drawn) != 0 {
		// Both move the cursor, so not on a screen already left.
		b = append(b, "\x1b[r\x1b[H\x1b[J"...)
	}
	b = append(b, "\x1b[?25h"...)
	if now&AlternateOld != 0 {
		b = append(b, "\x1b[?1047l\x1b[?47l\x1b8"...)
	}
	if now&Alternate != 0 {
		b = append(b, "\x1b[?1049l"...)
	}
	if now&Title != 0 {
		b = append(b, "\x1b[23;0;0t"...)
	}
	return b
}

// Resync returns the bytes that bring a terminal that lost part of its output
// to a known state: what is on in now is on, everything else off. tmux knows
// this state after it was told of a resize, and draws everything from there.
func Resync(now, ever Marks) []byte {
	b := append([]byte(nil), abort...)
	if now&Alternate != 0 {
		b = append(b, "\x1b[?1049h"...)
	}
	if now&AlternateOld != 0 {
		b = append(b, "\x1b[?47h"...)
	}
	for _, o := range off {
		// The style is tmux's to choose, and nothing tells it to choose again.
		if ever&^now&o.mark != 0 && o.mark != Style {
			b = append(b, o.seq...)
		}
	}
	b = append(b, "\x0f\x1b(B\x1b[m\x1b[?7h"...)
	if now&(Alternate|AlternateOld|Drawn) != 0 {
		b = append(b, "\x1b[r"...) // moves the cursor, which is still the shell's otherwise
	}
	for _, o := range []struct {
		mark Marks
		seq  string
	}{
		{CursorKeys, "\x1b[?1h"},
		{Keypad, "\x1b="},
		{Focus, "\x1b[?1004h"},
		{Theme, "\x1b[?2031h"},
		{EscapeKey, "\x1b[?7727h"},
		{Paste, "\x1b[?2004h"},
		{Margins, "\x1b[?69h"},
	} {
		if now&o.mark != 0 {
			b = append(b, o.seq...)
		}
	}
	return b
}
