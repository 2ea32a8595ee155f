package fidelity

import (
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

//go:embed testdata/commands/*.txt
var lists embed.FS

// line is one line of a list: what a shell is told to do.
type line struct {
	text    string
	counted bool // a case, not preparation for one
	outside bool // makes no sense from inside a pane
}

// readList reads one list of command lines. A line is a case, given to the
// shell as it stands, unless it begins with
//
//	!  preparation
//	-  a case that is not run from inside a pane
//	?  PANE TEXT: wait until the pane shows the text
//	=  COMMAND: wait until that is what runs in all panes but the script's own
//	~  wait until no server runs
//	#  a comment
func readList(t testing.TB, path string) []line {
	t.Helper()
	data, err := lists.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []line
	for text := range strings.SplitSeq(strings.TrimSuffix(string(data), "\n"), "\n") {
		mark, rest, _ := strings.Cut(text, " ")
		switch mark {
		case "#", "":
		case "!":
			out = append(out, line{text: rest})
		case "-":
			out = append(out, line{text: rest, counted: true, outside: true})
		case "=":
			out = append(out, line{text: fmt.Sprintf("until_runs %q", rest)})
		case "~":
			out = append(out, line{text: "until_gone", outside: true})
		case "?":
			pane, what, _ := strings.Cut(rest, " ")
			out = append(out, line{text: fmt.Sprintf("until_shows %q %q", pane, what)})
		default:
			if last := len(out) - 1; last >= 0 && strings.Count(out[last].text, "'")%2 == 1 {
				out[last].text += "\n" + text // the text in quotes goes on
				continue
			}
			out = append(out, line{text: text, counted: true})
		}
	}
	return out
}

// script makes a shell script that runs the lines one after the other and
// keeps what each of them printed, and how it exited, in files.
func script(lines []line, dir string, inside bool) string {
	var b strings.Builder
	b.WriteString(`until_shows() {
	n=0
	until tmux capture-pane -p -t "$1" | grep -q -F -e "$2"; do
		n=$((n+1)); [ $n -lt 900 ] || { echo "$1 does not show $2"; return 9; }
		sleep 0.02
	done
}
`)
	b.WriteString(`until_runs() {
	n=0
	while tmux list-panes -a -f '#{!=:#{session_name},runner}' -F '#{pane_current_command}' | grep -v -q -x -e "$1"; do
		n=$((n+1)); [ $n -lt 900 ] || { echo "not all panes run $1"; return 9; }
		sleep 0.02
	done
}
`)
	b.WriteString(`until_gone() {
	n=0
	until tmux ls 2>&1 | grep -q '^no server running'; do
		n=$((n+1)); [ $n -lt 900 ] || { echo "the server does not end"; return 9; }
		sleep 0.02
	done
}
`)
	fmt.Fprintf(&b, "mkdir -p %s/cwd && cd %[1]s/cwd || exit 9\n", dir)
	stdin := "</dev/null"
	if inside {
		stdin = "" // the pane
	}
	asked := false
	for i, l := range lines {
		if inside && l.outside {
			continue
		}
		if l.counted && !asked && i > 0 {
			// A server runs by now.
			fmt.Fprintf(&b, "tmux display-message -p '#{pid} #{socket_path}' >%s/server\n", dir)
			asked = true
		}
		fmt.Fprintf(&b, "{ %s\n} %s >%s/%d.out 2>%[3]s/%[4]d.err; echo $? >%[3]s/%[4]d.code\n", l.text, stdin, dir, i)
	}
	fmt.Fprintf(&b, "echo >%s/finished\n", dir)
	return b.String()
}

// answer is what one line came to.
type answer struct{ out, err, code string }

func (a answer) String() string {
	return fmt.Sprintf("%s, out %q, err %q", a.code, a.out, a.err)
}

// run runs a list on one side and gives the answers by line.
func (s *side) run(lines []line, inside bool) map[int]answer {
	s.t.Helper()
	dir := tmuxtest.Dir(s.t, s.owner)
	file := filepath.Join(dir, "script")
	if err := os.WriteFile(file, []byte(script(lines, dir, inside)), 0o644); err != nil {
		s.t.Fatal(err)
	}
	defer func() {
		if _, err := os.Stat(dir + "/finished"); err != nil {
			s.t.Logf("%s: the script came to %s", s.name, lastRun(lines, dir))
		}
	}()
	if inside {
		s.must("new-session", "-d", "-s", "runner", "-n", "sh", "-x", "80", "-y", "24", "exec sh "+file)
		tmuxtest.Eventually(s.t, func() bool {
			_, err := os.Stat(dir + "/finished")
			return err == nil
		}, "%s: the script in the pane ends", s.name)
	} else {
		cmd := s.owner.Command("sh", file)
		cmd.Env = s.env
		if _, err := tmuxtest.Output(cmd); err != nil {
			s.t.Fatalf("%s: %v", s.name, err)
		}
	}
	s.end()
	answers := map[int]answer{}
	server, err := os.ReadFile(dir + "/server")
	if err != nil {
		s.t.Fatal(err)
	}
	same := s.normalise(dir, strings.TrimSpace(string(server)))
	read := func(i int, what string) string {
		data, err := os.ReadFile(fmt.Sprintf("%s/%d.%s", dir, i, what))
		if err != nil {
			s.t.Fatal(err)
		}
		return same(string(data))
	}
	for i, l := range lines {
		if inside && l.outside {
			continue
		}
		answers[i] = answer{read(i, "out"), read(i, "err"), strings.TrimSpace(read(i, "code"))}
	}
	return answers
}

// lastRun is the last line of a script that has begun.
func lastRun(lines []line, dir string) string {
	for i := len(lines) - 1; i >= 0; i-- {
		if _, err := os.Stat(fmt.Sprintf("%s/%d.out", dir, i)); err == nil {
			return lines[i].text
		}
	}
	return "nothing"
}

var (
	created  = regexp.MustCompile(`\(created [A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d \d{4}\)`)
	clock    = regexp.MustCompile(`\b\d\d:\d\d \d\d-[A-Z][a-z]{2}-\d\d\b`) // the two sides are asked in other minutes
	epoch    = regexp.MustCompile(`\b1[6-9]\d{8}\b`)
	ttyName  = regexp.MustCompile(`/dev/pts/\d+`)
	guards   = regexp.MustCompile(`(?m)^(%(?:begin|end|error) TIME) \d+ ([01])$`)
	shellPos = regexp.MustCompile(`(?m)^\S*script: \d+: `)
)

// normalise takes out what cannot be the same on both sides: where the socket
// is, which process the server is, when something was made, and names that the
// kernel gave out. The pid and the socket were printed by the server itself.
func (s *side) normalise(dir, server string) func(string) string {
	pid, socket, ok := strings.Cut(server, " ")
	if _, err := strconv.Atoi(pid); err != nil || !ok || socket == "" {
		s.t.Fatalf("%s: who is the server: %q", s.name, server)
	}
	process := regexp.MustCompile(`\b` + pid + `\b`)
	return func(text string) string {
		text = strings.ReplaceAll(text, dir, "DIR")
		text = strings.ReplaceAll(text, socket, "SOCKET")
		text = strings.ReplaceAll(text, fmt.Sprintf("%s/tmux-%d/default", s.door, s.owner.UID), "SOCKET")
		text = strings.ReplaceAll(text, s.door+"/", "DOORS/")
		text = created.ReplaceAllString(text, "(created TIME)")
		text = clock.ReplaceAllString(text, "CLOCK")
		text = epoch.ReplaceAllString(text, "TIME")
		text = guards.ReplaceAllString(text, "$1 NUMBER $2")
		text = ttyName.ReplaceAllString(text, "TTY") // before the pid, which may be the same number
		text = process.ReplaceAllString(text, "PID")
		return shellPos.ReplaceAllString(text, "script: ")
	}
}

// exception is a line whose answers may differ, and why.
type exception struct {
	list, line string
	where      string // "outside", "inside" or "" for both
	why        string
	since      tmux.Version // the first version of which it is so; zero for all
}

// ourClient is why answers differ that are about what clients there are: to no other one
// does tmux from 3.4 on tell what muxward has to know.
const ourClient = "muxward's own connection has to be a client of some session"

var exceptions = []exception{
	{"01-list.txt", "tmux -c 'echo from a shell'", "", "muxward runs no shell for a client", tmux.Version{}},
	{"16-clients.txt", "tmux server-access", "", "muxward's policy is the access list", tmux.Version{}},
	{"16-clients.txt", "tmux server-access -l", "", "muxward's policy is the access list", tmux.Version{}},
	{"16-clients.txt", "tmux server-access -a nosuch", "", "muxward's policy is the access list", tmux.Version{}},
	{"01-list.txt", "tmux list-clients", "", ourClient, v34},
	{"01-list.txt", "tmux lsc -t work", "", ourClient, v34},
	{"01-list.txt", "tmux list-keys -1 -N c", "", ourClient, v34}, // where there is a client tmux shows it in its status line
	{"02-sessions.txt", "tmux detach-client -s base", "", ourClient, v34},
	{"02-sessions.txt", "tmux detach-client -s nosuch", "", ourClient, v34},
	{"06-messages.txt", "tmux display-message -p -t m '#{S:#{session_name},}'", "", ourClient, v34},
	{"06-messages.txt", "tmux display-message -p '#{client_name}|#{client_tty}|#{client_session}'", "", ourClient, v34},
	{"13-sizes.txt", "tmux list-panes -s -t z -F '#I.#P #{pane_mode}'", "", ourClient, v34},
	{"15-running.txt", "cat fmt-r", "inside", ourClient, v34}, // a file's name is expanded for the client that tmux finds
	{"16-clients.txt", "tmux show-messages", "", ourClient, v34},
	{"16-clients.txt", "tmux show-messages -t nosuch", "", ourClient, v34},
}

// left reports whether a line is not asked of this version, as plain tmux has no
// answer to compare with.
func left(list string, l line, v tmux.Version) bool {
	return list == "06-messages.txt" && v.AtLeast(v36) && !v.AtLeast(v37) && strings.Contains(l.text, "'#{S:#{session_name},}'")
}

func excepted(list, text, where string, v tmux.Version) bool {
	for _, e := range exceptions {
		if e.list == list && e.line == text && (e.where == "" || e.where == where) && v.AtLeast(e.since) {
			return true
		}
	}
	return false
}

// TestCommandLines: at the door, as owner, one cannot tell muxward from tmux.
// Each command line is run on both, from outside and again from inside a
// pane, and what it prints and how it exits is compared.
func TestCommandLines(t *testing.T) {
	plain, muxward := sides(t)
	files, err := lists.ReadDir("testdata/commands")
	if err != nil {
		t.Fatal(err)
	}
	for _, inside := range []bool{false, true} {
		where := "outside"
		if inside {
			where = "inside"
		}
		t.Run(where, func(t *testing.T) {
			var cases, spoke int
			for _, f := range files {
				lines := readList(t, "testdata/commands/"+f.Name())
				n, m := compareList(t, f.Name(), where, lines, plain, muxward)
				cases, spoke = cases+n, spoke+m
			}
			t.Logf("%d command lines, %d of them answered with text by tmux", cases, spoke)
			if cases < 200 {
				t.Errorf("%d command lines, want 200 or more", cases)
			}
			if spoke < cases/2 {
				t.Errorf("tmux printed something for %d of %d lines: the comparison says little", spoke, cases)
			}
		})
	}
}

// making is a configuration that makes sessions, asks what the client has that
// starts the server, and runs tmux.
const making = `new-session -s made -n one ; new-window -n two
new-session -s other
if-shell '[ "$TERM" = vt220 ]' 'set -s @term yes' 'set -s @term no'
if-shell 'tmux run-shell true && tmux has-session -t made' 'set -s @asked yes' 'set -s @asked no'
run-shell 'tmux set-option -s @made yes'
`

// compareList runs one list on both sides. It gives the number of cases and
// how many of them plain tmux answered with some text.
func compareList(t *testing.T, name, where string, lines []line, plain, muxward *side) (cases, spoke int) {
	inside := where == "inside"
	text := conf
	if strings.Contains(name, "empty") {
		text += "set -s exit-empty off\n"
	}
	if strings.Contains(name, "made") {
		text += making
	}
	if inside && !anyInside(lines) {
		return 0, 0
	}
	version := runs(t)
	lines = slices.DeleteFunc(slices.Clone(lines), func(l line) bool { return left(name, l, version) })
	if inside && !version.AtLeast(v33) {
		// A window is as large there as the terminal of the client that makes it, and
		// muxward's way to the server has none.
		text += "set -g window-size manual\n"
	}
	var got [2]map[int]answer
	for i, s := range []*side{plain, muxward} {
		s.t = t
		s.configure(text)
		got[i] = s.run(lines, inside)
	}
	for i, l := range lines {
		want, ran := got[0][i]
		if !ran {
			continue
		}
		if l.counted {
			cases++
			if want.out+want.err != "" {
				spoke++
			}
		} else if want.code != "0" {
			t.Errorf("%s: preparation %q on plain tmux:\n\t%s", name, l.text, want)
		}
		if have := got[1][i]; have != want && !excepted(name, l.text, where, version) {
			t.Errorf("%s, %s: %s\n  tmux:    %s\n  muxward: %s", name, where, l.text, want, have)
		}
	}
	return cases, spoke
}

// runs is the version of the tmux that runs.
func runs(t testing.TB) tmux.Version {
	t.Helper()
	out, err := exec.Command(tmuxtest.Program(t), "-V").Output()
	if err != nil {
		t.Fatal(err)
	}
	v, err := tmux.ParseVersion(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func anyInside(lines []line) bool {
	for _, l := range lines {
		if l.counted && !l.outside {
			return true
		}
	}
	return false
}
