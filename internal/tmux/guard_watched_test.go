package tmux

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// startShown starts a server with a recorder that a client shows, beside another pane and
// another window, and gives the recorder's place.
func startShown(t *testing.T) (*realServer, recorder, *control, *tmuxtest.Terminal, Place) {
	t.Helper()
	srv := startServer(t)
	r := startRecorder(t, srv, "rec")
	srv.run("split-window", "-d", "-t", "rec", "exec cat")
	srv.run("new-window", "-d", "-t", "rec:7", "exec cat")
	c := srv.control("start")
	s := c.snapshot(Core).SessionByName("rec")
	x := tmuxtest.Open(t, tmuxtest.TerminalConfig{}, tmuxtest.Program(t), "-u", "-S", srv.sock, "attach-session", "-t", "rec")
	x.WaitFor("[rec]")
	return srv, r, c, x, Place{Pane: r.pane, Window: s.Links[0].Window, HasWindow: true, Session: s.ID, HasSession: true, Named: true}
}

// What has to be watched is typed while one of the clients named shows the pane: not
// while it is at another window or session, or zoomed on another pane, or gone.
func TestGuardedTypesOnlyWhereWatched(t *testing.T) {
	srv, r, c, x, in := startShown(t)
	at := in
	at.Watched = []string{"/dev/none", x.TTY()}
	want := ""
	typed := func(name string, shown bool) {
		t.Helper()
		answer := map[bool]string{false: "refused-7" + Unwatched}[shown]
		if got := r.typed(t, c, at, "w"); got != answer {
			t.Errorf("%s: %q, want %q", name, got, answer)
		}
		if shown {
			want += "w"
		}
	}
	do := func(command ...string) { srv.run(command...) }
	typed("it is shown", true)
	do("select-window", "-t", "rec:7")
	typed("at another window", false)
	do("select-window", "-t", "rec:0")
	typed("back", true)
	do("resize-pane", "-Z", "-t", "rec:0.1")
	typed("zoomed on the other pane", false)
	do("resize-pane", "-Z", "-t", r.pane.String())
	typed("zoomed on it", true)
	do("switch-client", "-c", x.TTY(), "-t", "start")
	typed("in another session", false)
	do("switch-client", "-c", x.TTY(), "-t", "rec")
	typed("in this one", true)
	at.Watched = []string{x.TTY() + "1", x.TTY()[:len(x.TTY())-1]}
	typed("others whose names are alike", false)
	at.Watched = []string{x.TTY()}
	do("detach-client", "-t", x.TTY())
	x.ExitCode()
	until(t, "the client has gone", func() bool { return !strings.Contains(srv.run("list-clients", "-F", "#{client_tty}"), x.TTY()) })
	typed("detached", false)
	until(t, "what was watched arrives", func() bool { return r.got(t) == want })
	if _, err := Guarded(Place{Pane: r.pane, Watched: []string{"/dev/pts/1}#{x"}}, [][]string{{"send-keys"}}, "no", ParseOptions{}); err == nil {
		t.Error("a name that is a format is taken")
	}
}
