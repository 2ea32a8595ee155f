package left

import (
	"encoding/json"
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
	*Reader
	seq  uint64
	life *Life
}

func newLeftStory(panes ...tmux.PaneID) *leftStory {
	s := &leftStory{Reader: New("bob")}
	s.life = &Life{Owner: "alice", Snap: &tmux.Snapshot{
		Sessions: []tmux.Session{{ID: 1, Name: "work", Links: []tmux.Winlink{{Window: 2}}}},
		Windows:  []tmux.Window{{ID: 2, Panes: panes}},
	}}
	for _, id := range panes {
		s.life.Snap.Panes = append(s.life.Snap.Panes, tmux.Pane{ID: id, Window: 2, PID: 100 + int(id)})
	}
	s.Lives["alice#life"] = s.life
	return s
}

func (s *leftStory) tell(ev access.Event) uint64 {
	s.seq++
	ev.Time = time.Unix(int64(s.seq), 0)
	if ev.Server == "" {
		ev.Server = "alice#life"
	}
	s.Read(&audit.Record{Seq: s.seq, Event: ev})
	return s.seq
}

// asks tells of a command that somebody gives, from inside a pane or none.
func (s *leftStory) asks(who, inside, command, on string) uint64 {
	return s.tell(access.Event{Kind: access.EventIntent, Person: who, Inside: inside, Executed: strings.Fields(command), Objects: []string{on}, Verbs: []string{"any"}})
}

// ends tells how it ended, and what it made.
func (s *leftStory) ends(who, inside string, ref uint64, exit int, made ...string) {
	ev := access.Event{Kind: access.EventOutcome, Person: who, Inside: inside, Ref: ref, Exit: &exit, Objects: made}
	for _, o := range made {
		_, pane := idsOf(o)
		ev.Process = 100 + int(pane.n)
	}
	s.tell(ev)
}

// told is what it comes to, in short.
func (s *leftStory) told() string {
	panes, acts := s.Rest()
	var out []string
	for _, p := range panes {
		out = append(out, fmt.Sprintf("%s %v %s", p.Now.ID, p.Sure, p.Note))
	}
	for _, a := range acts {
		out = append(out, fmt.Sprintf("%s %s×%d %s", a.By, a.On, a.Times, a.Note))
	}
	return strings.Join(out, "\n")
}

// What tmux has said that bob made is his for sure, whatever became of his client, and
// nothing else is: not what others made meanwhile, nor what has gone, nor what another
// program was begun in since.
func TestLeftPanes(t *testing.T) {
	s := newLeftStory(3, 4, 5, 6, 7)
	hers, his := s.asks("alice", "", "split-window", "alice/$1:@2"), s.asks("bob", "", "split-window", "alice/$1:@2")
	s.ends("bob", "", his, 0, "alice/$1:@2.%3")
	s.ends("alice", "", hers, 0, "alice/$1:@2.%4")
	s.ends("bob", "", s.asks("bob", "", "new-window", "alice/$1"), 1, "alice/$1:@2.%5") // a hook has failed
	s.ends("bob", "", s.asks("bob", "", "new-window", "alice/$1"), 0, "alice/$1:@9.%90")
	s.life.Snap.Pane(6).PID = 7777
	s.ends("bob", "", 4000, 0, "alice/$1:@2.%6") // its intent named no server: there was none
	// A pane of hers beside his is none of his, whatever she begins in it.
	s.ends("alice", "", s.asks("alice", "", "respawn-pane -k -t $1:@2.%4", "alice/$1:@2"), 0)
	// What a permit in use has noted is what it is about, and nothing that was made.
	zero := 0
	s.tell(access.Event{Kind: access.EventOutcome, Person: "bob", Ref: 1, Exit: &zero, Objects: []string{"alice/$1:@2.%7"}, Verbs: []string{"view"}})
	// Another life, with the same numbers.
	s.tell(access.Event{Kind: access.EventOutcome, Person: "bob", Ref: 1, Exit: &zero, Objects: []string{"alice/$1:@2.%7"}, Server: "alice#other"})
	const want = "%3 true \n%5 true \n%6 false they made it, and a program was begun in it since"
	if got := s.told(); got != want || s.Unclear[s.life] != 0 {
		t.Errorf("it tells, with %d unclear,\n%s\nwant\n%s", s.Unclear[s.life], got, want)
	}
}

// A program that bob began in a pane of somebody else's may go on there: the pane that
// was named is told of, by the words of the command, or all of the window, or that
// nobody knows which.
func TestLeftRespawned(t *testing.T) {
	const asked, inside = "they asked for a program in it, and have not made it", "a program was asked for in it from inside %1, where they may have typed"
	for _, c := range []struct {
		who, command, want string
		unclear            int
	}{
		{"bob", "respawn-pane -k -c -t -e A=-t -t $1:@2.%3 evil -t %2", "%3 false " + asked, 0},
		{"bob", "respawn-pane -t $1:.%3", "%3 false " + asked, 0},
		{"bob", "respawn-pane -t $1:@2.%99", "", 0},
		{"bob", "respawn-window -k -t $1:@2", "%1 false " + asked + "\n%2 false " + asked + "\n%3 false " + asked, 0},
		{"bob", "respawn-window -k -t $1:@9", "", 1}, // the pane may have gone elsewhere
		{"bob", "respawn-window -k -t $1:4", "", 1},
		{"bob", "respawn-pane -k -- evil -t $1:@2.%3", "", 1},
		{"alice", "respawn-pane -k -t $1:@2.%3", "%3 false " + inside, 0},
		{"alice", "respawn-pane -k", "", 1},
	} {
		s := newLeftStory(1, 2, 3)
		s.tell(access.Event{Kind: access.EventKeys, Person: "bob", Objects: []string{"alice/$1:@2.%1"}, Bytes: 9})
		s.ends(c.who, "alice/%1", s.asks(c.who, "alice/%1", c.command, "alice/$1:@2"), 1)
		var got []string
		panes, _ := s.Rest()
		for _, p := range panes {
			got = append(got, fmt.Sprintf("%s %v %s", p.Now.ID, p.Sure, p.Note))
		}
		if told := strings.Join(got, "\n"); told != c.want || s.Unclear[s.life] != c.unclear {
			t.Errorf("%s: %q is told as %q, with %d unclear; want %q, %d", c.who, c.command, told, s.Unclear[s.life], c.want, c.unclear)
		}
	}
}

// Of whatever may have made a pane, and was not said which, it is counted that it is not
// known; what tmux has ended without making one is known.
func TestLeftUnclear(t *testing.T) {
	reason := func(exit int, why string) func(*leftStory, uint64) {
		return func(s *leftStory, ref uint64) {
			s.tell(access.Event{Kind: access.EventOutcome, Person: "bob", Ref: ref, Exit: &exit, Reason: why})
		}
	}
	for name, c := range map[string]struct {
		command string
		ends    func(*leftStory, uint64)
		unclear int
	}{
		"tmux has made none":    {"split-window", reason(1, ""), 0},
		"tmux does not say":     {"split-window", reason(0, ""), 1},
		"it was not waited for": {"split-window", reason(1, "the client has gone"), 1},
		"the log ends":          {"new-window", func(*leftStory, uint64) {}, 1},
		"its outcome is unknown": {"new-session", func(s *leftStory, ref uint64) {
			s.tell(access.Event{Kind: access.EventUnknown, Person: "bob", Ref: ref})
		}, 1},
		"commands within":   {"if-shell -F 1 new-window", reason(0, ""), 1},
		"commands of a job": {"run-shell -C new-window", reason(0, ""), 1},
		"a job":             {"run-shell -b true", reason(0, ""), 0},
		"an option":         {"set-option -g @a b", reason(1, "the client has gone"), 0},
	} {
		s := newLeftStory(1)
		c.ends(s, s.asks("bob", "", c.command, "alice"))
		if s.Rest(); s.Unclear[s.life] != c.unclear {
			t.Errorf("%s: %d are unclear", name, s.Unclear[s.life])
		}
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

// takes tells that somebody is about to take a line of bob's.
func (s *leftStory) takes(author, by, pane string) uint64 {
	return s.tell(access.Event{Kind: access.EventIntent, Person: by, Author: author, Asked: []string{"muxward", "suggestion"},
		Objects: []string{"alice/$1:@2." + pane}, Verbs: []string{"type"}})
}

// taken tells what came of that.
func (s *leftStory) taken(author, by string, ref uint64, answer string) {
	zero := 0
	s.tell(access.Event{Kind: access.EventOutcome, Person: by, Author: author, Ref: ref, Answer: answer, Exit: &zero})
}

// What bob suggested and others took is told as suggested, and by whom it was taken: it is
// theirs. What is asked for from inside the pane then may be his. What nobody took is nothing.
func TestLeftSuggested(t *testing.T) {
	s := newLeftStory(1, 2, 3, 4)
	suggest := func(author, by, answer, pane string) { s.taken(author, by, s.takes(author, by, pane), answer) }
	suggest("bob", "alice", "open", "%2")
	suggest("bob", "alice", "void", "%2")
	suggest("carol", "bob", "run", "%2")
	s.ends("alice", "alice/%2", s.asks("alice", "alice/%2", "split-window", "alice/$1:@2"), 0, "alice/$1:@2.%4")
	suggest("bob", "carol", "run", "%1")
	suggest("bob", "carol", "run", "%1")
	suggest("bob", "carol", "run", "%9") // which has gone
	suggest("bob", "alice", "typed", "%3")
	suggest("bob", "alice", "unsure", "%3")
	s.ends("alice", "alice/%1", s.asks("alice", "alice/%1", "split-window", "alice/$1:@2"), 0, "alice/$1:@2.%3")
	const want = `%3 false made from inside %1, where others took what they suggested
suggest alice/$1:@2.%1×2 suggested by them, run by carol
suggest alice/$1:@2.%3×1 suggested by them, typed without Enter by alice
suggest alice/$1:@2.%3×1 suggested by them, taken by alice; tmux has not said whether it was typed`
	if got := s.told(); got != want {
		t.Errorf("it tells\n%s\nwant\n%s", got, want)
	}
	line, _ := json.Marshal(access.Event{Kind: access.EventOutcome, Person: "carol", Author: "bob"})
	if !s.Wants(line) {
		t.Error("a line of his that somebody took is not read")
	}
}

// A line that is taken runs before the log has what came of it, and that may never be
// there: what is asked for from inside the pane meanwhile is not missed, and the line is
// told as one that may have been typed.
func TestLeftTaken(t *testing.T) {
	s := newLeftStory(1, 3)
	taking := s.takes("bob", "carol", "%1")
	s.ends("alice", "alice/%1", s.asks("alice", "alice/%1", "split-window", "alice/$1:@2"), 0, "alice/$1:@2.%3")
	s.taken("bob", "carol", taking, "unsure")
	const pane = "%3 false made from inside %1, where others took what they suggested\n"
	if got, want := s.told(), pane+"suggest alice/$1:@2.%1×1 suggested by them, taken by carol; tmux has not said whether it was typed"; got != want {
		t.Errorf("it tells\n%s\nwant\n%s", got, want)
	}
	for name, lost := range map[string]func(*leftStory, uint64){
		"the log ends": func(*leftStory, uint64) {},
		"muxward was killed": func(s *leftStory, ref uint64) {
			s.tell(access.Event{Kind: access.EventUnknown, Person: "carol", Ref: ref, Objects: []string{"alice/$1:@2.%1"}, Verbs: []string{"type"}})
		},
		"a fault": func(s *leftStory, ref uint64) { s.taken("bob", "carol", ref, "") },
	} {
		s := newLeftStory(1, 3)
		taking := s.takes("bob", "carol", "%1")
		s.ends("alice", "alice/%1", s.asks("alice", "alice/%1", "split-window", "alice/$1:@2"), 0, "alice/$1:@2.%3")
		lost(s, taking)
		const want = pane + "suggest alice/$1:@2.%1×1 suggested by them, and carol may have had it typed: what became of it is not in the log"
		if got := s.told(); got != want {
			t.Errorf("%s: it tells\n%s\nwant\n%s", name, got, want)
		}
	}
}

// The end of a suggestion says what became of it where the outcome of who took it is lost.
func TestLeftTakenWithoutOutcome(t *testing.T) {
	s := newLeftStory(1, 3)
	s.takes("bob", "carol", "%1")
	s.takes("bob", "alice", "%3")
	s.tell(access.Event{Kind: access.EventSuggest, Person: "carol", Author: "bob", Answer: "run", Objects: []string{"alice/$1:@2.%1"}})
	s.tell(access.Event{Kind: access.EventSuggest, Person: "carol", Author: "bob", Answer: "dismissed", Objects: []string{"alice/$1:@2.%1"}})
	const want = "suggest alice/$1:@2.%1×1 suggested by them, run by carol\n" +
		"suggest alice/$1:@2.%3×1 suggested by them, and alice may have had it typed: what became of it is not in the log"
	if got := s.told(); got != want {
		t.Errorf("it tells\n%s\nwant\n%s", got, want)
	}
}

// What was done in a pane, or to a window, is told wherever that lies by now.
func TestLeftMoved(t *testing.T) {
	s := newLeftStory(1)
	for _, on := range []string{"alice/$7:@8.%1", "alice/$7:@2", "alice/$7", "alice/$1:@2.%9", "alice/$1:@9"} {
		s.ends("bob", "", s.asks("bob", "", "set-option", on), 0)
	}
	if got, want := s.told(), "set-option alice/$7:@8.%1×1 \nset-option alice/$7:@2×1 "; got != want {
		t.Errorf("it tells\n%s\nwant\n%s", got, want)
	}
}

// What else bob asked for is told once for all alike, with what is not known of it; as
// much of it as he likes hides no pane.
func TestLeftActs(t *testing.T) {
	s := newLeftStory(3)
	s.ends("bob", "", s.asks("bob", "", "set-option", "alice/$1:@99"), 0) // which has gone
	for i := range 3 * mostActs {
		s.life.Snap.Windows = append(s.life.Snap.Windows, tmux.Window{ID: tmux.WindowID(100 + i)})
		s.ends("bob", "", s.asks("bob", "", "set-option", fmt.Sprintf("alice/$1:@%d", 100+i)), 0)
	}
	s.ends("bob", "", s.asks("bob", "", "split-window", "alice/$1:@2"), 0, "alice/$1:@2.%3")
	panes, acts := s.Rest()
	if len(panes) != 1 || len(acts) != mostActs || s.More != 2*mostActs {
		t.Errorf("%d panes, %d acts, and %d more", len(panes), len(acts), s.More)
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
		"split-window alice×1 it failed", "split-window alice×1 tmux has not said what it made",
	}
	got := strings.Split(s.told(), "\n")
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("it tells %q, want %q", got, want)
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
