package attack

import (
	"regexp"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Carol may type into one pane. She names it, and others, in every way that
// tmux knows: parts that do not belong together, ids, patterns, special
// tokens, a session that is called like another with = before it. She wants
// one name to be decided about one pane and to reach another. Names become ids
// before they are decided, and nothing but ids goes to tmux.
func TestTM07NamesOfPanes(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_decide", restless: true, attack: func(w *world) {
		trap := tmuxtest.NewRecorder(w.t)
		w.server.Run("new-session", "-d", "-s", "=shared", trap.Command())
		w.server.Run("new-session", "-d", "-s", "shared2", trap.Command())
		trap.WaitReady()
		targets := []string{
			"secret:." + w.a, "secret:0." + w.a, "=shared", "=shared:", "==shared", "shar", "s*", "[s]*", "sh*red:", "{last}", "{marked}",
			"{mouse}", "{up-of}", "{down-of}", "{next}", "!", "+", "-", "~", ".", ":", ":" + w.a, ":" + w.b, "@1." + w.b, "@0." + w.b,
			"@1." + w.a, "", "$1", "$1:", "@1", w.b, w.a, "shared:0.1", "shared:.+", "shared:.-", "shared:.!", "shared:+", "shared:1", "shared2",
			"shared:{bottom}", "shared:.{bottom-right}", "shared:.{next}", "secret", "/dev/pts/0", "shared:0.0;", "shared:work." + w.b,
		}
		for _, target := range targets {
			for _, form := range []string{target, "mwalice/" + target} {
				if r := w.try(typist, "send-keys", "-t", form, "x"); r.Code == 0 {
					w.permit("x") // then it was pane a, or the recorders tell
				}
			}
		}
		w.soon(func() bool { return w.rec.Len() >= len(w.permitted) })
		if n := trap.Len(); n > 0 {
			w.gain("another session received %d keys", n)
		}
		ids := regexp.MustCompile(`^[$@%]\d+([:.][@%]\d+)*$`)
		for _, e := range w.Audit() {
			for i, word := range e.Executed {
				if e.Person == typist && i > 0 && e.Executed[i-1] == "-t" && !ids.MatchString(word) {
					w.gain("tmux was told %q, which is no id", strings.Join(e.Executed, " "))
				}
			}
		}
	}}.run(t)
}
