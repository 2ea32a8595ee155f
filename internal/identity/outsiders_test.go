package identity

import (
	"context"
	"os"
	"os/exec"
	"testing"

	"github.com/muxward/muxward/internal/procfs"
)

// Whoever was found outside once is inside as soon as a server that is new here
// turns out to be an ancestor, as after an adoption. It stands above a process
// that is remembered.
func TestOutsideUntilAServerComes(t *testing.T) {
	l := listen(t)
	p := start(t, l, exec.Command("/proc/self/exe", childMark+"parent", l.Addr().String()))
	var panes []PaneProc
	prover := NewProver(everybody{}, WithAccounts(noAccounts()),
		WithPanes(func(context.Context) ([]PaneProc, error) { return panes, nil }))
	inside := func() string {
		t.Helper()
		id, peer, err := prover.FromPeer(t.Context(), p.conn, "tmux")
		if err != nil {
			t.Fatal(err)
		}
		_ = peer.Close()
		return id.Inside()
	}
	other := PaneProc{Owner: "bob", PID: 1 << 22}
	adopted := PaneProc{Owner: "alice", PID: os.Getpid()}
	for i, c := range []struct {
		panes []PaneProc
		want  string
	}{
		{nil, ""}, {nil, ""},
		{[]PaneProc{other}, ""}, {[]PaneProc{other}, ""},
		{[]PaneProc{other, adopted}, "alice/server"}, {[]PaneProc{adopted, other}, "alice/server"},
		{[]PaneProc{other}, ""}, {[]PaneProc{adopted}, "alice/server"},
	} {
		panes = c.panes
		if got := inside(); got != c.want {
			t.Errorf("look %d: inside %q, want %q", i, got, c.want)
		}
	}
}

// What was found is remembered, for these servers only; a finding that rests on
// an older list of servers is not.
func TestOutsiders(t *testing.T) {
	one, two := serversOf([]PaneProc{{PID: 7}, {PID: 7, Pane: "%1"}}), serversOf([]PaneProc{{PID: 7}, {PID: 8}})
	child, up := process{100, 5}, process{50, 4}
	var o outsiders
	if o.has(up, one) {
		t.Error("known before it was seen")
	}
	o.add([]process{child, up}, one)
	if !o.has(up, one) || o.has(child, one) || o.has(process{50, 9}, one) {
		t.Error("not the ancestors alone are known, each for itself")
	}
	if o.has(up, two) || o.has(up, one) {
		t.Error("known in spite of another server")
	}
	o.has(up, two)
	o.add([]process{child, up}, one)
	if o.has(up, two) {
		t.Error("known from a look that did not know of the second server")
	}
}

// A process that connects again and again is followed to init once.
func TestFollowedOnce(t *testing.T) {
	var o outsiders
	panes := []PaneProc{{PID: 1 << 22}}
	if in, _, err := find(os.Getpid(), panes, &o); in != "" || err != nil {
		t.Fatal(in, err)
	}
	st, err := procfs.ReadStat(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	up, err := procfs.ReadStat(st.PPID)
	if err != nil {
		t.Fatal(err)
	}
	// As if the parent's parent were a server: if it is followed, that is found.
	panes = append(panes, PaneProc{Owner: "alice", PID: up.PPID})
	o.has(process{}, serversOf(panes))
	o.known = map[process]bool{{st.PPID, up.Start}: true}
	if in, _, err := find(os.Getpid(), panes, &o); in != "" || err != nil {
		t.Errorf("%q, %v: the parent is followed again", in, err)
	}
	o.known = nil
	if in, _, err := find(os.Getpid(), panes, &o); up.PPID > 1 && (in != "alice/server" || err != nil) {
		t.Errorf("%q, %v: the parent is not followed", in, err)
	}
}
