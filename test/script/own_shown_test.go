package script

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// TestWhatIsShownAtAnOwnPlaceIsWritten: bob goes about between what he may view of
// alice's session. The log says which panes he was shown, with his name, each time
// that it is others, and not with each picture.
func TestWhatIsShownAtAnOwnPlaceIsWritten(t *testing.T) {
	h := host.Start(t, host.Config{Policy: map[string]string{"grants.yaml": `grants:
  - {who: mwbob, verbs: [view, type, navigate], on: "mwalice/work:1", reason: a window}
  - {who: mwbob, verbs: [view, type, navigate], on: "mwalice/work:2.0", reason: a pane}
`}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "-x", "80", "-y", "23", "cat")
	at := func(argv ...string) string {
		return "mwalice/" + h.Must(host.Alice, append(argv, "-d", "-P", "-F", "#{session_id}:#{window_id}.#{pane_id}", "cat")...)
	}
	second, third := at("new-window", "-n", "w", "-t", "work:1"), at("new-window", "-n", "x", "-t", "work:2")
	at("split-window", "-t", "work:2")
	also := at("split-window", "-t", "work:1")

	bob := h.Terminal(host.Bob, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/work")
	bob.WaitFor("1:w* 2  for mwbob")
	for _, text := range []string{"one", "two", "three"} { // pictures of the same
		bob.Type(text + "\r")
		bob.WaitFor(text)
	}
	bob.Type("\x02n")
	bob.WaitFor(" 2* ")
	h.Must(host.Alice, "kill-pane", "-t", "work:1.1")
	bob.Type("\x02p")
	bob.WaitFor("1:w* ")

	var got []string
	for _, e := range h.AuditKind("shown") {
		got = append(got, e.Person+" "+strings.Join(e.Verbs, "+")+" "+strings.Join(e.Objects, " "))
	}
	want := []string{"mwbob view+view " + second + " " + also, "mwbob view " + third, "mwbob view " + second}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the log says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	h.VerifyAudit()
}
