package sockets

import (
	"os"
	"strings"
	"testing"
)

// What is in a quarantine may be called anything; only what has a name that was
// given to a socket there is put back, to its own directory.
func TestRestoringNames(t *testing.T) {
	_, dir := place(t)
	away := dir + "/" + quarantine
	if err := os.Mkdir(away, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"s.abcdefgh": true, "a.b.abcdefgh": true, "new\nline.abcdefgh": true, "...s.abcdefgh": true,
		"..abcdefgh": false, "...abcdefgh": false, ".abcdefgh": false, "s.abcdefg": false, "sabcdefghi": false,
	} {
		if err := bind(t, away+"/"+name).Close(); err != nil {
			t.Fatal(err)
		}
		s, err := Restoring(away + "/" + name)
		if (err == nil) != want {
			t.Errorf("%q: %v", name, err)
		}
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q is shown as it is", name)
			}
			continue
		}
		if d := testMender().Mend(t.Context(), s); d.Outcome != Mended {
			t.Errorf("%q: %+v", name, d)
		}
		if _, err := os.Lstat(dir + "/" + strings.TrimSuffix(name, ".abcdefgh")); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, bad := range []string{away + "/none.abcdefgh", "s.abcdefgh", dir + "/s.abcdefgh"} {
		if _, err := Restoring(bad); err == nil {
			t.Errorf("%q is put back", bad)
		}
	}
}
