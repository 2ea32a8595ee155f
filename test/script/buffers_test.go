package script

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// TestBuffersOfAnother: paste buffers and keys belong to a server, and most of
// their commands name none. bob, who may copy on alice's, reaches her buffers by
// naming a pane of hers, and by a line of control mode, where her server is the one
// he is at. From his own shell they are his own server's, whatever else he may see:
// what a command means does not hang on who else is there. carol may look, and gets
// no buffer in either way.
func TestBuffersOfAnother(t *testing.T) {
	h := host.Start(t, host.Config{Policy: map[string]string{"grants.yaml": `grants:
  - {who: mwbob, verbs: [view, copy, type], on: mwalice, reason: copies}
  - {who: mwcarol, verbs: [view, type], on: mwalice, reason: looks}
`}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	h.Must(host.Alice, "set-buffer", "-b", "hers", "from-alice")
	at := func(who string, args ...string) string {
		r := h.Tmux(who, args...)
		return strings.TrimSpace(r.Out + r.Err)
	}
	is := func(what, got, want string) {
		t.Helper()
		if !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}

	// From his own shell: there is no server of his, and then there is.
	is("bob without a server", at(host.Bob, "show-buffer"), "no server running on")
	is("bob sets one without a server", at(host.Bob, "set-buffer", "-b", "hers", "x"), "no server running on")
	h.Must(host.Bob, "new-session", "-d", "-s", "home", "cat")
	is("bob at home", at(host.Bob, "show-buffer", "-b", "hers"), "no buffer hers")
	h.Must(host.Bob, "set-buffer", "-b", "hers", "from-bobs-home")

	// By a pane of hers.
	is("bob pastes", at(host.Bob, "paste-buffer", "-b", "hers", "-t", "mwalice/work"), "")
	is("carol pastes", at(host.Carol, "paste-buffer", "-b", "hers", "-t", "mwalice/work"), "not permitted: copy on server")
	tmuxtest.Eventually(t, func() bool {
		return strings.Contains(h.Must(host.Alice, "capture-pane", "-p", "-t", "work"), "from-alice")
	}, "her buffer is pasted, and not his")

	// By a line of control mode.
	bob, carol := h.Control(host.Bob, "attach", "-t", "mwalice/work"), h.Control(host.Carol, "attach", "-t", "mwalice/work")
	for line, want := range map[string]string{
		"show-buffer -b hers": "\nfrom-alice\n", "list-buffers -F '<#{buffer_name} #{buffer_sample}>'": "<hers from-alice>", "list-buffers -f '#{m:h*,#{buffer_name}}'": "hers: 10 bytes", "set-buffer -b his from-bob": "%end",
		"paste-buffer -b hers": "%end", "capture-pane -b seen": "%end", "bind-key x list-keys": "not permitted: ",
	} {
		is("bob in control mode: "+line, strings.Join(bob.Ask(line), "\n"), want)
		is("carol in control mode: "+line, strings.Join(carol.Ask(line), "\n"), "not permitted: ")
	}
	is("alice has what bob set", h.Must(host.Alice, "show-buffer", "-b", "his"), "from-bob")
	is("alice has what bob captured", h.Must(host.Alice, "show-buffer", "-b", "seen"), "from-alice")
	is("bob deletes one", strings.Join(bob.Ask("delete-buffer -b his"), "\n"), "%end")
	is("it has gone", at(host.Alice, "show-buffer", "-b", "his"), "no buffer his")

	if text := at(host.Bob, "show-buffer", "-b", "hers"); text != "from-bobs-home" {
		t.Errorf("bob's own buffer is %q", text)
	}
}
