package attack

import (
	"encoding/json"
	"strings"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// suggesters are the grants of rows about suggestions: bob may suggest what carol may type.
const suggesters = `grants:
  - {who: mwbob, role: suggester, on: mwalice/shared, reason: suggests}
  - {who: mwcarol, role: viewer, on: mwalice/shared, reason: looks}
  - {who: mwcarol, role: typist, on: "mwalice/shared:0.0", reason: types}
  - {who: mwcarol, role: typist, on: "mwalice/shared:0.1", reason: types}
  - {who: root, role: admin, on: "*", reason: runs it}
`

// suggestedIn is the pane of the recorder.
const suggestedIn = "mwalice/shared:0.0"

// suggestions is a world in which lines are suggested.
type suggestions struct{ *world }

// suggest has somebody suggest something, and leave it at that. It gives its name.
func (s suggestions) suggest(who, pane, text string) string {
	s.t.Helper()
	r := s.Muxward(who, "suggest", "--json", "--wait=false", "-t", pane, text)
	var put struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal([]byte(r.Out), &put); r.Code != 0 || err != nil || put.ID == "" {
		s.t.Fatalf("%s suggests %q: %+v", who, text, r)
	}
	return put.ID
}

// at attaches somebody who may type to alice's session.
func (s suggestions) at(who string) *tmuxtest.Terminal {
	s.t.Helper()
	name := "mwalice/shared"
	if who == owner {
		name = "shared"
	}
	x := s.attach(who, tmuxtest.TerminalConfig{}, "attach", "-t", name)
	x.WaitFor("[shared]")
	return x
}

const suggestionFoot = "y runs it, t types it without Enter"

// open has somebody open what is suggested for a pane, and waits until keys count. Before
// they are told of it their key is one for the pane, as any other.
func (s suggestions) open(x *tmuxtest.Terminal, pane string) {
	s.t.Helper()
	tmuxtest.Eventually(s.t, func() bool {
		if x.Contains("would have this typed in " + pane) {
			return true
		}
		x.Type("\x1ba")
		return false
	}, "the suggestion is shown")
	x.WaitFor(suggestionFoot)
}

// answer is how a suggestion of somebody's stands.
func (s suggestions) answer(who, id string) string {
	s.t.Helper()
	r := s.Muxward(who, "suggestions", "--json")
	var list []struct {
		ID     string `json:"id"`
		Answer string `json:"answer"`
	}
	if err := json.Unmarshal([]byte(r.Out), &list); r.Code != 0 || err != nil {
		s.t.Fatalf("%s: suggestions: %+v", who, r)
	}
	for _, v := range list {
		if v.ID == id {
			return v.Answer
		}
	}
	return ""
}

// arrives reports whether something has come to the recorder that holds a word.
func (s suggestions) arrives(word string) bool {
	return strings.Contains(string(s.rec.Bytes()), word)
}

// byKey has people take suggestions by the key.
const byKey = "answer_key: true\n"

// calls sends a call to muxward past its own commands, as somebody, and gives what it
// hears: what those commands would not send.
func (w *world) calls(who string, c ctld.Call) (a ctld.Answer) {
	w.t.Helper()
	at, err := config.FindServing(w.State)
	if err != nil {
		w.t.Fatal(err)
	}
	conn, err := dialAs(w.uid(who), at.Ctl)
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	if err := json.NewEncoder(conn).Encode(c); err != nil {
		w.t.Fatal(err)
	}
	if err := json.NewDecoder(conn).Decode(&a); err != nil {
		w.t.Fatalf("%s calls %+v: %v", who, c, err)
	}
	return a
}
