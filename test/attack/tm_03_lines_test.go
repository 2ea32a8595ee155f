package attack

import (
	"strings"
	"testing"
)

// Carol may type into one pane, and does so by lines: she wants a part of a line
// to be a command that nobody decided. Each line is read once, as tmux reads it;
// all of its commands are decided before the first one runs, and what reaches
// tmux are keys for that pane and nothing else. What tmux did is seen by what the
// pane received, by the files that commands leave, by tmux's own list of what it
// was told, and by its state. In the control run she holds every verb.
func TestTM03LinesThatBecomeCommands(t *testing.T) {
	t.Parallel()
	row{loose: everyVerb, gains: 3, attack: func(w *world) {
		l := w.lines(typist, "attach", "-t", "mwalice/shared")
		l.Wait("%session-changed")
		spawn := "new-window -d '" + w.lure() + "'"
		send := "send-keys -t " + w.a + " "
		for _, c := range []struct{ line, typed string }{
			{send + "X ; " + spawn, ""},
			{send + "X;" + spawn, ""},
			{send + "X ;; " + spawn, ""},
			{"; " + spawn, ""},
			{send + "'X' ; A=b " + spawn, ""},
			{"A=b " + spawn, ""},
			{"A=b ; " + spawn, ""},
			{"{ " + send + "X } ; " + spawn, ""},
			{send + "{ " + spawn + " }", ""},
			{"if-shell -F 1 { " + spawn + " }", ""},
			{"%if 1 ; " + spawn, ""},
			{"%if 1", ""},
			{spawn, ""},
			{"%endif", ""},
			{"%if 1 " + spawn + " %endif", ""},
			{send + "X\r; " + spawn, ""},
			{send + "X\x00; " + spawn, ""},
			{send + "$SECRET_TOKEN", ""},
			{send + "${SECRET_TOKEN}", ""},
			{send + "$HOME ; " + spawn, ""},
			{send + "X \\; " + spawn, "X;" + words(spawn)},
			{send + "-l 'X;' new-window -d " + w.canary + "/caught", "X;new-window-d" + w.canary + "/caught"},
			{send + "-l \"X\\073\" " + spawn, "X;" + words(spawn)},
			{send + "-l \"X\\u003b\" ';' " + spawn, "X;;" + words(spawn)},
			{send + "-l \"a\\n" + strings.ReplaceAll(spawn, "$", "\\$") + "\"", "a\n" + spawn},
			{send + "-l \"a\\r%begin 1 1 1\"", "a\r%begin 1 1 1"},
			{send + "-l '#(" + w.lure() + ")#{pid}'", "#(" + w.lure() + ")#{pid}"},
			{send + "-l 'open ; " + spawn[:11], "open ; " + spawn[:11]},
			{send + "-l open2 \"; kill-server", "open2; kill-server"},
			{send + "-l X # ; " + spawn, "X"},
			{send + "-l \xe0\x80\xbb" + spawn, "\xe0\x80\xbb" + words(spawn)},
		} {
			block := l.Ask(c.line)
			if strings.HasPrefix(block[len(block)-1], "%error ") {
				if c.typed != "" && !w.control { // there a line may have more than one answer
					w.t.Errorf("%q: %q", c.line, block)
				}
				continue
			}
			if c.typed == "" {
				w.gain("%q: %q", c.line, block)
			}
			w.permit(c.typed)
		}
		for _, line := range []string{
			"# ; " + spawn, send + "-l \xc0\xbb ; " + spawn, "\xc0\xbb " + spawn, "~root ; " + spawn, "\x00" + spawn,
		} {
			l.Say(line) // some have no answer
		}
		l.Ask(send + "-l END")
		w.permit("END")
		w.soon(func() bool { return w.rec.Len() >= len(w.permitted) })
		w.baited()
		l.Say("")
		l.Code()
		witness := w.Control(owner, "-S", w.server.Socket, "attach", "-t", "shared")
		witness.Wait("%session-changed")
		list := witness.Ask("show-messages")
		witness.Say("")
		witness.Code()
		if !strings.Contains(strings.Join(list, "\n"), " command: ") {
			w.t.Errorf("tmux does not list what it was told: %q", list)
		}
		for _, told := range list {
			_, what, _ := strings.Cut(told, " command: ")
			name, _, _ := strings.Cut(what, " ")
			// What is typed is told as keys, in a test that the pane is still there.
			if strings.Contains(what, w.canary) && name != "send-keys" && name != "if-shell" {
				w.gain("tmux was told: %s", told)
			}
		}
	}}.run(t)
}

// words are what is typed of a command whose words are keys.
func words(command string) string {
	head, quoted, _ := strings.Cut(command, "'")
	return strings.ReplaceAll(head, " ", "") + strings.TrimSuffix(quoted, "'")
}
