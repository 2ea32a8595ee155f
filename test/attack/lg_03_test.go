package attack

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/control"
	"github.com/muxward/muxward/test/host"
)

// A typist sends text that looks like a record of the log, or like escape
// sequences for whoever reads it, or is far too long. Each command stays one
// record, escaped, with a bound. The control run is the recorder: the text did
// arrive as it was.
func TestLG03ForgedRecords(t *testing.T) {
	t.Parallel()
	shownByPackage(t, "audit.TestNastyStringsStayOneRecord", "audit.TestLongFieldsAreCutAndHashed", "audit.FuzzEvent")
	b := lay(t, host.Config{})
	calm := b.resting()
	for _, text := range []string{
		"\n{\"seq\":1,\"kind\":\"intent\",\"person\":\"mwalice\",\"asked\":[\"forged\"]}\n",
		"\",\"person\":\"mwalice\",\"x\":\"", "\x1b]0;MARK\x07\x1b[2J", "\xff\xfe\xc0\x80", "\u202egnp.exe", strings.Repeat("long", 2500),
	} {
		b.typed(typist, text+".")
	}
	b.long()
	for _, e := range b.Audit() {
		if e.Person == owner && len(e.Asked) > 0 && e.Asked[0] == "forged" {
			t.Errorf("a forged record: %+v", e)
		}
		if n := len(strings.Join(e.Asked, "")); n > 16<<10 {
			t.Errorf("a record of %d bytes", n)
		}
	}
	unescaped(t, "audit query", b.Muxward("", "audit", "query", "--state", b.State).Out)
	unescaped(t, "audit tail", b.Muxward("", "audit", "tail", "--state", b.State).Out)
	b.VerifyAudit()
	calm()
	logs, err := filepath.Glob(b.State + "/audit/*.log")
	if err != nil || len(logs) == 0 {
		t.Fatal(err, logs)
	}
	for _, name := range logs {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(bytes.TrimRight(text, "\x00")) { // there is room ahead
			if len(line) > 64<<10 || bytes.IndexByte(line, 0) >= 0 {
				t.Errorf("%s has a line of %d bytes: %.200q", name, len(line), line)
			}
		}
	}
}

// long sends what no command line holds, by lines: a NUL, a line that is nearly
// too long, and one that is. The first two are refused, each with its record; the
// last ends the client.
func (b *bed) long() {
	b.t.Helper()
	l := b.Control(typist, "attach", "-t", "mwalice/shared")
	l.Wait("%session-changed")
	for _, line := range []string{
		"send-keys -t 0.0 -l 'nul\x00{\"person\":\"mwalice\"}'", "no-such-command " + strings.Repeat("x", control.MaxLine-100),
		"send-keys -t 0.1 -l " + strings.Repeat("y", control.MaxLine-100),
	} {
		if block := l.Ask(line); !strings.HasPrefix(block[len(block)-1], "%error ") {
			b.t.Errorf("%.100q: %.300q", line, block)
		}
	}
	l.Say(strings.Repeat("z", 2*control.MaxLine))
	if l.Code() == 0 {
		b.t.Errorf("a line without end is taken: %.300q", l.Said())
	}
	for _, word := range []string{"nul", "no-such-command", "yyyy"} {
		found := 0
		for _, e := range b.Audit() {
			if e.Kind == "denied" && e.Person == typist && strings.Contains(strings.Join(e.Asked, " "), word) {
				found++
			}
		}
		if found != 1 {
			b.t.Errorf("%d records tell of %s, want one", found, word)
		}
	}
}
