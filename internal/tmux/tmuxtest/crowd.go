package tmuxtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// firstOfCrowd is the uid of the first of a crowd.
const firstOfCrowd = 62001

// Crowd makes n more accounts, that exist until the end of the test: guest0, guest1
// and so on. What starts before them may not know them.
func Crowd(t testing.TB, n int) []Account {
	t.Helper()
	As(t, Alice) // skips where there are no accounts
	// The copy that lies over /etc/passwd, by its own name: the host's is not touched.
	path := filepath.Join(base(t), "passwd")
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var more strings.Builder
	all := make([]Account, n)
	for i := range all {
		id := uint32(firstOfCrowd + i)
		all[i] = Account{Name: fmt.Sprintf("guest%d", i), UID: id, GID: id, Home: "/"}
		fmt.Fprintf(&more, "%s:x:%d:%[2]d:%[1]s of the tests:/:/bin/sh\n", all[i].Name, id)
	}
	if err := os.WriteFile(path, append(old[:len(old):len(old)], more.String()...), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.WriteFile(path, old, 0o644); err != nil {
			t.Error(err)
		}
	})
	return all
}
