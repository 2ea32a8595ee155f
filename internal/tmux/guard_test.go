package tmux

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recorder is a pane whose program writes down what it gets.
type recorder struct {
	file string
	pane PaneID
}

func startRecorder(t *testing.T, srv *realServer, session string) recorder {
	t.Helper()
	file := filepath.Join(filepath.Dir(srv.sock), "got-"+session)
	out := srv.run("new-session", "-d", "-P", "-F", "#{pane_id}", "-s", session,
		"stty raw -echo; : > "+file+"; exec cat >> "+file)
	pane, err := ParsePaneID(out)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the recorder runs", func() bool { _, err := os.Stat(file); return err == nil })
	return recorder{file, pane}
}

func (r recorder) got(t *testing.T) string {
	b, err := os.ReadFile(r.file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// typed sends one guarded key and says what tmux answered.
func (r recorder) typed(t *testing.T, c *control, at Place, key string) string {
	t.Helper()
	target := r.pane.String()
	if at.Named {
		target = at.Session.String() + ":" + at.Window.String() + "." + target
	}
	inv := mustParse(t, "send-keys", "-l", "-t", target, key)
	words, err := Guarded(at, [][]string{inv.Words()}, "refused-7", ParseOptions{Version: c.v})
	if err != nil {
		t.Fatal(err)
	}
	line, err := QuoteControl(words)
	if err != nil {
		t.Fatal(err)
	}
	c.send(line, "display-message -p behind-it")
	// Each if-shell answers with an empty block, the chosen command with its own.
	answer := ""
	for {
		body, ok := c.reply()
		said := strings.TrimSpace(string(body))
		switch {
		case said == "behind-it":
			return answer
		case said == "":
			continue
		case answer != "":
			t.Fatalf("%q behind %q", said, answer)
		}
		answer = said
		if at.Named && !ok && strings.HasPrefix(said, "can't find") {
			answer = "refused-7" // by tmux itself
		}
	}
}

func TestGuardedTypesOnlyWherePermitted(t *testing.T) {
	for name, named := range map[string]bool{"by the test alone": false, "by the target, too": true} {
		t.Run(name, func(t *testing.T) { typesOnlyWherePermitted(t, named) })
	}
}

func typesOnlyWherePermitted(t *testing.T, named bool) {
	srv := startServer(t)
	r := startRecorder(t, srv, "rec")
	c := srv.control("start")
	snap := c.snapshot(Core)
	s := snap.SessionByName("rec")
	at := Place{Pane: r.pane, Window: s.Links[0].Window, HasWindow: true, Session: s.ID, HasSession: true, Named: named}
	other := snap.SessionByName("start")

	if got := r.typed(t, c, at, "a;b'c\"d$HOME #{pane_id}\\"); got != "" {
		t.Fatalf("refused: %q", got)
	}
	want := "a;b'c\"d$HOME #{pane_id}\\"
	until(t, "the key arrives", func() bool { return r.got(t) == want })

	// Each of these must be refused and leave no byte.
	for name, wrong := range map[string]Place{
		"another's window":      {Pane: r.pane, Window: other.Links[0].Window, HasWindow: true, Session: s.ID, HasSession: true},
		"its window elsewhere":  {Pane: r.pane, Window: other.Links[0].Window, HasWindow: true, Session: other.ID, HasSession: true},
		"another window":        {Pane: r.pane, Window: other.Links[0].Window, HasWindow: true},
		"another session":       {Pane: r.pane, Window: at.Window, HasWindow: true, Session: other.ID, HasSession: true},
		"a session that is not": {Pane: r.pane, Window: at.Window, HasWindow: true, Session: 99, HasSession: true},
		"a window that is not":  {Pane: r.pane, Window: 99, HasWindow: true},
	} {
		wrong.Named = named && wrong.HasSession
		if got := r.typed(t, c, wrong, "X"); got != "refused-7" {
			t.Errorf("%s: %q", name, got)
		}
	}
	// A window that is linked elsewhere, too, is at both places, until it is not.
	srv.run("link-window", "-d", "-s", at.Window.String(), "-t", "start:7")
	also := at
	also.Session = other.ID
	for _, linked := range []bool{true, false} {
		answer := map[bool]string{false: "refused-7"}[linked]
		if got := r.typed(t, c, also, "l"); got != answer {
			t.Errorf("a window that is linked %v: %q", linked, got)
		}
		if linked {
			srv.run("unlink-window", "-t", "start:7")
		}
	}
	want += "l"
	until(t, "the key in the linked window", func() bool { return r.got(t) == want })
	// The active pane is asked for where that was decided on.
	active := at
	active.Active = true
	srv.run("split-window", "-t", "rec", "exec cat")
	if got := r.typed(t, c, active, "X"); got != "refused-7" {
		t.Errorf("a pane that is not active: %q", got)
	}
	srv.run("select-pane", "-t", r.pane.String())
	if got := r.typed(t, c, active, "y"); got != "" {
		t.Errorf("the active pane: %q", got)
	}
	want += "y"
	until(t, "the key in the active pane", func() bool { return r.got(t) == want })
	srv.run("kill-pane", "-a", "-t", r.pane.String())
	// So is its program, where it was meant for that.
	meant := at
	if meant.Program = c.snapshot(Core).Pane(r.pane).PID; meant.Program <= 1 {
		t.Fatalf("the pane's program is process %d", meant.Program)
	}
	if got := r.typed(t, c, meant, "p"); got != "" {
		t.Errorf("its program: %q", got)
	}
	want += "p"
	until(t, "the key for its program", func() bool { return r.got(t) == want })
	meant.Program++
	if got := r.typed(t, c, meant, "X"); got != "refused-7" {
		t.Errorf("another program: %q", got)
	}
	for _, mode := range []string{"copy-mode -t rec", "clock-mode -t rec", "choose-tree -t rec", "customize-mode -t rec"} {
		if reply, ok := c.ask(mode); !ok {
			t.Fatal(reply)
		}
		for _, place := range []Place{at, {Pane: r.pane}} {
			if got := r.typed(t, c, place, "q"); got != "refused-7" {
				t.Errorf("%s: %q", mode, got)
			}
		}
		if reply, _ := c.ask("display-message -p -t rec '#{pane_in_mode}'"); reply != "1" {
			t.Errorf("%s: the mode was left: %q", mode, reply)
		}
		// Leave the mode without the guard.
		srv.tryRun("send-keys", "-X", "-t", "rec", "cancel")
		if srv.run("display-message", "-p", "-t", "rec", "#{pane_in_mode}") == "1" {
			srv.run("send-keys", "-t", "rec", "q")
		}
	}
	// What is typed would go to other panes too.
	for _, on := range []string{"on", "off"} {
		answer := map[string]string{"on": "refused-7-synchronized"}[on]
		srv.run("set-option", "-w", "-t", "rec", "synchronize-panes", on)
		if got := r.typed(t, c, at, "s"); got != answer {
			t.Errorf("synchronize-panes %s: %q", on, got)
		}
	}
	want += "s"
	until(t, "the key arrives", func() bool { return r.got(t) == want })
	// A pane that moved away while it was decided on.
	if reply, ok := c.ask("join-pane -d -s " + r.pane.String() + " -t start:0"); !ok {
		t.Fatal(reply)
	}
	if got := r.typed(t, c, at, "Y"); got != "refused-7" {
		t.Errorf("moved pane: %q", got)
	}
	if reply, ok := c.ask("kill-pane -t " + r.pane.String()); !ok {
		t.Fatal(reply)
	}
	if got := r.typed(t, c, Place{Pane: r.pane}, "Z"); got != "refused-7" {
		t.Errorf("dead pane: %q", got)
	}
	if got := r.got(t); got != want {
		t.Errorf("recorder got %q, want %q", got, want)
	}
}

func TestGuardedSurvivesAliases(t *testing.T) {
	srv := startServer(t)
	r := startRecorder(t, srv, "rec")
	c := srv.control("start")
	srv.run("set-option", "-s", "command-alias[50]", "if-shell=kill-session -t rec ; display-message")
	srv.run("set-option", "-s", "command-alias[51]", "display-message=kill-session -t rec ; display-message")
	snap := c.snapshotAround(t, []CommandAlias{{"display-message", "x"}})
	opts := ParseOptions{Version: snap.Version, Aliases: snap.Options.Aliases}
	inv := mustParse(t, "send-keys", "-l", "-t", r.pane.String(), "k")
	inner, err := inv.WordsFor(opts)
	if err != nil {
		t.Fatal(err)
	}
	words, err := Guarded(Place{Pane: r.pane}, [][]string{inner}, "no", opts)
	if err != nil {
		t.Fatal(err)
	}
	line, err := QuoteControl(words)
	if err != nil {
		t.Fatal(err)
	}
	if reply, ok := c.ask(line); !ok {
		t.Fatal(reply)
	}
	until(t, "the key arrives", func() bool { return r.got(t) == "k" })
}

// snapshotAround fetches with commands spelled around some aliases.
func (c *control) snapshotAround(t *testing.T, aliases []CommandAlias) *Snapshot {
	t.Helper()
	lines, err := SnapshotCommandsFor(Core, ParseOptions{Aliases: aliases})
	if err != nil {
		t.Fatal(err)
	}
	return c.fetch(Core, lines)
}

func TestGuardedRefusesWhatItCannotSay(t *testing.T) {
	for _, token := range []string{"", "a b", "#{pid}", "a;b", "é", "%1", strings.Repeat(" ", 3)} {
		if _, err := Guarded(Place{}, [][]string{{"send-keys"}}, token, ParseOptions{}); err == nil {
			t.Errorf("token %q accepted", token)
		}
	}
	if _, err := Guarded(Place{}, nil, "x", ParseOptions{}); err == nil {
		t.Error("nothing was guarded")
	}
	if _, err := Guarded(Place{}, [][]string{{"a\x00"}}, "x", ParseOptions{}); err == nil {
		t.Error("NUL was written")
	}
}
