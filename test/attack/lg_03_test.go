package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/test/host"
)

// A typist sends text that looks like a record of the log, or like escape
// sequences for whoever reads it, or is far too long. Each command stays one
// record, escaped, with a bound. The control run is the recorder: the text did
// arrive as it was.
func TestLG03ForgedRecords(t *testing.T) {
	shownByPackage(t, "audit.TestNastyStringsStayOneRecord", "audit.TestLongFieldsAreCutAndHashed", "audit.FuzzEvent")
	b := lay(t, host.Config{})
	for _, text := range []string{
		"\n{\"seq\":1,\"kind\":\"intent\",\"person\":\"mwalice\",\"asked\":[\"forged\"]}\n",
		"\",\"person\":\"mwalice\",\"x\":\"", "\x1b]0;MARK\x07\x1b[2J", "\xff\xfe\xc0\x80", "\u202egnp.exe", strings.Repeat("long", 2500),
	} {
		b.typed(typist, text+".")
	}
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
}
