package script

import (
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// expanded are lines in which the server that reads them has a say.
var expanded = []string{
	`display-message -p $PLAIN`, `display-message -p "<$PLAIN>${PLAIN}x"`, `display-message -p '$PLAIN'`, `display-message -p "$NOSUCH|"`,
	`display-message -p "$TWO"`, `display-message -p "$QUOTED"`, `display-message -p "$BRACES"`, `display-message -p "$HIDDEN"`, `send-keys -t %0 $SEMI`,
	`display-message -p ~`, `display-message -p ~/x`, `display-message -p "~"`, `display-message -p ~root/x`, `display-message -p ~nosuch`, `display-message -p ~;`, `display-message -p a~`,
	`%if 1 display-message -p yes %endif`, `%if 0 display-message -p yes %else display-message -p no %endif`, `%if #{==:#{session_name},work} display-message -p here %elif 1 display-message -p there %endif`,
	`%if "#{client_control_mode}" display-message -p control %endif`, `%if '#{==:$PLAIN,plain}' display-message -p literal %else display-message -p other %endif`, `%if "#{==:$PLAIN,plain}" display-message -p value %endif`,
	`%if '#(echo job)' display-message -p job %else display-message -p no-job %endif`, `%if "#{@nosuch}" nosuch %endif`, `%if 0 nosuch %endif`, `%if`, `%if 1`, `%endif`, `%if 1 %if 0 display-message -p a %else display-message -p b %endif %endif`,
	`SET=one`, `display-message -p "$SET"`, `show-environment -g SET`, `SET=two display-message -p "$SET"`, `SET='with blank' ; display-message -p "$SET"`, `display-message -p never ; SET=three`, `show-environment -g SET`,
	`%hidden SECRET=s`, `show-environment -g SECRET`, `show-environment -gh SECRET`, `display-message -p "$SECRET"`, `%hidden`, `%hidden display-message`,
	`LOST=one ; nosuch`, `show-environment -g LOST`, `LOST=two ; }`, `show-environment -g LOST`, `LOST= `, `show-environment -g LOST`, `LOST=$PLAIN-$SET`, `show-environment -g LOST`, `LOST="a;b{c}'d\"e"`, `show-environment -g LOST`,
	`COND=1`, `%if "$COND" display-message -p set %endif`, `%if 0 COND=2 %endif`, `show-environment -g COND`,
	`if-shell -F 1 { display-message -p "$PLAIN" } { display-message -p ~ }`, `if-shell -F 1 'display-message -p "$PLAIN"'`, `bind-key -T mine x { display-message "$PLAIN ~ $SET" }`, `bind-key -T mine y { display-message a }`, `list-keys -T mine`,
	`set-option -s command-alias[50] 'mine=display-message -p "$PLAIN-alias \\$PLAIN ${PLAIN}$1"'`, `mine`, `set-option -su command-alias[50]`,
	`source-file -`, `source-file /nosuch`, `source-file FILE`, `display-message -p "$FROMFILE"`, `source-file -n FILE`, `source-file -q /nosuch`,
	`display-message -p "$PLAIN" ; kill-pane -t nosuch: ; display-message -p never`, `display-message -p 'a' ; display-message -p $PLAIN`, `nosuch $PLAIN`,
}

// TestControlExpands: what a line leaves to the server that reads it (variables,
// homes, conditions, assignments, files) is for an owner what it is with plain
// tmux.
func TestControlExpands(t *testing.T) {
	h := host.Start(t, host.Config{})
	alice := tmuxtest.As(t, host.Alice)
	dir := tmuxtest.Dir(t, alice)
	file := dir + "/file.conf"
	write := alice.Command("sh", "-c", `printf '%s\n' 'FROMFILE="$PLAIN"' '%if 1' 'display-message -p "file $FROMFILE"' '%endif' 'nosuch' 'set -g @a $PLAIN' > `+file)
	if out, err := write.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	server := func(args ...string) *exec.Cmd {
		cmd := alice.Command("tmux", append([]string{"-f", "/dev/null", "-S", dir + "/s"}, args...)...)
		cmd.Env = alice.Env("TERM=xterm-256color", "LANG=C.UTF-8")
		return cmd
	}
	t.Cleanup(func() { _ = server("kill-server").Run() }) // it may have ended
	// A window with a name keeps it: else it is told of by its program's, some time or other.
	begin := []string{"new-session", "-s", "work", "-n", "one", "-x", "80", "-y", "24", "cat"}
	through := asked(t, h.Control(host.Alice, begin...), file)
	straight := asked(t, host.StartLines(t, server(append([]string{"-C"}, begin...)...)), file)
	for i, line := range expanded {
		if through[i] != straight[i] {
			t.Errorf("%s\nthrough muxward:\n%s\nplain:\n%s", line, through[i], straight[i])
		}
	}
	if said := strings.Join(straight, "\n"); strings.Count(said, "plain") < 8 || !strings.Contains(said, "s\n") {
		t.Errorf("nothing was expanded:\n%s", said)
	}
}

// TestSourceFileFromStandardInput: what an owner's client is given to read is read
// by the server as with plain tmux.
func TestSourceFileFromStandardInput(t *testing.T) {
	h := host.Start(t, host.Config{})
	alice := tmuxtest.As(t, host.Alice)
	sock := tmuxtest.Dir(t, alice) + "/s"
	plain := func(in string, args ...string) host.Result {
		return h.Exec(host.Alice, []byte(in), "tmux", append([]string{"-f", "/dev/null", "-S", sock}, args...)...)
	}
	t.Cleanup(func() { plain("", "kill-server") })
	through := func(in string, args ...string) host.Result {
		return h.Exec(host.Alice, []byte(in), "tmux", args...)
	}
	text := `FROM="$PLAIN" # set
%if "#{==:$FROM,plain}"
set -g @cond yes ; display-message -p "~ ~root $FROM"
%else
nosuch
%endif
set -g @home ~/x
bind-key -T mine x { display-message "$FROM" }
set -g @split "a b" ; \
  set -g @next 'c
d'
`
	for _, step := range []struct {
		in   string
		args []string
	}{
		{"", []string{"new-session", "-d", "-s", "work", "cat"}},
		{"", []string{"set-environment", "-g", "PLAIN", "plain"}},
		{text, []string{"source-file", "-"}},
		{"", []string{"show-options", "-g", "@cond", ";", "show-options", "-g", "@home", ";", "show-options", "-g", "@next", ";", "show-environment", "-g", "FROM", ";", "list-keys", "-T", "mine"}},
		{"display-message -p 'one\nset -g @open yes", []string{"source-file", "-"}},
		{"set -g @n 1", []string{"source-file", "-n", "-"}},
		{"set -g @v 1\n}", []string{"source-file", "-v", "-"}},
		{"nosuch\n", []string{"source-file", "-q", "-"}},
		{"", []string{"source-file", "-"}},
		{"", []string{"show-options", "-g"}},
	} {
		got, want := through(step.in, step.args...), plain(step.in, step.args...)
		got.Out = marked.ReplaceAllString(got.Out, "")
		if got != want {
			t.Errorf("%q reads %q:\nthrough muxward %+v\nplain %+v", step.args, step.in, got, want)
		}
	}
}

// marked is what muxward knows a server by: with 3.2 an option of sessions (HACKING.md).
var marked = regexp.MustCompile(`(?m)^@muxward_id [0-9a-f]{32}\n`)

// asked asks one line after the other and gives what is said until the answer of
// a line behind it.
func asked(t *testing.T, l *host.Lines, file string) []string {
	t.Helper()
	l.Wait("%session-changed $0 work")
	for name, value := range map[string]string{
		"PLAIN": "plain", "TWO": `two\nlines`, "QUOTED": `a\\n"b\047c`, "BRACES": "#{session_name} #(echo) ;{ } \\$PLAIN ~", "SEMI": ";",
	} {
		l.Ask(fmt.Sprintf(`set-environment -g %s "%s"`, name, strings.ReplaceAll(value, `"`, `\"`)))
	}
	l.Ask("set-environment -gh HIDDEN hidden")
	var all []string
	for i, line := range expanded {
		from := len(l.Said())
		l.Say(strings.ReplaceAll(line, "FILE", file))
		end := fmt.Sprintf("done with %d", i)
		l.Say("display-message -p '" + end + "'")
		l.Wait("\n" + end + "\n")
		said := l.Said()[from:]
		at := slices.Index(said, end)
		if at < 1 {
			t.Fatalf("after %q: %q", line, said)
		}
		all = append(all, ordered(said[:at-1]))
	}
	return all
}
