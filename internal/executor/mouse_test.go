package executor

import (
	"fmt"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux"
)

// TestMouseIsWhereItIs: a report is typed into the pane under the mouse and no
// other, and tmux tests that the program there wants it as it is written.
func TestMouseIsWhereItIs(t *testing.T) {
	at := tmux.Place{Pane: 3, Window: 2, HasWindow: true, Session: 1, HasSession: true, Active: true}
	r := &reported{&pointed{at: &tmux.Found{
		Session: &tmux.Session{ID: 1}, Window: &tmux.Window{ID: 2}, Pane: &tmux.Pane{ID: 3},
	}}, tmux.MouseSGR}
	for _, elsewhere := range []func(*tmux.Place){
		func(p *tmux.Place) { p.Pane = 4 }, func(p *tmux.Place) { p.Window = 3 }, func(p *tmux.Place) { p.Session = 2 },
	} {
		other := at
		if elsewhere(&other); r.aim(&scene{place: other}) != nil {
			t.Errorf("it is typed at %+v", other)
		}
	}
	if (*reported)(nil).aim(&scene{place: at}) != nil {
		t.Error("it is typed without a mouse")
	}
	aimed := r.aim(&scene{place: at})
	if aimed == nil {
		t.Fatal("it is typed nowhere")
	}
	for form, want := range map[tmux.MouseForm][]string{
		tmux.MouseUnasked: nil,
		tmux.MousePlain:   {"#{==:#{mouse_any_flag},1}", "#{==:#{mouse_sgr_flag},0}"},
		aimed.place.Mouse: {"#{==:#{mouse_any_flag},1}", "#{==:#{mouse_sgr_flag},1}", "#{pane_active},0 0 %3 @2 1}"},
	} {
		at.Mouse = form
		words, err := tmux.Guarded(at, [][]string{{"send-keys", "x"}}, refusal, tmux.ParseOptions{})
		if err != nil {
			t.Fatal(err)
		}
		line := strings.Join(words, " ")
		for _, w := range want {
			if !strings.Contains(line, w) {
				t.Errorf("form %d: %s is not tested in %s", form, w, line)
			}
		}
		if form == tmux.MouseUnasked && strings.Contains(line, "mouse") {
			t.Errorf("keys depend on the mouse: %s", line)
		}
	}
}

// TestWherePanesAre: the status line is no part of a pane, though a part of the
// window that does not fit on the terminal may lie behind it.
func TestWherePanesAre(t *testing.T) {
	const rows = 24
	for _, c := range []struct{ status, position, rows string }{
		{"off", "bottom", "0 23"}, {"on", "bottom", "0 22"}, {"2", "bottom", "0 21"},
		{"on", "top", "1 23"}, {"5", "top", "5 23"}, {"0", "top", "0 23"}, {"strange", "", "0 22"},
	} {
		above, below := statusLines(c.status, c.position)
		first, last := -1, -1
		for row := range rows {
			if among(row, above, rows-below) {
				if last = row; first < 0 {
					first = row
				}
			}
		}
		if got := fmt.Sprint(first, last); got != c.rows {
			t.Errorf("status %s at the %s: panes are in rows %s, want %s", c.status, c.position, got, c.rows)
		}
	}
}

// TestScenery: what tmux says of a display is read, and of a server that does not
// go by the mouse no keys of it are looked up.
func TestScenery(t *testing.T) {
	for text, want := range map[string]scenery{
		"on bottom 0 0 1\n": {0, 0, 0, 1, true},
		"2 top 10 3 off\n":  {10, 3, 2, 0, false},
		"off top 0 0 0":     {},
	} {
		if got, err := readScenery(text); err != nil || got != want {
			t.Errorf("%q is %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "on bottom 0 0\n", "on bottom x 0 1", "a b c d e"} {
		if got, err := readScenery(text); err == nil {
			t.Errorf("%q is %+v", text, got)
		}
	}
}
