package gateway

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux"
)

// TestBoundCommandsAtADisplay: what a key asks for at a display that takes no
// keys itself is not asked there, nor is another display opened in its place,
// whatever the person holds by then.
func TestBoundCommandsAtADisplay(t *testing.T) {
	r := &rules{}
	r.allow.Store(true)
	g, servers, _, _, _ := guestGateway(t, r)
	who := bob(t)
	for line, want := range map[string]string{
		"attach-session -t work": "attached already", "new-session": "attached already", "command-prompt -k": "takes no keys itself", "choose-tree": "every verb on the server", "display-menu a b c": "takes no keys itself",
		"rename-window x": "", "kill-session -t work": "", "run-shell x": "", "select-window -t :0": "",
	} {
		invs, perr := tmux.ParseArgv(strings.Fields(line), tmux.ParseOptions{})
		if perr != nil {
			t.Fatal(perr)
		}
		for _, bound := range []bool{true, false} {
			session := tmux.SessionID(1)
			servers.give <- struct{}{}
			err := g.Preview(t.Context(), Request{Identity: who, Invocation: invs[0], Here: "alice", Session: &session, Display: "/dev/pts/9", Bound: bound})
			<-servers.asked
			switch {
			case bound && want != "" && (err == nil || !strings.Contains(err.Error(), want)):
				t.Errorf("%s by a key: %v, want %q", line, err, want)
			case (!bound || want == "") && err != nil:
				t.Errorf("%s, bound %v: %v", line, bound, err)
			}
		}
	}
}

// TestBoundCommandsStayOnTheirServer: whatever flag of a command names another server,
// and whosever that is, a key does not reach it; of its own server it may be said.
func TestBoundCommandsStayOnTheirServer(t *testing.T) {
	r := &rules{}
	r.allow.Store(true)
	g, servers, _, _, _ := guestGateway(t, r)
	for line, here := range map[string]bool{
		"run-shell -t bob/x true": false, "if-shell -F -t bob/%3 1 x": false, "join-pane -s bob/%3 -t alice/%3": false, "join-pane -s alice/%3 -t bob/:": false, "set-environment -t bob/x a b": false,
		"switch-client -t bob/x": false, "list-panes -t bob/work": false, "kill-session -t alice/work": true,
	} {
		invs, perr := tmux.ParseArgv(strings.Fields(line), tmux.ParseOptions{})
		if perr != nil {
			t.Fatal(perr)
		}
		for len(servers.give) < cap(servers.give) {
			servers.give <- struct{}{}
		}
		session := tmux.SessionID(1)
		err := g.Preview(t.Context(), Request{Identity: bob(t), Invocation: invs[0], Here: "alice", Session: &session, Display: "/dev/pts/9", Bound: true})
		if elsewhere := err != nil && strings.Contains(err.Error(), "a key reaches only"); here && err != nil || !here && !elsewhere {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// TestWhatIsCurrentElsewhere: where an earlier command of a line led is the default on
// that server, and none on another, however like its numbers are.
func TestWhatIsCurrentElsewhere(t *testing.T) {
	_, servers, _, _, _ := guestGateway(t, &rules{})
	servers.give <- struct{}{}
	snap, err := servers.Snapshot(t.Context(), tmux.Core)
	if err != nil {
		t.Fatal(err)
	}
	found, err := tmux.Resolve(snap, tmux.Lookup{Kind: tmux.TargetPane}, "", tmux.ResolveContext{})
	if err != nil {
		t.Fatal(err)
	}
	session := tmux.SessionID(1)
	for _, c := range []struct {
		owner, on        string
		current, session bool
	}{{"alice", "", true, true}, {"alice", "alice", true, true}, {"alice", "bob", false, true}, {"bob", "", false, false}, {"bob", "bob", true, false}} {
		r := resolver{owner: c.owner, plan: &Plan{Visible: snap}, req: Request{Identity: bob(t), Here: "alice", Current: &found, CurrentOn: c.on, Session: &session}}
		if got := r.context(); (got.Current != nil) != c.current || (got.Session != nil) != c.session {
			t.Errorf("%+v: %+v", c, got)
		}
	}
}

// TestBoundCommandsAreDecidedByOneState: a key that is bound to many commands has the
// server asked once before the first of them runs.
func TestBoundCommandsAreDecidedByOneState(t *testing.T) {
	r := &rules{}
	r.allow.Store(true)
	g, servers, _, _, _ := guestGateway(t, r)
	invs, perr := tmux.ParseArgv(strings.Fields("rename-window x ; select-window -t :0 ; kill-session -t work"), tmux.ParseOptions{})
	if perr != nil {
		t.Fatal(perr)
	}
	session := tmux.SessionID(1)
	var reqs []Request
	for _, inv := range invs {
		reqs = append(reqs, Request{Identity: bob(t), Invocation: inv, Here: "alice", Session: &session, Display: "/dev/pts/9", Bound: true})
	}
	for range reqs { // as often as it may be asked
		servers.give <- struct{}{}
	}
	if err := g.PreviewAll(t.Context(), reqs); err != nil {
		t.Fatal(err)
	}
	if n := len(servers.asked); n != 1 {
		t.Errorf("asked %d times", n)
	}
	for _, req := range reqs {
		if req.fresh != nil {
			t.Error("it is carried out by a state that is old by then")
		}
	}
}
