package attack

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/attach/attachtest"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// A program names its window, its title and its directory, and prints, as a
// server speaks in control mode: ends of blocks, exits, newlines, escape
// sequences, what is no text. Bob, who watches in control mode, has each line as
// a line: a notification of one of the known forms, or one of the block that
// answers what he asked; and no byte for his terminal to obey. In the control run
// what tmux says is passed on as it is.
func TestPN10HostileNamesByLines(t *testing.T) {
	t.Parallel()
	shownByPackage(t, "executor.TestReadNotice")
	for name, build := range map[string]string{"attack": "", "control": "teeth_lines"} {
		t.Run(name, func(t *testing.T) {
			problems := hostileLines(t, build)
			if build == "" && len(problems) > 0 {
				t.Errorf("%d lines are not sound: %.2000q", len(problems), problems)
			}
			if build != "" && len(problems) < 5 {
				t.Errorf("without the check %d lines are not sound: this is no test: %.2000q", len(problems), problems)
			}
		})
	}
}

// hostileLines has bob watch, and ask, and gives what is wrong with what he hears.
func hostileLines(t *testing.T, build string) (problems []string) {
	grants := standardGrants + "  - {who: mwbob, verbs: [view, copy], on: mwalice, reason: looks and copies}\n"
	b := lay(t, host.Config{TmuxConf: openedUp, Build: build, Policy: map[string]string{"grants.yaml": grants}})
	l := b.Control(viewer, "attach", "-t", "mwalice/other")
	l.Wait("%session-changed")
	dir := tmuxtest.Dir(t, tmuxtest.Account{})
	asked, drawn := 0, map[int]bool{}
	ask := func(line string) {
		asked++
		drawn[asked] = strings.HasPrefix(line, "capture-pane")
		if block := l.Ask(line); !strings.HasPrefix(block[len(block)-1], "%end ") && !strings.Contains(line, "no-such") {
			t.Errorf("%q: %.300q", line, block)
		}
	}
	for i, name := range hostileNames() {
		name = name[:min(len(name), 2000)]
		file := fmt.Sprintf("%s/%d", dir, i)
		text := name + "\r\n%end 1 2 1\r\n%exit\r\n%begin 1 2 1\r\n\x1b]2;" + name + "\x07\x1bk" + name + "\x1b\\\u009b5i\x9b\x7f\u202e" +
			fmt.Sprintf("\x18\r\nSEEN-%d\r\n", i)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		b.server.Run("respawn-pane", "-k", "-t", "other:0.0", "cat "+file+"; exec cat")
		l.Wait(fmt.Sprintf("SEEN-%d", i))
		// What owners choose, as far as tmux takes it.
		_, _ = b.server.Try("rename-window", "-t", "other:0", strings.ReplaceAll(name, "#", "##"))
		_, _ = b.server.Try("rename-session", "-t", "$0", "shared"+strings.ReplaceAll(name, "#", "##"))
		_, _ = b.server.Try("rename-window", "-t", "$0:0", strings.ReplaceAll(name, "#", "##"))
		ask("list-panes -F '#{pane_title} #{window_name} #{pane_current_path} #{pane_current_command}'")
		ask("list-sessions")
		ask("display-message -p '#{pane_title}'")
		ask("capture-pane -p")
		ask("capture-pane -p -e -S -")
		ask("no-such-command " + strconv.Quote(strings.Map(func(r rune) rune {
			if r < ' ' {
				return -1
			}
			return r
		}, name)))
	}
	if !l.Has("%window-renamed") {
		t.Errorf("bob heard of no name")
	}
	l.Say("")
	l.Code()
	b.VerifyAudit()
	return unsound(l.Said(), asked, drawn)
}

var (
	guardLine  = regexp.MustCompile(`^%(begin|end|error) ([0-9]+ [0-9]+) ([01])$`)
	noticeLine = regexp.MustCompile(`^%(output %\d+ .*|extended-output %\d+ \d+ : .*|(pause|continue|pane-mode-changed) %\d+|` +
		`layout-change @\d+ [0-9a-f,x\[\]{}<> *#!~MZ-]+|window-(add|close) @\d+|window-renamed @\d+ .*|window-pane-changed @\d+ %\d+|` +
		`session-(changed|renamed) \$\d+ .*|session-window-changed \$\d+ @\d+|sessions-changed|exit)$`)
)

// unsound lists what is wrong with what a client in control mode said: lines of
// no known form, blocks beside those that answer what was asked (and the first,
// of the attaching), and bytes that are not for terminals. What a pane has drawn,
// and somebody asked for, is what it is, also where it turns the direction.
func unsound(said []string, asked int, drawn map[int]bool) (problems []string) {
	blocks, inside := 0, ""
	for i, line := range said {
		m := guardLine.FindStringSubmatch(line)
		switch {
		case inside == "" && m != nil && m[1] == "begin":
			inside = m[2] + " " + m[3]
			if blocks++; (m[3] == "0") != (blocks == 1) {
				problems = append(problems, line)
			}
		case inside != "" && m != nil && m[1] != "begin" && m[2]+" "+m[3] == inside:
			inside = ""
		case inside == "" && !noticeLine.MatchString(line), line == "%exit" && inside == "" && i != len(said)-1:
			problems = append(problems, line)
		}
		if inside != "" && drawn[blocks-1] {
			line = strings.NewReplacer("\u202e", "", "\u2066", "").Replace(line)
		}
		if found := attachtest.Strange([]byte(line)); len(found) > 0 {
			problems = append(problems, fmt.Sprintf("%v in %.100q", found[0], line))
		}
	}
	if blocks != asked+1 || inside != "" {
		problems = append(problems, fmt.Sprintf("%d blocks, asked was %d times", blocks, asked))
	}
	return problems
}
