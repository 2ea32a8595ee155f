package policy

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

func TestParseSelector(t *testing.T) {
	for text, want := range map[string]Selector{
		"*":               {Kind: access.Host},
		"alice":           {Kind: access.Server, Owner: "alice"},
		"a.b-c_1":         {Kind: access.Server, Owner: "a.b-c_1"},
		"alice/work":      {Kind: access.Session, Owner: "alice", Session: "work"},
		"alice/*":         {Kind: access.Session, Owner: "alice", Prefix: true},
		"alice/work*":     {Kind: access.Session, Owner: "alice", Session: "work", Prefix: true},
		"alice/a/b":       {Kind: access.Session, Owner: "alice", Session: "a/b"},
		"alice/we\"ird x": {Kind: access.Session, Owner: "alice", Session: "we\"ird x"},
		"alice/0":         {Kind: access.Session, Owner: "alice", Session: "0"},
		"alice/work:0":    {Kind: access.Window, Owner: "alice", Session: "work"},
		"alice/work:12":   {Kind: access.Window, Owner: "alice", Session: "work", Window: 12},
		"alice/work:1.2":  {Kind: access.Pane, Owner: "alice", Session: "work", Window: 1, Pane: 2},
	} {
		got, err := ParseSelector(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
		if got.String() != text {
			t.Errorf("%s is written %s", text, got)
		}
	}
}

func TestSelectorsRefused(t *testing.T) {
	for text, why := range map[string]string{
		"":                                  "is empty",
		"%3":                                "names nothing once the server restarts",
		"@1":                                "names nothing",
		"$0":                                "names nothing",
		"alice/$0":                          "names nothing",
		"alice/%3":                          "names nothing",
		"alice/work:@1":                     "names nothing",
		"alice/work:1.%2":                   "names nothing",
		"work:1":                            "does not say whose session it is; write OWNER/work:1",
		"work:1.2":                          "write OWNER/work:1.2",
		"Alice/work":                        "the owner",
		"alice /work":                       "the owner",
		"aliсe/work":                        "the owner",
		"/work":                             "the owner",
		"alice*":                            "the owner",
		"**":                                "the owner",
		"alice/":                            "session's name is empty",
		"alice/:1":                          "session's name is empty",
		"alice/=work":                       "always exact",
		"alice/a.b":                         "no dot",
		"alice/a*b":                         "only at the end",
		"alice/*b":                          "only at the end",
		"alice/**":                          "only at the end",
		"alice/w*:1":                        "a star ends the selector",
		"alice/work:":                       "is no index of a window",
		"alice/work:vim":                    "names of windows are set by the programs in them",
		"alice/work:01":                     "is no index",
		"alice/work:+1":                     "is no index",
		"alice/work:-1":                     "is no index",
		"alice/work:1.":                     "is no index of a pane",
		"alice/work:1.2.3":                  "is no index of a pane",
		"alice/work:1:2":                    "is no index of a window",
		"alice/work:99999999999999999999":   "is no index",
		"alice/a\nb":                        "does not print",
		"alice/a\u202eb":                    "does not print",
		"alice/\xff":                        "not valid UTF-8",
		"alice/" + strings.Repeat("x", 300): "has 306 bytes",
		"\x1b[2J:1":                         "does not print",
		"alice/" + strings.Repeat("x", 129): "129 bytes",
	} {
		_, err := ParseSelector(text)
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v; want %q", text, err, why)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("%q: the error does not stay in its line: %q", text, err)
		}
	}
}

// What is parsed is written back the same, and names an object that it holds.
func FuzzSelector(f *testing.F) {
	for _, s := range []string{"*", "alice", "alice/work", "alice/w*", "alice/work:1.2", "%3", "a/b/c:1", "a/\"'\\:0", "alice/=x", "a/é:2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		sel, err := ParseSelector(text)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("the error does not stay in its line: %q", err)
			}
			return
		}
		if sel.String() != text {
			t.Fatalf("%q is written %q", text, sel.String())
		}
		o := sel.Object()
		if !sel.Prefix && name(o) != text {
			t.Fatalf("%q is called %q", text, name(o))
		}
		ix := newIndex([]*grant{{who: "bob", verbs: 1, on: sel}}, nil)
		if all(ix.holders("bob", nil), &identity.Subject{}, o, noon) != 1 {
			t.Fatalf("a grant on %q does not hold its own object", text)
		}
		if up := o.Up(); o.Kind > access.Host && all(ix.holders("bob", nil), &identity.Subject{}, up, noon) != 0 {
			t.Fatalf("a grant on %q reaches upwards", text)
		}
	})
}
