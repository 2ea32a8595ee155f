package strictyaml

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

func read(t testing.TB, text string) (keys, wrong []string) {
	t.Helper()
	var n yaml.Node
	if err := yaml.Load([]byte(text), &n); err != nil {
		line, column, why := Syntax(err)
		return nil, []string{fmt.Sprintf("%d:%d %s", line, column, why)}
	}
	pairs, _ := Pairs(n.Content[0], "the file", func(n *yaml.Node, _, format string, args ...any) {
		wrong = append(wrong, fmt.Sprintf("%d:%d ", n.Line, n.Column)+fmt.Sprintf(format, args...))
	})
	for _, p := range pairs {
		keys = append(keys, p.Key.Value+"="+Value(p.Value))
	}
	return keys, wrong
}

// TestPairs: a mapping holds each key once, and nothing that stands for something else.
func TestPairs(t *testing.T) {
	for text, want := range map[string]string{
		"a: 1\nb: [x]\nc: {}\nd:\ne: 2027-01-01": `a="1" b=a list c=a mapping d=nothing e="2027-01-01"`,
		"a: 1\nb: 2\na: 3":                       `a="1" b="2"; 3:1 "a" is given twice, first in line 1`,
		"a: &x 1\nb: *x\nc: !!str 1":             "; 1:4 anchors are not read; 2:4 aliases are not read; 3:4 the tag !!str is not read",
		"- a":                                    "; 1:1 the file must be a mapping (key: value), not a list",
		"true":                                   "; 1:1 the file must be a mapping (key: value), not true or false",
		"? [a]\n: b":                             "; 1:3 a key must be a plain word",
		"<<: {a: b}":                             "; 1:1 a key must be a plain word",
	} {
		keys, wrong := read(t, text)
		got := strings.Join(keys, " ")
		for _, w := range wrong {
			got += "; " + w
		}
		if got != want {
			t.Errorf("%q: %s\nwant %s", text, got, want)
		}
	}
	if _, wrong := read(t, "a: b\n\tc: d"); len(wrong) != 1 || !strings.HasPrefix(wrong[0], "2:") || !strings.Contains(wrong[0], "not YAML: ") {
		t.Errorf("what is no YAML: %q", wrong)
	}
}

func TestClip(t *testing.T) {
	if got := Clip(strings.Repeat("x", 64)); len(got) != 64 {
		t.Error(got)
	}
	if got := Clip(strings.Repeat("x", 65)); len(got) != 64 || !strings.HasSuffix(got, "...") {
		t.Error(got)
	}
}

// FuzzPairs: whatever a file holds, a key is there once, and what is not taken is told.
func FuzzPairs(f *testing.F) {
	for _, s := range []string{"a: 1", "a: &x 1\nb: *x", "? [a]\n: b", "{a: 1, a: 2}", "- a", "\t"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var n yaml.Node
		if yaml.Load([]byte(text), &n) != nil || len(n.Content) != 1 {
			return
		}
		told := 0
		pairs, ok := Pairs(n.Content[0], "the file", func(n *yaml.Node, _, _ string, _ ...any) { told++ })
		var keys []string
		for _, p := range pairs {
			if slices.Contains(keys, p.Key.Value) {
				t.Errorf("%q twice", p.Key.Value)
			}
			keys = append(keys, p.Key.Value)
		}
		if top := n.Content[0]; told == 0 && (!ok || len(pairs) != len(top.Content)/2) {
			t.Errorf("%d pairs of %d, and nothing is told", len(pairs), len(top.Content)/2)
		}
	})
}
