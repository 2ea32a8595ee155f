package executor

import (
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What tmux hears of a guest's terminal is one of a few descriptions of ours,
// whatever the guest's client says it has, and none of them can set a title or
// a clipboard.
func TestTerminalsOfGuests(t *testing.T) {
	for term, want := range map[string]string{
		"xterm-256color": "xterm-256color", "linux": "linux", "vt220": "vt100", "ansi": "vt100",
		"alacritty": "xterm-256color", "tmux-256color": "tmux-256color", "st-0.9+x": "xterm-256color",
		"": "", "dumb": "", "unknown": "", "../../etc/passwd": "", "-x": "", ".x": "", "a b": "", "x\n": "", "x\x1b": "",
		strings.Repeat("x", 65): "", "ünïcode": "", "%p1": "", "a/b": "",
	} {
		name, capabilities, err := terminal(term)
		if name != want || (err == nil) != (want != "") || (err == nil) != (len(capabilities) > 0) {
			t.Errorf("%q: %q with %d capabilities, %v; want %q", term, name, len(capabilities), err, want)
		}
		for _, c := range capabilities {
			key, value, ok := strings.Cut(c, "=")
			if !ok || slices.Contains([]string{"Ms", "tsl", "fsl", "dsl", "TS", "Hls", "Swd", "kbs", "is1", "rs1", "mc5"}, key) {
				t.Errorf("%s has %q", term, c)
			}
			if strings.Contains(value, "\x1b]") || strings.Contains(value, "\x1bP") || strings.Contains(value, "\x07") && key != "bel" {
				t.Errorf("%s: %q is more than drawing", term, c)
			}
		}
	}
}

// What goes over the connection that all share can run no job, and means the
// same for every client.
func TestPlain(t *testing.T) {
	for s, want := range map[string]bool{
		"": true, "text": true, "#{session_name}": true, "#S": true, "#(id)": false, "#{client_name}": false,
		"#{E:status-left}": false, "#{T:status-left}": false, "#{@mine}": false, "a\n#S": false, "#{?#{client_tty},a,b}": false,
	} {
		if got := plain(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}

// Bytes are sent as numbers: none of them can be taken for anything else.
func TestSendHex(t *testing.T) {
	got := sendHex("$1:@2.%3", []byte("a;\n'\x00\xff"))
	want := []string{"send-keys", "-t", "$1:@2.%3", "-H", "61", "3b", "0a", "27", "00", "ff"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
