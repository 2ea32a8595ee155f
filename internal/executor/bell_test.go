package executor

import (
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/attach"
)

// TestAlone: what opens the list is the key alone, however a terminal sends it. What is
// pasted, or typed with something else, is for the program.
func TestAlone(t *testing.T) {
	for sent, want := range map[string]bool{
		"\x1ba": true, "\x1ba\x1ba": true, "\x1b[97;3u": true, "\x1b[27;3;97~": true,
		"": false, "a": false, "\x1b": false, "\x1bb": false, "\x1b\x1ba": false, "\x1bay": false, "x\x1ba": false,
		"\x1b[200~\x1ba\x1b[201~": false, "\x1b[97;5u": false, "\x1b]52;c;\x1ba": false, "\x1b[<0;1;1M": false,
	} {
		if got := alone([]byte(sent)); got != want {
			t.Errorf("%q: %v", sent, got)
		}
	}
}

// TestForms: all of them are that key, as guests' keys are read.
func TestForms(t *testing.T) {
	for _, form := range forms() {
		events := attach.NewDecoder(attach.KeyOptions{}).Feed([]byte(form), time.Now())
		if len(events) != 1 || events[0].Key != answerKey {
			t.Errorf("%q is %+v", form, events)
		}
	}
}

// TestNews: of what was told of a pane to somebody who hears it late, the last is heard,
// once, and is not in the way of what was told of another.
func TestNews(t *testing.T) {
	b := bell{rung: make(chan struct{}, 1)}
	other := news{pane: access.Object{Pane: access.PaneRef{ID: 7}}, text: "of another"}
	for _, n := range []news{{text: "bob has it"}, other, {text: "carol has it"}} {
		b.tell(n)
	}
	select {
	case <-b.rung:
	default:
		t.Fatal("nobody is called")
	}
	if all := b.heard(); len(all) != 2 || all[0].text != "of another" || all[1].text != "carol has it" || b.heard() != nil {
		t.Errorf("heard %+v", all)
	}
	select {
	case <-b.rung:
		t.Error("called twice")
	default:
	}
}
