package tmux

import (
	"maps"
	"testing"
)

// TestNotesOfKeys: a key and its note in each line, as old versions print them and
// as new ones do; what is no such line is passed over,
// and so is a key with several.
func TestNotesOfKeys(t *testing.T) {
	got := ParseNotes("C-b     Send the prefix key\n Space   Select next layout\nF5 \x1b[5mnote  of two\n\nM-C-x   in one order\nalone\n\"       Split window\n\"       again\n")
	want := map[string]string{
		"C-b": "Send the prefix key", "Space": "Select next layout", "F5": "\x1b[5mnote  of two", PlainKey("M-C-x"): "in one order",
	}
	if !maps.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestWrittenKeys: a key is written as it is pressed in the session.
func TestWrittenKeys(t *testing.T) {
	m := keyMap(t, "S $0 500 0 C-a None root\n", "prefix c new-window")
	for want, key := range map[string][2]string{"C-a c": {"prefix", "c"}, "F5": {"root", "F5"}, "mine: x": {"mine", "x"}} {
		if got := m.Written(key[0], key[1]); got != want {
			t.Errorf("%v is written %q, want %q", key, got, want)
		}
	}
	m = keyMap(t, "S $0 500 0 None None root\n", "prefix c new-window")
	if got := m.Written("prefix", "c"); got != "c" {
		t.Errorf("without a prefix key it is %q", got)
	}
}

// TestBindsTheSame: a key is bound to the same elsewhere only if all of it is the same.
func TestBindsTheSame(t *testing.T) {
	read := func(listed string) *KeyTables {
		t.Helper()
		tables, err := ParseKeyTables(Version{Major: 3, Minor: 5}, [][]byte{nil, []byte(listed)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return tables
	}
	keys := read("bind-key -T prefix c new-window\n").Bound("prefix")
	if len(keys) != 1 {
		t.Fatalf("%d keys", len(keys))
	}
	for listed, want := range map[string]bool{
		"bind-key -T prefix c new-window\nbind-key -T prefix x kill-pane\n": true,
		"bind-key -T prefix c kill-pane\n":                                  false, "bind-key -r -T prefix c new-window\n": false,
		"bind-key -T root c new-window\n": false, "bind-key -T prefix x new-window\n": false,
	} {
		if read(listed).Binds(keys[0]) != want {
			t.Errorf("%q: %v", listed, !want)
		}
	}
}
