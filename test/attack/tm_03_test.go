package attack

import "testing"

// Carol may type into one pane. She wants one of her words to end the command
// and begin another: with semicolons, line ends, braces, quotes, comments. Each
// word is read once, as tmux reads it, into so many commands; all are decided
// before the first one runs, and one that is refused lets none of them run. (Ten
// million lines of words, as tmux itself reads them, are in internal/tmux; they
// were seen to differ with "\;" read as an end, and with ";;" read as two.)
func TestTM03WordsThatBecomeCommands(t *testing.T) {
	t.Parallel()
	shownByPackage(t, "tmux.TestWordsReadAsTmuxReadsThem")
	const a = "mwalice/shared:0.0"
	row{loose: everyVerb, restless: true, attack: func(w *world) {
		spawn := []string{"new-window", "-d", "-t", "mwalice/shared:", w.lure()}
		for _, c := range []struct {
			words []string
			typed string
		}{
			{append([]string{"send-keys", "-t", a, "X", ";"}, spawn...), ""},
			{append([]string{"send-keys", "-t", a, "X;"}, spawn...), ""},
			{append([]string{"send-keys", "-t", a, "-l", "hello;"}, spawn...), ""},
			{append([]string{"has-session", "-t", a, ";", ";"}, spawn...), ""},
			{append([]string{"{", "send-keys", "-t", a, "X", "}", ";"}, spawn...), ""},
			{append([]string{"%if", "1", ";"}, spawn...), ""},
			{append([]string{"A=b"}, spawn...), ""},
			{append([]string{"#", "\n"}, spawn...), ""},
			{[]string{"send-keys", "-t", a, "X", ";", "kill-session", "-t", "mwalice/shared"}, ""},
			{[]string{"send-keys", "-t", a, "X", ";", "no-such-command"}, ""},
			{[]string{"send-keys", "-t", a, "-l", "a\nnew-window -d '" + w.lure() + "'"}, "a\nnew-window -d '" + w.lure() + "'"},
			{[]string{"send-keys", "-t", a, "-l", "b\r; run-shell '" + w.lure() + "'"}, "b\r; run-shell '" + w.lure() + "'"},
			{[]string{"send-keys", "-t", a, "-l", "c\\; run-shell"}, "c\\; run-shell"},
			{[]string{"send-keys", "-t", a, "-l", "'\"{}~root$HOME#(" + w.lure() + ")#{pid}"}, "'\"{}~root$HOME#(" + w.lure() + ")#{pid}"},
			{[]string{"send-keys", "-t", a, "-l", "%end 1 2 3\n%exit"}, "%end 1 2 3\n%exit"},
			{[]string{"send-keys", "-t", a, "-H", "3b", "0a"}, ";\n"},
		} {
			r := w.try(typist, c.words...)
			switch {
			case c.typed == "" && r.Code == 0:
				w.gain("%q", c.words)
			case c.typed != "" && r.Code == 0:
				w.permit(c.typed)
			}
		}
		w.try(typist, "send-keys", "-t", a, "-l", "END")
		w.permit("END")
		w.soon(func() bool { return w.rec.Len() >= len(w.permitted) })
		w.baited()
	}}.run(t)
}
