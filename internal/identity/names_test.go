package identity

import (
	"regexp"
	"strings"
	"testing"
)

func TestCanonicalName(t *testing.T) {
	good := []string{"a", "_", "alice", "alice.b", "a-1_x", "_svc", "a" + strings.Repeat("0", 63)}
	for _, s := range good {
		if got, err := CanonicalName(s); err != nil || got != s {
			t.Errorf("%q: %q, %v", s, got, err)
		}
	}
	bad := []string{
		"", "Alice", "alice ", " alice", "ali\u0441e", "alice@host", "\"alice\"", `User::"x"`, "alice\n",
		"alice\x00", "1alice", "-alice", ".alice", "..", "a/b", "alice/..", "a\u0301", "\uff41lice", "ALICE",
		"alice\u200b", "al\xffce", strings.Repeat("a", 300), "a" + strings.Repeat("0", 64), "a:b", "a,b", "*", "@group",
	}
	for _, s := range bad {
		if got, err := CanonicalName(s); err == nil || got != "" {
			t.Errorf("%q was taken as %q", s, got)
		}
	}
}

func FuzzCanonicalName(f *testing.F) {
	want := regexp.MustCompile(`\A[a-z_][a-z0-9_.-]{0,63}\z`)
	for _, s := range []string{"alice", "Alice", "", "a\n", "ali\u0441e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := CanonicalName(s); (err == nil) != want.MatchString(s) {
			t.Errorf("%q: %v", s, err)
		}
	})
}
