package grants

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/muxward/muxward/internal/access"
)

// TestSuggestible: a suggestion is one line in which everything is seen, and whoever
// suggests something else hears where that is.
func TestSuggestible(t *testing.T) {
	long := strings.Repeat("x", MaxSuggested)
	for _, good := range []string{"make test", " rm -rf / ", "größe", "日本語", "שלום", "e\u0301\u0323", "👍", "~`!@#$%^&*(){}[]|\\:;\"'<>,.?/", long} {
		if err := Suggestible(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for text, want := range map[string]string{
		"":                       "no text",
		long + "x":               "has 1001 bytes",
		"ab\x1b[2J":              "byte 3 of the text begins U+001B",
		"a\tb":                   "byte 2 of the text begins U+0009",
		"ls\nid":                 "byte 3 of the text ends a line",
		"ls\rid":                 "byte 3 of the text ends a line",
		"ls\u2028id":             "byte 3 of the text begins U+2028",
		"é\u202etxt":             "byte 3 of the text begins U+202E",
		"\u200fx":                "byte 1 of the text begins U+200F",
		"a\u200bb":               "byte 2 of the text begins U+200B",
		"a\u00a0b":               "byte 2 of the text begins U+00A0",
		"a\u034fb":               "byte 2 of the text begins U+034F",
		"a\u3164b":               "byte 2 of the text begins U+3164",
		"a\ufe0fb":               "byte 2 of the text begins U+FE0F",
		"a\x80":                  "byte 2 of the text is no UTF-8",
		"a\ufffd":                "byte 2 of the text begins U+FFFD",
		"\u0301x":                "byte 1 of the text begins U+0301, a mark",
		"a\u0301\u0302\u0303bcd": "byte 6 of the text begins U+0303, a mark",
		"a\u009b2J":              "byte 2 of the text begins U+009B",
		"make\u2800test":         "byte 5 of the text begins U+2800",
		"a\U0001d159b":           "byte 2 of the text begins U+1D159",
		"a\U00016fe4b":           "byte 2 of the text begins U+16FE4",
		"a\ufffcb":               "byte 2 of the text begins U+FFFC",
		"a\U000e0041":            "byte 2 of the text begins U+E0041",
	} {
		if err := Suggestible(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "text")
		if Suggestible(text) == nil && (!utf8.ValidString(text) || strings.ContainsAny(text, "\x00\x1b\r\n\t\u202e\u200b")) {
			t.Errorf("%q may be suggested", text)
		}
	})
}

func hint(who string, pane uint32) Suggestion {
	return Suggestion{Who: person(who), On: somePane(pane), Text: "make"}
}

// TestSuggestionsAreBounded: of one person's there are only so many, so are there for one
// pane, and in all. Who is refused waits for nobody's.
func TestSuggestionsAreBounded(t *testing.T) {
	record := func(Suggestion) error { return nil }
	var s Suggestions
	for i := range maxSuggestionsOf {
		if _, err := s.Put(hint("bob", uint32(i)), record); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Put(hint("bob", 99), record); err == nil || !strings.Contains(err.Error(), "of yours are open") {
		t.Errorf("one more of bob's: %v", err)
	}
	for i := range maxSuggestionsOnPane - 1 {
		if _, err := s.Put(hint(fmt.Sprint("p", i), 0), record); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Put(hint("carol", 0), record); err == nil || !strings.Contains(err.Error(), "wait for that pane") {
		t.Errorf("one more for the pane: %v", err)
	}
	last := error(nil)
	for i := range maxSuggestions {
		_, last = s.Put(hint(fmt.Sprint("q", i), uint32(100+i)), record)
	}
	if len(s.List()) != maxSuggestions || last == nil || !strings.Contains(last.Error(), "suggestions are open") {
		t.Errorf("%d wait, and the last one hears %v", len(s.List()), last)
	}
}

// TestSuggestionUnrecorded: nobody sees a suggestion that is not on record.
func TestSuggestionUnrecorded(t *testing.T) {
	var s Suggestions
	full := errors.New("the disk is full")
	if _, err := s.Put(hint("bob", 1), func(v Suggestion) error {
		if _, seen := s.Find(v.ID); seen || len(s.List()) != 0 {
			t.Error("it is seen before it is on record")
		}
		return full
	}); !errors.Is(err, full) || len(s.List()) != 0 {
		t.Errorf("%v, and %d wait", err, len(s.List()))
	}
}

// TestSuggestionEndsAreRemembered: an author finds how the last ones of theirs ended, and
// nobody else's.
func TestSuggestionEndsAreRemembered(t *testing.T) {
	var s Suggestions
	for i := range keptEnds + 2 {
		v := hint("bob", 1)
		v.ID = fmt.Sprint(i)
		s.Remember(v.End(Ran, "alice", ""))
	}
	s.Remember(hint("carol", 1).End(Dismissed, "alice", ""))
	got := s.Ended("bob")
	if len(got) != keptEnds || got[0].ID != "2" || got[keptEnds-1].Answer != Ran || len(s.Ended("carol")) != 1 || len(s.Ended("dave")) != 0 {
		t.Errorf("%+v", got)
	}
}

// TestSuggestionIsForAPane: another pane, another life of the server and what the pane
// lies in are not what it is for; where the pane lies does not matter.
func TestSuggestionIsForAPane(t *testing.T) {
	v := hint("bob", 3)
	moved := somePane(3)
	moved.Window, moved.Session = access.WindowRef{ID: 77}, access.SessionRef{ID: 9, Name: "else"}
	later := somePane(3)
	later.Incarnation = "later"
	if !v.Into(somePane(3)) || !v.Into(moved) {
		t.Error("it is not for its own pane")
	}
	if v.Into(somePane(4)) || v.Into(later) || v.Into(somePane(3).Up()) {
		t.Error("it is for others")
	}
}

// TestChangeTakesAFreeTurn: what is changed when there is no more time for it is changed
// if nobody else does so just then, each time.
func TestChangeTakesAFreeTurn(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 {
		var s Suggestions
		v, err := s.Put(hint("bob", 1), func(Suggestion) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		s.Leave(v.ID)
		if !s.Left(v.ID) {
			t.Error("its author has not left")
		}
		v, err = s.Change(ctx, v.ID, func(v Suggestion) (Suggestion, error) { return v.End(Void, "muxward", ""), nil })
		if err != nil || v.Answer != Void {
			t.Fatalf("%+v: %v", v, err)
		}
		s.Remember(v)
		if s.Leave(v.ID); s.Left(v.ID) {
			t.Error("of one that has ended it is kept that its author has left")
		}
	}
}
