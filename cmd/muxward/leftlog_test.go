package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/audit"
	"github.com/muxward/muxward/internal/tmux"
)

// leftStory is a log that is told, and what it says of bob.
type leftStory struct {
	*leftReader
	seq  uint64
	life *leftLife
}

func newLeftStory(panes ...tmux.PaneID) *leftStory {
	s := &leftStory{leftReader: newLeftReader("bob")}
	s.life = &leftLife{owner: "alice", snap: &tmux.Snapshot{
		Sessions: []tmux.Session{{ID: 1, Name: "work", Links: []tmux.Winlink{{Window: 2}}}},
		Windows:  []tmux.Window{{ID: 2, Panes: panes}},
	}}
	for _, id := range panes {
		s.life.snap.Panes = append(s.life.snap.Panes, tmux.Pane{ID: id, Window: 2})
	}
	s.lives["alice#life"] = s.life
	return s
}

func (s *leftStory) tell(ev access.Event) uint64 {
	s.seq++
	ev.Time = time.Unix(int64(s.seq), 0)
	if ev.Server == "" {
		ev.Server = "alice#life"
	}
	s.read(&audit.Record{Seq: s.seq, Event: ev})
	return s.seq
}

// asks tells of a command that somebody gives, from inside a pane or none.
func (s *leftStory) asks(who, inside, command, on string) uint64 {
	return s.tell(access.Event{Kind: access.EventIntent, Person: who, Inside: inside, Executed: []string{command}, Objects: []string{on}, Verbs: []string{"any"}})
}

// ends tells how it ended, and what it made.
func (s *leftStory) ends(who, inside string, ref uint64, exit int, made ...string) {
	s.tell(access.Event{Kind: access.EventOutcome, Person: who, Inside: inside, Ref: ref, Exit: &exit, Objects: made})
}

// told is what it comes to, in short.
func (s *leftStory) told() string {
	panes, acts := s.rest()
	var out []string
	for _, p := range panes {
		out = append(out, fmt.Sprintf("%s %v %s", p.pane.ID, p.Sure, p.Note))
	}
	for _, a := range acts {
		out = append(out, fmt.Sprintf("%s %s×%d %s", a.By, a.On, a.Times, a.Note))
	}
	return strings.Join(out, "\n")
}

// What tmux has said that bob made is his for sure, whatever became of his client, and
// nothing else is: not what others made meanwhile, nor what has gone, nor what somebody
// else began a program in since.
func TestLeftPanes(t *testing.T) {
	s := newLeftStory(3, 4, 5, 6, 7)
	hers, his := s.asks("alice", "", "split-window", "alice/$1:@2"), s.asks("bob", "", "split-window", "alice/$1:@2")
	s.ends("bob", "", his, 0, "alice/$1:@2.%3")
	s.ends("alice", "", hers, 0, "alice/$1:@2.%4")
	s.ends("bob", "", s.asks("bob", "", "new-window", "alice/$1"), 1, "alice/$1:@2.%5") // his client has gone
	s.ends("bob", "", s.asks("bob", "", "new-window", "alice/$1"), 0, "alice/$1:@9.%90")
	s.ends("bob", "", 4000, 0, "alice/$1:@2.%6") // its intent named no server: there was none
	s.ends("bob", "", s.asks("bob", "", "respawn-pane", "alice/$1:@2.%5"), 0)
	s.asks("alice", "", "respawn-pane", "alice/$1:@2.%6")
	// What a permit in use has noted is what it is about, and nothing that was made.
	zero := 0
	s.tell(access.Event{Kind: access.EventOutcome, Person: "bob", Ref: 1, Exit: &zero, Objects: []string{"alice/$1:@2.%7"}, Verbs: []string{"view"}})
	// Another life, with the same numbers.
	s.tell(access.Event{Kind: access.EventOutcome, Person: "bob", Ref: 1, Exit: &zero, Objects: []string{"alice/$1:@2.%7"}, Server: "alice#other"})
	const want = `%3 true 
%5 true 
%6 false somebody else began a program in it since
respawn-pane alice/$1:@2.%5×1 `
	if got := s.told(); got != want {
		t.Errorf("it tells\n%s\nwant\n%s", got, want)
	}
}

// What somebody asks for from inside a pane where bob typed may be his, and what is
// asked for from inside that in turn.
func TestLeftInside(t *testing.T) {
	s := newLeftStory(1, 2, 3, 4, 5)
	s.ends("alice", "alice/%1", s.asks("alice", "alice/%1", "split-window", "alice/$1:@2"), 0, "alice/$1:@2.%2") // before
	s.tell(access.Event{Kind: access.EventKeys, Person: "bob", Objects: []string{"alice/$1:@2.%1"}, Bytes: 9})
	s.ends("alice", "alice/%1", s.asks("alice", "alice/%1", "split-window", "alice/$1:@2"), 0, "alice/$1:@2.%3")
	s.ends("alice", "alice/%3", s.asks("alice", "alice/%3", "split-window", "alice/$1:@2"), 0, "alice/$1:@2.%4")
	s.ends("alice", "alice/%2", s.asks("alice", "alice/%2", "split-window", "alice/$1:@2"), 0, "alice/$1:@2.%5")
	const want = "%3 false made from inside %1, where they may have typed\n%4 false made from inside %3, where they may have typed"
	if got := s.told(); got != want {
		t.Errorf("it tells\n%s\nwant\n%s", got, want)
	}
	// At a display that takes keys itself nobody knows which pane they were for.
	s = newLeftStory(1, 2)
	s.tell(access.Event{Kind: access.EventKeys, Person: "bob", Objects: []string{"alice", "alice"}, Bytes: 9})
	s.ends("alice", "alice/%1", s.asks("alice", "alice/%1", "split-window", "alice/$1:@2"), 0, "alice/$1:@2.%2")
	if got := s.told(); got != "%2 false made from inside %1, where they may have typed" {
		t.Errorf("it tells\n%s", got)
	}
}

// What else bob asked for is told once for all alike, with what is not known of it; as
// much of it as he likes hides no pane.
func TestLeftActs(t *testing.T) {
	s := newLeftStory(3)
	for i := range 3 * mostActs {
		s.ends("bob", "", s.asks("bob", "", "set-option", fmt.Sprintf("alice/$1:@%d", i)), 0)
	}
	s.ends("bob", "", s.asks("bob", "", "split-window", "alice/$1:@2"), 0, "alice/$1:@2.%3")
	panes, acts := s.rest()
	if len(panes) != 1 || len(acts) != mostActs || s.more != 2*mostActs {
		t.Errorf("%d panes, %d acts, and %d more", len(panes), len(acts), s.more)
	}

	s = newLeftStory(3)
	for range 3 {
		s.ends("bob", "", s.asks("bob", "", "set-hook", "alice"), 0)
	}
	s.ends("bob", "", s.asks("bob", "", "split-window", "alice"), 0)
	s.ends("bob", "", s.asks("bob", "", "split-window", "alice"), 1)
	s.asks("bob", "", "run-shell", "alice")
	s.tell(access.Event{Kind: access.EventUnknown, Person: "bob", Ref: s.asks("bob", "", "run-shell", "alice")})
	s.ends("bob", "", s.asks("bob", "", "list-panes", "alice"), 0)
	s.ends("alice", "", s.asks("alice", "", "set-hook", "alice"), 0)
	want := []string{
		"run-shell alice×2 what became of it is not in the log", "set-hook alice×3 ",
		"split-window alice×1 it failed, or was not waited for", "split-window alice×1 tmux has not said what it made",
	}
	got := strings.Split(s.told(), "\n")
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("it tells %q, want %q", got, want)
	}
}

// One person looks once at a time, and whoever keeps the host waits for nobody else.
func TestLookersTakeTurns(t *testing.T) {
	k := newLookers()
	enter := func(person string, keeper bool) func() {
		t.Helper()
		leave, err := k.enter(t.Context(), person, keeper)
		if err != nil {
			t.Fatal(err)
		}
		return leave
	}
	bobs := enter("bob", false)
	if _, err := k.enter(t.Context(), "bob", false); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("bob looks twice: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.enter(gone, "carol", false); err == nil {
		t.Error("carol looks while bob does")
	}
	enter("root", true)()
	bobs()
	enter("bob", false)()
	enter("carol", false)()
}

// Whoever ends what somebody left is told that there may be more.
func TestLeftFails(t *testing.T) {
	ended, not := &leftPane{Hangup: "ended"}, &leftPane{Hangup: "not ended: not permitted"}
	for _, c := range []struct {
		l      leftBehind
		hangup bool
		fails  bool
	}{
		{leftBehind{Complete: true, Panes: []*leftPane{ended, {}}}, true, false},
		{leftBehind{Complete: true, Panes: []*leftPane{ended, not}}, true, true},
		{leftBehind{Panes: []*leftPane{ended}}, true, true},
		{leftBehind{Panes: []*leftPane{{}}}, false, false},
	} {
		if err := c.l.failed(c.hangup); (err != nil) != c.fails {
			t.Errorf("%+v: %v", c.l, err)
		}
	}
}

// Every command of tmux either leaves nothing behind that goes on, or is told of.
func TestLeavesKnowsEveryCommand(t *testing.T) {
	nothing := strings.Fields(`attach-session break-pane choose-buffer choose-client choose-tree clear-history clear-prompt-history
		clock-mode copy-mode customize-mode delete-buffer detach-client display-message display-panes find-window has-session
		join-pane kill-pane kill-server kill-session kill-window last-pane last-window link-window list-buffers list-clients
		list-commands list-keys list-panes list-sessions list-windows lock-client lock-server lock-session move-pane move-window
		next-layout next-window previous-layout previous-window refresh-client rename-session rename-window resize-pane
		resize-window rotate-window save-buffer select-layout select-pane select-window show-buffer show-environment show-hooks
		show-messages show-options show-prompt-history show-window-options start-server suspend-client swap-pane swap-window
		switch-client unlink-window wait-for`)
	for _, row := range tmux.Commands() {
		if (leaves(row.Name) == "") != slices.Contains(nothing, row.Name) {
			t.Errorf("%s leaves %q", row.Name, leaves(row.Name))
		}
	}
}
