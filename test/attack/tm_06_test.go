package attack

import (
	"strings"
	"testing"
)

// Bob may look at one session. By formats and filters he wants everything
// else that tmux knows: the environment of the server, other sessions, the
// clipboard, words on other screens, the path of the guarded socket; and a
// shell. His formats are answered by muxward, from what he may see.
func TestTM06FormatsThatKnowMore(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_guest", gains: 2, attack: func(w *world) {
		formats := []string{
			"#{SECRET_TOKEN}", "#{S:#{session_name} }", "#{S:#{W:#{window_name} }}", "#{W:#{window_name}}", "#{P:#{pane_title}}",
			"#{buffer_sample}", "#{buffer_name}", "#{C:" + w.mark + "}", "#{C/r:MARK.*}", "#{socket_path}", "#{client_tty}",
			"#{E:SECRET_TOKEN}", "#{T:SECRET_TOKEN}", "#{E:status-left}", "#(" + w.lure() + ")", "#{?1,#(" + w.lure() + "),}",
			"#{E:#{l:#(" + w.lure() + ")}}", "#{s/x/#{SECRET_TOKEN}/:x}", "#{l:#{SECRET_TOKEN}}", "#{N:secret}", "#{N/s:secret}",
			"#{session_group_list}", "#{config_files}", "#{next_session_id}", "#{client_session}", "#{L:#{client_name}}",
		}
		for _, f := range formats {
			for _, args := range [][]string{
				{"display-message", "-p", "-t", "mwalice/shared", f}, {"list-sessions", "-F", f},
				{"list-windows", "-a", "-F", f}, {"list-panes", "-a", "-F", f}, {"list-panes", "-t", "mwalice/shared", "-f", f, "-F", "x"},
				{"list-clients", "-t", "mwalice/shared", "-F", f},
			} {
				r := w.try(viewer, args...)
				if strings.Contains(r.Out, "/run/servers/") {
					w.gain("%q tells the socket's path", args)
				}
				if strings.Contains(strings.ReplaceAll(r.Out, "secret)", ""), "secret") {
					w.gain("%q tells of the session: %q", args, r.Out)
				}
			}
		}
		for _, t := range []string{"mwalice/secret", "mwalice/shared:1", "$1", "mwalice/$1", "@1", "%2", "mwalice/%2"} {
			w.refused(viewer, "display-message", "-p", "-t", t, "#{pane_id}")
		}
		for _, args := range [][]string{{"list-buffers"}, {"show-buffer"}, {"show-buffer", "-b", w.mark + "b"}} {
			w.refused(viewer, args...)
		}
		// The keys he is told are those of a server of his own.
		w.server.Run("bind-key", "-T", "root", "F9", "display-message", "keys of alice")
		r := w.try(viewer, "list-keys")
		w.server.Run("unbind-key", "-T", "root", "F9")
		if strings.Contains(r.Out, "alice") {
			w.gain("list-keys tells of others' keys: %q", r.Out)
		}
		w.baited()
	}}.run(t)
}

// Mallory may type in the secret session and not look at it. Listings and formats
// would show it: its title, its windows' names, what runs there.
func TestTM06ListedUnseen(t *testing.T) {
	t.Parallel()
	blind := standardGrants + "  - {who: mwmallory, verbs: [type], on: mwalice/secret, reason: types what he is told}\n"
	row{grants: blind, loose: everyVerb, restless: true, attack: func(w *world) {
		w.try(stranger, "new-session", "-d", "cat") // from a server of his own he lists everybody's
		for _, args := range [][]string{
			{"list-sessions", "-F", "#{W:#{window_name}}"}, {"list-windows", "-a"}, {"list-panes", "-a", "-F", "#{pane_start_command}"},
			{"list-windows", "-t", "mwalice/secret"}, {"list-panes", "-t", "mwalice/secret", "-F", "#{window_name}"},
			{"display-message", "-p", "-t", "mwalice/secret", "#{window_name}"},
		} {
			w.try(stranger, args...)
		}
		w.Tmux(stranger, "kill-server")
	}}.run(t)
}
