package attack

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/soak"
)

// Bob may look. He hopes that a command that is refused by its name is not
// refused by the first letters of it, by its alias, or with a flag that nobody
// thought of. Every spelling has the verdict of the full name; what is
// ambiguous, unknown or carries an unknown flag is refused. (Every spelling with
// every flag, for what six versions of tmux list, is in internal/tmux; those
// tests were seen to fail with a flag, an alias and a name taken out of the
// table, and with a flag that needs nothing.)
func TestTM01SpellingsOfCommands(t *testing.T) {
	t.Parallel()
	shownByPackage(t, "tmux.TestTableAgainstSixVersions", "tmux.TestEverySpelling", "tmux.TestTableAgainstTmux")
	row{teeth: "teeth_decide", attack: func(w *world) {
		var names [][]string
		for _, line := range strings.Split(w.server.Run("list-commands", "-F", "#{command_list_name} #{command_list_alias}"), "\n") {
			names = append(names, strings.Fields(line))
		}
		var all [][2]string // a spelling, and the full name or "" if it is ambiguous
		for _, n := range names {
			all = append(all, [2]string{n[len(n)-1], n[0]})
			for i := 1; i < len(n[0]); i++ {
				all = append(all, [2]string{n[0][:i], meaning(names, n[0][:i])})
			}
		}
		step := max(1, len(all)/soak.N(len(all), 60))
		for i := 0; i < len(all); i += step {
			spelled, full := all[i][0], all[i][1]
			if full == "attach-session" || full == "new-session" || full == "has-session" || strings.HasPrefix(full, "list-") {
				continue // those are bob's, or not about a session
			}
			got := w.try(viewer, spelled, "-t", "mwalice/shared")
			if got.Code == 0 && full != "select-pane" && full != "display-message" {
				w.gain("%s (%s) was done", spelled, full)
			}
			if w.control && len(w.gains) > 0 {
				break // one is enough, and all of them one after the other would end more than the session
			}
			if full == "" || w.control || strings.HasPrefix(got.Err, "ambiguous command:") {
				continue // who has no server of his own is read as by 3.3a, where more may be ambiguous
			}
			want := w.try(viewer, full, "-t", "mwalice/shared")
			if strings.ReplaceAll(got.Err, spelled+":", full+":") != want.Err && !strings.Contains(want.Err, full) {
				w.gain("%s: %q, but %s: %q", spelled, got.Err, full, want.Err)
			}
		}
		for _, letter := range "ABCGHIJKOQSUVWY0123456789" {
			for _, name := range []string{"kill-session", "send-keys", "rename-window", "select-window"} {
				w.refused(viewer, name, "-"+string(letter), "-t", "mwalice/shared", "x")
			}
		}
	}}.run(t)
}

// meaning is the full name that a spelling stands for, or "".
func meaning(names [][]string, spelled string) string {
	found := ""
	for _, n := range names {
		if n[len(n)-1] == spelled || n[0] == spelled {
			return n[0]
		}
		if strings.HasPrefix(n[0], spelled) {
			if found != "" {
				return ""
			}
			found = n[0]
		}
	}
	return found
}
