package screen

import (
	"bytes"
	"strings"
	"testing"
)

// TestResyncOfNothing: before tmux draws again the cursor is the shell's.
func TestResyncOfNothing(t *testing.T) {
	if b := string(Resync(0, ^Marks(0))); strings.Contains(b, "\x1b[r") || strings.Contains(b, "\x1b[H") {
		t.Errorf("it moves the cursor: %q", b)
	}
	if b := string(Resync(Alternate, 0)); !strings.Contains(b, "\x1b[r") {
		t.Errorf("margins are left: %q", b)
	}
}

func TestRestoreUndoesWhatIsMarkedAndNothingElse(t *testing.T) {
	if got := Restore(0, 0); got != nil {
		t.Errorf("nothing was drawn, yet %q", got)
	}
	all := map[Marks]string{
		Alternate: "\x1b[?1049l", AlternateOld: "\x1b[?47l", Mouse: "\x1b[?1003l", Focus: "\x1b[?1004l", Paste: "\x1b[?2004l", Sync: "\x1b[?2026l",
		Margins: "\x1b[?69l", Style: "\x1b[0 q", Colour: "\x1b]112\a", Title: "\x1b[23;0;0t", ExtendedKeys: "\x1b[>4m", Theme: "\x1b[?2031l", EscapeKey: "\x1b[?7727l",
	}
	for mark := range all {
		got := string(Restore(mark, mark))
		for other, seq := range all {
			if has := strings.Contains(got, seq); has != (other == mark) {
				t.Errorf("mark %b: %q has %q: %v", mark, got, seq, has)
			}
		}
		if !strings.HasPrefix(got, abort) || !strings.Contains(got, "\x1b[?25h") {
			t.Errorf("mark %b: %q", mark, got)
		}
	}
	// A mode that was ever on is turned off again; a screen already left is
	// not cleared, nor the cursor moved.
	got := Restore(0, Alternate|Drawn|Mouse|Title)
	if !bytes.Contains(got, []byte("\x1b[?1003l")) || bytes.Contains(got, []byte("\x1b[J")) ||
		bytes.Contains(got, []byte("1049")) || bytes.Contains(got, []byte("\x1b[r")) || bytes.Contains(got, []byte("23;")) {
		t.Errorf("%q", got)
	}
}

func TestResyncIsWhatTmuxBelieves(t *testing.T) {
	got := string(Resync(Alternate|CursorKeys|Paste, Alternate|CursorKeys|Paste|Mouse|Style))
	for _, seq := range []string{"\x1b[?1049h", "\x1b[?1h", "\x1b[?2004h", "\x1b[?1003l", "\x1b[r", "\x1b[m"} {
		if !strings.Contains(got, seq) {
			t.Errorf("%q is missing in %q", seq, got)
		}
	}
	if strings.Contains(got, " q") || strings.Contains(got, "?69") {
		t.Errorf("%q", got)
	}
}
