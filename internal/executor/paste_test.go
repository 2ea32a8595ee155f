package executor

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/control"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// A text that could end a paste, or that no command can hold, is not pasted.
func TestMarkedPaste(t *testing.T) {
	for _, text := range []string{"a\x00", "a\x1b[201~", "a\x1b[200~"} {
		in, err := input(&scene{target: "T"}, attach.Event{Kind: attach.Paste, Bytes: []byte(text)})
		if err == nil || len(in.commands) != 0 {
			t.Errorf("%q is pasted: %q", text, in.commands)
		}
	}
}

// What is too large for one line is refused before anything is recorded; text of the
// default limit is not, whatever lines it has.
func TestPasteFitsALine(t *testing.T) {
	for _, c := range []struct {
		text string
		ok   bool
	}{
		{strings.Repeat("\r", attach.DefaultPasteLimit-pasteRoom), true},
		{strings.Repeat("\\r\r", attach.DefaultPasteLimit/3), true},
		{strings.Repeat("x", control.MaxLine-pasteRoom), true},
		{strings.Repeat("\r", control.MaxLine/4), false},
		{strings.Repeat("x", control.MaxLine), false},
	} {
		e := attach.Event{Kind: attach.Paste, Bytes: []byte(c.text)}
		at := aScene("3.3a", "%4294967295", "@4294967295", "$4294967295")
		err := pasteable(e)
		if (err == nil) != c.ok {
			t.Errorf("%.9q, %d bytes: %v", c.text, len(c.text), err)
		}
		in, err := input(at, e)
		if err != nil {
			t.Fatal(err)
		}
		if line, err := in.line(at); c.ok && (err != nil || len(line) > control.MaxLine || strings.Contains(line, "\n")) {
			t.Errorf("%.9q: a line of %d bytes, %v", c.text, len(line), err)
		}
	}
}

// A paste is one line, which leaves no buffer behind and takes none of the owner's:
// where it is pasted, where the pane is not any more what was decided, and where no
// program runs. The server outlives it.
func TestPasteIsOneLine(t *testing.T) {
	s, rec := tmuxtest.Start(t, tmuxtest.Config{}), tmuxtest.NewRecorder(t)
	s.Run("new-session", "-d", "-s", "x", "-x", "80", "-y", "24", rec.Command())
	rec.WaitReady()
	s.Run("set-option", "-g", "remain-on-exit", "on")
	s.Run("new-window", "-d", "-t", "x", "true")
	tmuxtest.Eventually(t, func() bool {
		return strings.TrimSpace(s.Run("display-message", "-p", "-t", "x:1", "#{pane_dead}")) == "1"
	}, "the program of the other pane ended")
	s.Run("set-buffer", "-b", "older", "OLDER")
	s.Run("set-buffer", "-b", "mine", "MINE")
	c := controlOf(t, s)
	version := strings.TrimSpace(s.Run("display-message", "-p", "#{version}"))
	ids := func(target string) []string {
		return strings.Fields(s.Run("display-message", "-p", "-t", target, "#{pane_id} #{window_id} #{session_id}"))
	}
	here, dead := ids("x:0"), ids("x:1")
	text := strings.Repeat("0123 'a' \"b\" $c ~ ; # \\ é\n\r\t\xff%", 8000)
	for _, c2 := range []struct {
		where          []string
		paste, refused bool
	}{
		{here, true, false}, {[]string{here[0], dead[1], here[2]}, false, true}, {dead, false, true}, {here, true, false},
	} {
		rec.Reset()
		at := aScene(version, c2.where...)
		in, err := input(at, attach.Event{Kind: attach.Paste, Bytes: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		line, err := in.line(at)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), tmuxtest.Patience)
		defer cancel()
		replies, err := c.Do(ctx, line)
		var of *control.CommandError
		if err != nil || replies[0].Err != nil && !errors.As(replies[0].Err, &of) || strings.Contains(replies[0].Text(), refusal) != c2.refused {
			t.Errorf("%v: %v, %.200q, %v", c2.where, err, replies[0].Text(), replies[0].Err)
		}
		if c2.paste {
			rec.WaitLen(len(text))
		}
		if got := string(rec.Bytes()); (got == text) != c2.paste || !c2.paste && got != "" {
			t.Errorf("%v: %d bytes are pasted", c2.where, len(got))
		}
		if left := s.Run("list-buffers", "-F", "#{buffer_name}"); left != "mine\nolder\n" {
			t.Errorf("%v: buffers are %q", c2.where, left)
		}
	}
}

func aScene(version string, ids ...string) *scene {
	v, err := tmux.ParseVersion(version)
	pane, err2 := tmux.ParsePaneID(ids[0])
	window, err3 := tmux.ParseWindowID(ids[1])
	session, err4 := tmux.ParseSessionID(ids[2])
	if err := errors.Join(err, err2, err3, err4); err != nil {
		panic(err)
	}
	return &scene{
		place:  tmux.Place{Pane: pane, Window: window, HasWindow: true, Session: session, HasSession: true, Active: true},
		opts:   tmux.ParseOptions{Version: v},
		target: ids[2] + ":" + ids[1] + "." + ids[0],
	}
}

func controlOf(t *testing.T, s *tmuxtest.Server) *control.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), tmuxtest.Patience)
	defer cancel()
	f, err := wire.FramingOf(strings.TrimSpace(s.Run("display-message", "-p", "#{version}")))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := wire.Dial(ctx, s.Socket, f)
	if err != nil {
		t.Fatal(err)
	}
	session := strings.TrimSpace(s.Run("display-message", "-p", "-t", "x:", "#{session_id}"))
	c, err := control.Open(ctx, conn, control.Options{Stall: tmuxtest.Patience, Session: session})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
