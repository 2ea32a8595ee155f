package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/policy"
)

// toyFiles are account files: names by uids.
type toyFiles map[uint32]string

var errToyFiles = errors.New("it is being written")

func (f toyFiles) ByUID(_ context.Context, uid uint32) (identity.Account, error) {
	switch name, ok := f[uid]; {
	case f == nil:
		return identity.Account{}, errToyFiles
	case ok:
		return identity.Account{Name: name, UID: uid}, nil
	}
	return identity.Account{}, fmt.Errorf("uid %d: %w", uid, identity.ErrNoAccount)
}

func (f toyFiles) Local(_ context.Context, name string) (identity.Account, error) {
	for uid, n := range f {
		if n == name {
			return identity.Account{Name: name, UID: uid}, nil
		}
	}
	return identity.Account{}, fmt.Errorf("%q: %w", name, identity.ErrNoAccount)
}

// bob's tmux server runs as bob, uid 1002, or what that was. Whoever is bob now has it if that account is theirs.
func TestStillTheirs(t *testing.T) {
	people := func(text string) func(uint32, string) (string, error) {
		dir := t.TempDir()
		for name, text := range map[string]string{"people.yaml": "people:\n" + text, "grants.yaml": "grants: []\n"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		set, err := policy.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		return set.PersonOf
	}
	plain := people("  bob: {}\n  alice: {}\n")
	same := toyFiles{1002: "bob"}
	byKey := identity.Subject{Person: "bob", UID: -1, Door: "ssh"}
	by := func(uid int64, account string) identity.Subject {
		return identity.Subject{Person: "bob", UID: uid, Account: account, Door: "tmux"}
	}
	for what, c := range map[string]struct {
		who       identity.Subject
		personOf  func(uint32, string) (string, error)
		files     toyFiles
		directory bool
		no        string // "" if it is theirs
	}{
		"by key":                                      {byKey, plain, same, false, ""},
		"by key, and all have a line":                 {byKey, people("  bob: {uid: 1002}\n"), same, false, ""},
		"by another account of theirs":                {by(1012, "bobby"), people("  bob: {account: [bob, bobby]}\n"), toyFiles{1002: "bob", 1012: "bobby"}, false, ""},
		"by another number of theirs":                 {by(1012, "bobby"), people("  bob: {uid: [1002, 1012], account: [bob, bobby]}\n"), toyFiles{1002: "bob", 1012: "bobby"}, false, ""},
		"the name was given anew":                     {by(1012, "bob"), plain, toyFiles{1012: "bob"}, false, "no such account"},
		"that, and files have both":                   {by(1012, "bob"), plain, toyFiles{1002: "bob", 1012: "bob"}, false, "that of uid 1012"},
		"that, and the old one is renamed":            {by(1012, "bob"), plain, toyFiles{1002: "robert", 1012: "bob"}, false, "robert's"},
		"that, and the old one a directory":           {by(1012, "bob"), plain, toyFiles{1012: "bob"}, true, "that of uid 1012"},
		"by key, and it was renamed":                  {byKey, plain, toyFiles{1002: "robert", 1012: "bob"}, false, "robert's"},
		"by key, and it was removed":                  {byKey, plain, toyFiles{1012: "bob"}, false, "no such account"},
		"by key, and a directory may have it":         {byKey, plain, toyFiles{}, true, ""},
		"by key, and files have the name":             {byKey, plain, toyFiles{1012: "bob"}, true, "that of uid 1012"},
		"a directory has it, and another by its name": {by(1012, "bob"), plain, toyFiles{}, true, "that of uid 1012"},
		"it was renamed, and people.yaml with it":     {byKey, people("  bob: {account: robert}\n"), toyFiles{1002: "robert"}, false, ""},
		"people.yaml gives another account":           {byKey, people("  bob: {account: bobby}\n"), same, false, "not the person bob"},
		"it is somebody else's by now":                {byKey, people("  bob: {account: bobby}\n  eve: {account: bob}\n"), same, false, "eve's"},
		"files that cannot be read":                   {byKey, plain, nil, false, errToyFiles.Error()},
	} {
		err := stillTheirs(t.Context(), identity.Supposed(c.who), "bob", identity.Account{Name: "bob", UID: 1002}, c.personOf, c.files, c.directory)
		if c.no == "" && err != nil || c.no != "" && (err == nil || !strings.Contains(err.Error(), c.no)) {
			t.Errorf("%s: %v", what, err)
		}
		// Nobody is told to end a server because files could not be read for a moment.
		if said := ownedText("bob", identity.Account{Name: "bob", UID: 1002}, 7, err); err != nil && strings.Contains(said.Error(), "end process 7") == errors.Is(err, errToyFiles) {
			t.Errorf("%s: it says %v", what, said)
		}
	}
}
