package guard

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux"
)

var trapOpts = tmux.ParseOptions{Version: tmux.Version{Major: 3, Minor: 3}}

func TestReadOption(t *testing.T) {
	for line, want := range map[string]bool{
		`status-left "#(date)"`:                  true,
		`status-right "#{E:pane_title}"`:         true,
		`status-right "#{T:pane_title}"`:         true,
		`status-right "#{=10;E:pane_title}"`:     true,
		`status-right "#{E;=10:pane_title}"`:     true,
		`status-right "#{E:#{@a}}"`:              true,
		`status-right "#{s/:/x/;E:window_name}"`: true,
		`@mine "#{E:pane_title}"`:                true,
		`status-right "#{E:@mine}"`:              false, // which is looked at itself
		`status-format[0] "#{T;=/#{status-left-length}:status-left}#{E:window-status-style}"`: false,
		`status-right "#{pane_title} #{=21:pane_title}"`:                                      false,
		`status-right "ETA: #{T} E:"`:                                                         false,
		`editor /usr/bin/vi`:                                                                  false,
		`editor vi`:                                                                           false,
		`editor /tmp/vi`:                                                                      true,
		`editor "/bin/sh -c 'touch x' #"`:                                                     true,
		`editor "/usr/bin/env sh -c x"`:                                                       true,
		`editor "sh -c x"`:                                                                    true,
		`editor "/bin/vi;x"`:                                                                  true,
		`default-client-command new-session`:                                                  false,
		`default-client-command "run-shell x"`:                                                true,
		`key-table root`:                                                                      false,
		`key-table "a b"`:                                                                     true,
		`update-environment[0] DISPLAY`:                                                       false,
		`update-environment[0] LD_PRELOAD`:                                                    true,
		`update-environment[0] PATH`:                                                          true,
		`update-environment[0] "LD*"`:                                                         true,
		`update-environment[0] *`:                                                             true,
	} {
		if said, got := readOption(line, trapOpts); got != want {
			t.Errorf("%s: %v %q, want %v", line, got, said.text, want)
		}
	}
}

func TestReadVariable(t *testing.T) {
	for line, want := range map[string][2]bool{ // told, usual
		"LD_PRELOAD=/x":       {true, false},
		"-LD_PRELOAD":         {false, false},
		"a-b=#(touch x)":      {true, false},
		"@x=#{E:pane_title}":  {true, false},
		"PATH=/tmp/evil:/bin": {true, true},
		"PATH=#(x)":           {true, false},
		"-PATH":               {false, false},
		"SHELL=/tmp/sh":       {true, true},
		"GIT_SSH_COMMAND=x":   {true, true},
		"LANG=C":              {false, false},
	} {
		if said, got := readVariable(line, trapOpts); got != want[0] || said.usual != want[1] {
			t.Errorf("%s: %v %v, want %v", line, got, said.usual, want)
		}
	}
}

// The names of tables that hold lines make lines of their own: one of them is always told of, whatever it says.
func TestReadBinding(t *testing.T) {
	ordinary := "bind-key    -T prefix            x                    send-keys y"
	for listed, want := range map[string]string{
		ordinary: "",
		ordinary + "\n" + strings.Replace(ordinary, "send-keys y", "run-shell y", 1):                         "runs a program",
		ordinary + "\n" + strings.Replace(ordinary, "send-keys y", "display-message '#{E:pane_title}'", 1):   "expands what others say",
		ordinary + "\nbind-key    -T a\nb                  x        run-shell y":                             "cannot be read",
		ordinary + "\nbind-key    -T a k send-keys\nbind-key -T b k send-keys # x run-shell y":               "cannot be read",
		"bind-key    -T root k send-keys z\nbind-key -T b k send-keys # x    run-shell y\n" + ordinary:       "cannot be read",
		"bind-key    -T root k send-keys z\nbind-key -T root k send-keys '   x    run-shell y'\n" + ordinary: "cannot be read",
	} {
		read, told := bindingReader(), ""
		for line := range strings.SplitSeq(listed, "\n") {
			if said, tells := read(line, trapOpts); tells {
				told += said.text + "\n"
			}
		}
		if (want == "") != (told == "") || !strings.Contains(told, want) {
			t.Errorf("%q\n  told: %q, want %q", listed, told, want)
		}
	}
}

// What anybody can name as they like, and make many of, keeps nothing of tmux's own from being told
// one by one, nor has muxward read without end.
func TestDecoys(t *testing.T) {
	in := inspection{opts: trapOpts, panes: []string{"%0"}}
	places := in.trapPlaces()
	options, keys := places["options"], places["key bindings"]
	var said strings.Builder
	mark := func(p []place) (marks []string) {
		for i := range p {
			marks = append(marks, fmt.Sprint("mark", i))
		}
		return marks
	}
	say := func(marks []string, i int, lines ...string) {
		for _, line := range append(lines, marks[i]) {
			said.WriteString(line + "\n")
		}
	}
	var decoys []string
	for i := range 300 {
		decoys = append(decoys, fmt.Sprintf("@a%d #(true)", i))
	}
	marks := mark(options)
	say(marks, 0)
	say(marks, 1, append(decoys, "default-command evil")...)
	say(marks, 2)
	say(marks, 3, append(decoys, "remain-on-exit-format #(evil)")...)
	l := &hookLook{what: "options", opts: trapOpts, read: map[string]bool{}, whole: true}
	l.answer([]byte(said.String()), options, marks)
	found := (&Server{}).adjust(l, options, &knownHooks{}, &riskList{})
	at := func(text string) int {
		return slices.IndexFunc(found, func(r risk) bool { return strings.Contains(r.text, text) })
	}
	if len(l.read) != 4 || at("default-command") < 0 || at("remain-on-exit-format") < 0 || at("every session has more than 100 options") < 0 {
		t.Errorf("of %d places and %d risks it is %d, %d, %d", len(l.read), len(found), at("default-command"), at("remain-on-exit-format"), at("every session has more than 100 options"))
	}
	if at("default-command") > 5 {
		t.Errorf("default-command is told as number %d", at("default-command"))
	}

	said.Reset()
	marks = mark(keys)
	long := "bind-key -T mine x display-message " + strings.Repeat("y", 1000)
	lines := append(slices.Repeat([]string{long}, maxRead/1000+10), "bind-key -T root F12 run-shell evil", long+" z")
	say(marks, 0, lines...)
	l = &hookLook{what: "key bindings", opts: trapOpts, read: map[string]bool{}, whole: true}
	l.answer([]byte(said.String()), keys, marks)
	told := ""
	for _, r := range l.found {
		told += r.text + "\n"
	}
	if !strings.Contains(told, "F12 of the table root runs") || !strings.Contains(told, "more than 256 KiB of key bindings") {
		t.Errorf("told: %.2000s", told)
	}
}

// What a server says is read, whatever it is, and a job that is written plainly is seen.
func FuzzReadTraps(f *testing.F) {
	for _, line := range []string{`editor "/bin/sh -c x"`, "PATH=/x", "bind-key -T a\nb x run-shell y", "status-left #{E:#{T;=/x/:a}}", "bind-key -r -T root M-x #(x"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		_, told := readOption(line, trapOpts)
		if _, value, _ := strings.Cut(line, " "); !told && strings.Contains(value, "#(") {
			t.Errorf("an option with a job is not told of: %q", line)
		}
		_, _ = readVariable(line, trapOpts)
		if _, told := bindingReader()(line, trapOpts); !told && strings.Contains(line, "#(") {
			if _, _, b, ok := tmux.ListedKey(line, trapOpts.Version); !ok || strings.Contains(b.Text(), "#(") {
				t.Errorf("a key with a job is not told of: %q", line)
			}
		}
	})
}

// A trap that hides: a table whose name holds a line, a format that expands a title, an
// editor with arguments, a PATH that comes later, and the environment of all, while a session has ended.
func TestHiddenTraps(t *testing.T) {
	w := newWorld(t)
	s := w.settled()
	if said := strings.Join(s.Risks(), "\n"); strings.Contains(said, "expands what others") || strings.Contains(said, "cannot be read") || strings.Contains(said, "PATH") {
		t.Errorf("tmux's own are told of: %s", said)
	}
	if all, _, err := s.Look(t.Context()); err != nil || slices.ContainsFunc(all, func(r Risk) bool { return strings.Contains(r.Text, "PATH") }) {
		t.Errorf("what most servers have is listed, and would be cleared: %v, %v", all, err)
	}
	run(t, s, "bind-key", "-T", "a\nb", "x", "run-shell", "true")
	w.heard("a key cannot be read")
	run(t, s, "set", "-g", "status-right", "#{E:pane_title}")
	w.heard("status-right expands what others say once more")
	run(t, s, "set", "-s", "editor", "/bin/sh -c true #")
	w.heard("editor is more than the name of a program")
	run(t, s, "set-environment", "-g", "PATH", "/tmp/evil:/bin:/usr/bin")
	w.heard("new on the tmux server", "new panes have PATH in their environment")

	run(t, s, "set-environment", "-g", "LD_AUDIT", "/x")
	w.heard("new panes have LD_AUDIT")
	in := inspection{opts: trapOpts, sessions: []string{"$0", "$999", "$1000"}} // two have ended
	looked, more, err := s.Look(t.Context())
	if err != nil || more > 0 {
		t.Fatalf("%d more, %v", more, err)
	}
	for _, r := range looked {
		if _, left, err := s.Clear(t.Context(), []string{r.ID}); err != nil || (len(left) > 0) != (r.Undo == nil) {
			t.Errorf("%q: left %v, error %v", r.Text, left, err)
		}
	}
	if _, _, err := s.Clear(t.Context(), []string{"0123"}); !errors.Is(err, ErrChanged) {
		t.Errorf("what is not there: %v", err)
	}
	// What has gone keeps nothing else from being cleared.
	run(t, s, "set-environment", "-g", "LD_AUDIT", "/y")
	if looked, _, err = s.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(looked, func(r Risk) bool { return strings.Contains(r.Text, "LD_AUDIT") })
	if done, left, err := s.Clear(t.Context(), []string{"0123", looked[at].ID}); err != nil || len(done) != 1 || len(left) != 0 {
		t.Errorf("with one that has gone: %v, %v, %v", done, left, err)
	}
	run(t, s, "set-environment", "-g", "LD_AUDIT", "/x")
	l := s.lookAt(t.Context(), "environments", in.opts, in.trapPlaces()["environments"])
	found := false
	for _, r := range l.found {
		found = found || strings.Contains(r.text, "LD_AUDIT")
	}
	if !found || !l.whole {
		t.Errorf("by the end of another session it is hidden: %v, whole: %v", l.found, l.whole)
	}
}
