package tmux

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestIDs(t *testing.T) {
	for s, ok := range map[string]bool{
		"$0": true, "$4294967295": true, "$4294967296": false, "$": false, "": false, "$-1": false, "$+1": false, "$ 1": false,
		"$1 ": false, "@1": false, "1": false, "$1a": false, "$०": false, "$99999999999999999999": false, "$007": true,
	} {
		if _, err := ParseSessionID(s); (err == nil) != ok {
			t.Errorf("%q: %v", s, err)
		}
	}
	for s, ok := range map[string]bool{"$1": true, "@1": true, "%1": true, "%": false, "x": false, "%1;": false, "%1\n": false, "=$1": false} {
		if IsID(s) != ok {
			t.Errorf("IsID(%q)", s)
		}
	}
	if PaneID(3).String() != "%3" || WindowID(3).String() != "@3" || SessionID(3).String() != "$3" {
		t.Error("ids are written wrong")
	}
}

func TestVersions(t *testing.T) {
	order := []string{"2.9", "3.0", "3.2", "3.2a", "3.3", "3.3a", "3.4", "3.5", "3.5a", "3.6", "3.6b", "next-3.7", "3.7", "3.7c", "4.0"}
	for i := range order {
		v := mustVersion(t, order[i])
		if v.String() != order[i] {
			t.Errorf("%s is written %s", order[i], v)
		}
		for j := range order {
			w := mustVersion(t, order[j])
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := v.Compare(w); got != want {
				t.Errorf("%s against %s: %d", v, w, got)
			}
		}
		if got, want := v.WideFrames(), i >= 9; got != want {
			t.Errorf("%s: wide frames %v", v, got)
		}
	}
	for _, s := range []string{"", "3", "a.b", "3.x", "master", "openbsd-7.4", "3.3a ", "3.3aa", "-3.3", "3.-1", "99999.1", "3.99999999999999999999"} {
		if v, err := ParseVersion(s); err == nil {
			t.Errorf("%q is %v", s, v)
		}
	}
	if v := mustVersion(t, "tmux 3.5-rc2"); v != v35 {
		t.Errorf("release candidate: %v", v)
	}
}

func TestSplitOwner(t *testing.T) {
	owners := map[string]bool{"bob": true, "alice": true, "host": true, "a%2fb": true, "..": true, "": true}
	isOwner := func(s string) bool { return owners[s] }
	for target, want := range map[string]struct {
		owner, rest string
		ok          bool
	}{
		"work":                    {"", "work", true},
		"bob/work":                {"bob", "work", true},
		"bob/work:1.2":            {"bob", "work:1.2", true},
		"bob/%3":                  {"bob", "%3", true},
		"bob/@1":                  {"bob", "@1", true},
		"bob/$0":                  {"bob", "$0", true},
		"bob/=x":                  {"bob", "=x", true},
		"bob/a/b":                 {"bob", "a/b", true},
		"bob/../x":                {"bob", "../x", true},
		"carl/prod":               {"", "carl/prod", true},
		"=bob/prod":               {"", "=bob/prod", true},
		"../x":                    {"", "../x", true},
		"a%2fb":                   {"", "a%2fb", true},
		"a%2fb/x":                 {"", "a%2fb/x", true},
		"bob%2fwork":              {"", "bob%2fwork", true},
		"BOB/work":                {"", "BOB/work", true},
		"bob":                     {"", "bob", true},
		"/work":                   {"", "/work", true},
		"@7":                      {"", "@7", true},
		"$7":                      {"", "$7", true},
		"":                        {"", "", true},
		"bob/":                    {"", "", false},
		"host/bob/name":           {"", "", false},
		"bob/alice/x":             {"", "", false},
		"bob/work\n":              {"", "", false},
		"bo\u202eb/x":             {"", "", false},
		"bob/\x1b[2J":             {"", "", false},
		"bob/\xff":                {"", "", false},
		strings.Repeat("a", 4096): {"", strings.Repeat("a", 4096), true},
		strings.Repeat("a", 4097): {"", "", false},
	} {
		owner, rest, ok := SplitOwner(target, isOwner)
		if owner != want.owner || rest != want.rest || ok != want.ok {
			t.Errorf("%.40q: %q %.40q %v, want %+v", target, owner, rest, ok, want)
		}
	}
}

func TestFnmatch(t *testing.T) {
	for _, tc := range []struct {
		pattern, name string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "abc", true}, {"a*c", "abbc", true}, {"a*c", "abb", false},
		{"?", "é", true}, {"??", "é", false}, {"[a-c]x", "bx", true}, {"[!a-c]x", "bx", false}, {"[^a-c]x", "dx", true},
		{"[]a]", "]", true}, {"[!]a]", "]", false}, {"[a", "[a", true}, {"[a", "a", false}, {`\*`, "*", true}, {`\*`, "a", false},
		{`a\`, `a\`, false}, {"[[:digit:]]*", "7x", true}, {"[[:alpha:]]", "7", false}, {"[a-]", "-", true}, {`[\]]`, "]", true},
		{"[[.a.]]", "a", true}, {"[[=a=]]", "a", true}, {"*a*b", "xaybz", false}, {"*a*b", "xayb", true}, {"\xff*", "\xffx", true},
		{"[[:nosuch:]]", "n", false},
	} {
		if got := fnmatch(tc.pattern, tc.name); got != tc.want {
			t.Errorf("%q %q: %v", tc.pattern, tc.name, got)
		}
	}
}

// TestFnmatchBombs: stars take steps in proportion, not exponentially.
func TestFnmatchBombs(t *testing.T) {
	pattern := strings.Repeat("*a", 2000) + "*b"
	if fnmatch(pattern, strings.Repeat("a", 4000)) {
		t.Error("matched")
	}
}

// TestListingBombs: a few bytes of format, or of a filter that keeps nothing,
// are not expanded for ever more rows.
func TestListingBombs(t *testing.T) {
	var all Snapshot
	for i := range 2000 {
		all.Sessions = append(all.Sessions, Session{ID: SessionID(i), Name: fmt.Sprint("s", i), Links: []Winlink{{}}})
	}
	snap := NewSnapshot(all)
	for _, c := range []struct {
		argv []string
		ok   bool
	}{
		{[]string{"list-sessions"}, true},
		{[]string{"list-sessions", "-F", "#{p2000:session_name}"}, true},
		{[]string{"list-sessions", "-F", "#{p60000:session_name}"}, false},
		{[]string{"list-sessions", "-f", "#{&&:#{p60000:session_name},}"}, true},
		{[]string{"list-sessions", "-f", "#{p60000:#{?0,,}}", "-F", "x"}, false},
	} {
		inv := mustParse(t, c.argv...)
		if lines, err := Listing(inv, snap, Found{}, FormatContext{}); (err == nil) != c.ok {
			t.Errorf("%q: %d lines, %v", c.argv, len(lines), err)
		}
	}
}

func TestFormatBombs(t *testing.T) {
	snap := NewSnapshot(Snapshot{Sessions: []Session{{ID: 1, Name: strings.Repeat("x", 4096), Links: []Winlink{{}}}}})
	f, err := CompileFormat(strings.Repeat("#S", 8000))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Expand(contextOf(snap, Found{Session: &snap.Sessions[0]})); len(got) > 2*maxFormatOut {
		t.Errorf("%d bytes", len(got))
	}
	for _, text := range []string{
		strings.Repeat("#{?1,", 3000), strings.Repeat("#{=1:", 40) + "x" + strings.Repeat("}", 40), strings.Repeat("x", maxFormat+1),
	} {
		if _, err := CompileFormat(text); err == nil {
			t.Errorf("%.40s…: accepted", text)
		}
	}
	if f, err = CompileFormat("#{p999999999:session_id}"); err != nil {
		t.Fatal(err)
	}
	if got := f.Expand(contextOf(snap, Found{Session: &snap.Sessions[0]})); len(got) > 2*maxFormatOut {
		t.Errorf("%d bytes", len(got))
	}
}

func TestStrftime(t *testing.T) {
	at := time.Date(2024, 2, 3, 4, 5, 6, 0, time.UTC)
	for text, want := range map[string]string{
		"%H:%M %d-%b-%y": "04:05 03-Feb-24", "%%": "%", "%": "%", "%Q": "%Q", "a%nb": "a\nb", "%j %U %W %V %G": "034 04 05 05 2024",
		"%I %l %p %P": "04  4 AM am", "%s": "1706933106", "%C %g": "20 24", "%u %w": "6 6", "%e": " 3", "%T %D %F": "04:05:06 02/03/24 2024-02-03",
		"%-d %_d %0e %5d %_5d %-5d": "3  3 03 00003     3 3", "%^a %#b %#p %10B|%010B": "SAT FEB am   February|00February", "%Ey %Od": "24 03", "%5!|%12": "  %5!|         %12",
		"a%8190!": "a" + strings.Repeat(" ", 8184) + "%8190!", "a%8191!": "", "a%99999d": "",
	} {
		if got := Strftime(text, at); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestSanitize(t *testing.T) {
	for text, want := range map[string]string{"abc": "abc", "é": "_", "日本": "____", "a\tb": "a_b", "\xff": "_", "e\u0301": "e"} {
		if got := Sanitize(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
