package attach

// EventKind says what a person did at their keyboard.
type EventKind uint8

const (
	// Keys: plain bytes, to be typed as they are.
	Keys EventKind = iota + 1
	// Named: one special key, by tmux's name for it ("Up", "C-Left", "F5").
	Named
	// Paste: text that the terminal marked as pasted.
	Paste
	// PasteRefused: a paste that was larger than the limit, and dropped.
	PasteRefused
	// MouseReport: something that the person did with their mouse.
	MouseReport
)

func (k EventKind) String() string {
	if int(k) < len(eventKinds) {
		return eventKinds[k]
	}
	return "unknown event"
}

var eventKinds = [...]string{"none", "keys", "named", "paste", "paste refused", "mouse"}

// Event is one thing that a person did. The slices are valid until the decoder
// is fed again.
type Event struct {
	Kind EventKind
	// Bytes are what to type (Keys) or what was pasted (Paste). A paste holds no
	// NUL, and never the sequence that ends a paste.
	Bytes []byte
	// Key is the name of a special key. Keys that have one are of this one key;
	// of others each character is a key.
	Key string
	// Escaped: the Meta of the key came as an escape before it, and goes to the
	// pane as that.
	Escaped bool
	// Where is the pane that this is for, as [InputSink.Where] named it: to another it
	// does not go. Empty is the one that is active then.
	Where string
	// Mouse is what a MouseReport tells.
	Mouse Mouse
}

// motion is the bit of a mouse's code that says that it was moved.
const motion = 32

// passedBy reports whether all that an event says is that the mouse came by where
// it is not any more with the next one, which has come at the same time.
func (e Event) passedBy(next Event) bool {
	return e.Kind == MouseReport && next.Kind == MouseReport && e.Mouse.Code&motion != 0 &&
		e.Mouse.Code == next.Mouse.Code && e.Mouse.Release == next.Mouse.Release
}

// Mouse is one report of a mouse.
type Mouse struct {
	// Code is what the terminal sent: the button, modifiers (4, 8, 16), motion
	// (32) and wheel (64).
	Code int
	// X and Y are the column and the row on the terminal, from 0.
	X, Y int
	// Release: the button was let go.
	Release bool
}
