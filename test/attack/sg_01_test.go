package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/server/ctld"
)

// Bob suggests what carol would not see for what it is: more lines than one, control
// characters, text that turns around, that is not seen, or is too long. In the control run
// nobody looks at it.
func TestSG01NotSeenForWhatItIs(t *testing.T) {
	t.Parallel()
	row{grants: suggesters, settings: byKey, teeth: "teeth_suggested", attack: func(w *world) {
		for name, text := range map[string]string{
			"two lines": "make\ntouch x", "a return": "make\rtouch x", "an escape": "make\x1b[2K", "a tab": "ls\t", "DEL": "x\x7f",
			"C1": "x\u009b2J", "turned around": "rm \u202ecod\u202c", "isolated": "a\u2067b\u2069", "no width": "a\u200bb",
			"a space that is none": "rm\u00a0x", "nothing at all": "a\u3164b", "a tag": "x\U000e0041",
			"a heap of marks": "a" + strings.Repeat("\u0300", 50), "a line separator": "a\u2028b", "empty": "",
			"long": strings.Repeat("x", 1001), "very long": strings.Repeat("x", 50000),
		} {
			a := w.calls(viewer, ctld.Call{Act: "suggest", Target: suggestedIn, Within: "10m", Stands: true, Text: text})
			switch {
			case a.Error == "":
				w.gain("%s: %s", name, a.Value)
			case !w.control && !strings.Contains(a.Error, "the text") && !strings.Contains(a.Error, "no text"):
				w.t.Errorf("%s: bob hears %q", name, a.Error)
			}
		}
		if out := w.Muxward(typist, "suggestions", "--json").Out; !w.control && out != "[]\n" {
			w.gain("carol is shown %s", out)
		}
	}}.run(t)
}
