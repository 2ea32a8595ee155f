package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/authkeys"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/policy"
)

// An account's file is read if nobody else could have written it, and through no
// symbolic link below its home.
func TestReadAccountFile(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		change func(home, dir, file string) error
		want   string // "" if it is read
	}{
		"as it should be":     {func(_, _, _ string) error { return nil }, ""},
		"a home of everybody": {func(home, _, _ string) error { return os.Chmod(home, 0o777) }, "may be written by others"},
		"a home like /tmp":    {func(home, _, _ string) error { return os.Chmod(home, os.ModeSticky|0o777) }, "may be written by others"},
		"another name":        {func(home, _, file string) error { return os.Link(file, home+"/another") }, "has 2 names"},
		"a group's directory": {func(_, dir, _ string) error { return os.Chmod(dir, 0o770) }, "may be written by others"},
		"a group's file":      {func(_, _, file string) error { return os.Chmod(file, 0o620) }, "may be written by others"},
		"no file":             {func(_, _, file string) error { return os.Remove(file) }, "no such file"},
		"a directory":         {func(_, _, file string) error { return errors.Join(os.Remove(file), os.Mkdir(file, 0o700)) }, "is no file"},
		"a pipe":              {func(_, _, file string) error { return errors.Join(os.Remove(file), unix.Mkfifo(file, 0o600)) }, "is no file"},
		"a link": {func(home, _, file string) error {
			return errors.Join(os.Rename(file, home+"/keys"), os.Symlink(home+"/keys", file))
		}, "symbolic link"},
		"a linked directory": {func(home, dir, _ string) error {
			return errors.Join(os.Rename(dir, home+"/keys"), os.Symlink(home+"/keys", dir))
		}, "symbolic link"},
		"too much": {func(_, _, file string) error { return os.Truncate(file, authkeys.MaxFile+1) }, "more than"},
		"another's": {func(_, _, file string) error {
			if os.Geteuid() != 0 {
				return os.Chmod(file, 0o602) // only root can give a file away
			}
			return os.Chown(file, 4321, -1)
		}, ""},
	} {
		home := filepath.Join(t.TempDir(), "home")
		dir := filepath.Join(home, ".ssh")
		file := filepath.Join(dir, "authorized_keys")
		must(os.MkdirAll(dir, 0o700))
		must(os.WriteFile(file, []byte("keys"), 0o600))
		must(c.change(home, dir, file))
		if name == "another's" {
			c.want = "belongs to uid 4321"
			if os.Geteuid() != 0 {
				c.want = "may be written by others"
			}
		}
		data, err := authkeys.Read(identity.Account{Home: home, UID: uint32(os.Geteuid())})
		switch {
		case c.want == "" && (err != nil || string(data) != "keys"):
			t.Errorf("%s: %q, %v", name, data, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %q, %v", name, data, err)
		}
		if name == "no file" && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A reading that does not return is the only one of its file.
func TestAccountFileThatDoesNotAnswer(t *testing.T) {
	home := t.TempDir()
	a := &accountKeys{
		account: func(context.Context, string) (identity.Account, error) { return identity.Account{Home: home}, nil },
		busy:    map[string]bool{busyKey(identity.Account{Home: home}, filepath.Join(home, ".ssh", "authorized_keys")): true},
	}
	if f := a.file(t.Context(), "alice"); !errors.Is(f.err, errSlowHome) {
		t.Errorf("%+v", f)
	}
}

// A home that does not answer for now has taken no key out: what was read last counts for
// a while, and no longer. A file that is gone, or not kept, counts no more at once.
func TestAccountFileReadBefore(t *testing.T) {
	now := time.Now()
	one := func(err error) []accountFile { return []accountFile{{person: "bob", path: "/home/bob/x", err: err}} }
	a := &accountKeys{}
	good := one(nil)
	good[0].data = []byte("key")
	a.remember(good, now)
	for _, c := range []struct {
		after time.Duration
		err   error
		kept  bool
	}{
		{0, errSlowHome, true},
		{staleTime - 1, &fs.PathError{Op: "open", Path: "x", Err: unix.ESTALE}, true},
		{staleTime - 1, &fs.PathError{Op: "open", Path: "x", Err: unix.EINTR}, true},
		{staleTime, errSlowHome, false},
		{0, errSlowHome, false}, // and it does not come back by itself
	} {
		all := one(c.err)
		a.remember(all, now.Add(c.after))
		if kept := all[0].err == nil && string(all[0].data) == "key" && all[0].stale != nil; kept != c.kept {
			t.Errorf("after %v with %v: %+v", c.after, c.err, all[0])
		}
	}
	a.remember(good, now)
	for _, err := range []error{fs.ErrNotExist, errors.New("may be written by others"), unix.EACCES} {
		all := one(err)
		if a.remember(all, now); all[0].err == nil {
			t.Errorf("%v: it is kept", err)
		}
		all = one(errSlowHome)
		if a.remember(all, now); all[0].err == nil {
			t.Errorf("after %v it is kept", err)
		}
		a.remember(good, now)
	}
	// What was read is that account's. Who has the name now may be another, with another home, or in that one.
	for what, f := range map[string]accountFile{
		"another uid":  {person: "bob", uid: 1012, path: good[0].path, err: errSlowHome},
		"another home": {person: "bob", path: "/srv/bob/x", err: errSlowHome},
	} {
		all := []accountFile{f}
		if a.remember(all, now); all[0].err == nil {
			t.Errorf("%s has the keys of the one before", what)
		}
		a.remember(good, now)
	}
	untold := []accountFile{{person: "bob", err: errSlowHome}}
	if a.remember(untold, now); untold[0].err != nil {
		t.Error("while it is not told which account it is, its keys are gone")
	}
}

// bobAlone is a policy that has bob and grants nothing.
func bobAlone(t *testing.T) *policy.Set {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"people.yaml": "people:\n  bob: {}\n", "grants.yaml": "grants: []\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set, err := policy.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// While people's files are read nobody else reads them, and takes the one who is at it
// for one that does not return.
func TestAccountFilesAreReadByOne(t *testing.T) {
	here, held := make(chan struct{}), make(chan struct{})
	a := &accountKeys{account: func(context.Context, string) (identity.Account, error) {
		close(here)
		<-held
		return identity.Account{}, identity.ErrNoAccount
	}}
	set := bobAlone(t)
	done := make(chan []accountFile, 1)
	go func() { done <- a.files(context.Background(), set) }()
	<-here
	if a.reading.TryLock() {
		t.Error("somebody else may read them at the same time")
	}
	close(held)
	if files := <-done; len(files) > 0 {
		t.Errorf("%+v", files)
	}
}

// Whose account is not known for now keeps the keys that were read last, and who has none any more does not.
func TestAccountFilesOfNobodyKnown(t *testing.T) {
	home := t.TempDir()
	var told error
	a := &accountKeys{
		account: func(_ context.Context, person string) (identity.Account, error) {
			return identity.Account{Name: person, Home: home}, told
		},
		readFile: func(identity.Account) ([]byte, error) { return []byte("bob's"), nil },
	}
	set := bobAlone(t)
	for _, c := range []struct {
		told  error
		keys  bool
		stale bool
	}{
		{nil, true, false},
		{fmt.Errorf("it is not told: %w", accounts.ErrUnanswered), true, true},
		{fmt.Errorf("it is not told: %w", context.DeadlineExceeded), true, true},
		{&fs.PathError{Op: "open", Path: "/etc/passwd", Err: unix.EMFILE}, true, true},
		{errors.New("the account bob is alice's"), false, false},
		{nil, true, false},
		{identity.ErrNoAccount, false, false},
		{accounts.ErrUnanswered, false, false}, // nothing is left to keep
	} {
		told = c.told
		keys, stale := false, false
		for _, f := range a.files(t.Context(), set) {
			keys, stale = string(f.data) == "bob's", f.stale != nil
		}
		if keys != c.keys || stale != c.stale {
			t.Errorf("%v: keys %t, stale %t", c.told, keys, stale)
		}
	}
}

// People whose account a directory would tell of, which does not answer, take no turns from who is in the files.
func TestAccountFilesBesideADirectory(t *testing.T) {
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "keys"), []byte("alice's"), 0o600); err != nil {
		t.Fatal(err)
	}
	var read chan struct{} // closed once alice's are
	a := &accountKeys{
		elsewhere: func(_ context.Context, person string) bool { return person != "alice" },
		account: func(ctx context.Context, person string) (identity.Account, error) {
			if person == "alice" {
				return identity.Account{Name: person, Home: home}, nil
			}
			select {
			case <-read:
			case <-ctx.Done():
			}
			return identity.Account{}, errors.New("it does not answer")
		},
		readFile: func(identity.Account) ([]byte, error) {
			defer close(read)
			return os.ReadFile(filepath.Join(home, "keys"))
		},
	}
	people := "people:\n  alice: {}\n"
	for i := range 500 {
		people += fmt.Sprintf("  dora%d: {}\n", i)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"people.yaml": people, "grants.yaml": "grants: []\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set, err := policy.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // as who has a turn first is by chance
		read = make(chan struct{})
		if got := a.files(t.Context(), set); len(got) != 1 || got[0].person != "alice" || string(got[0].data) != "alice's" {
			t.Errorf("%+v", got)
		}
		a.last = nil
	}
}

// What is wrong with one person's own file is told some times, and then no more for a while.
func TestOwnFileIsNotToldForEver(t *testing.T) {
	s, now, told := &sshDoor{}, time.Now(), 0
	for i := range 100 {
		if s.mayTell("bob", now.Add(time.Duration(i)*time.Second)) {
			told++
		}
	}
	if told != toldOnce || !s.mayTell("carol", now) || !s.mayTell("bob", now.Add(toldTime+time.Second)) {
		t.Errorf("%d times", told)
	}
}

// An administrator's list of somebody's keys cannot be read: the conditions that it may
// have are not taken off by the keys in the person's own file.
func TestOwnKeysBehindABrokenList(t *testing.T) {
	data := []byte("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBtD5Al7sZ5vzXg0QmEyLtkVqF4UKC7dT1rYq0x0mJ0L bob\n")
	homes := []accountFile{{person: "bob", path: "bob", data: data}}
	s := &sshDoor{}
	if keys := s.ofAccounts(nil, homes, map[string]bool{"bob": true}, func(string) {}); len(keys) > 0 {
		t.Error("they are taken")
	}
	if keys := s.ofAccounts(nil, homes, nil, func(what string) { t.Error(what) }); len(keys) != 1 {
		t.Error("they are not taken beside a good one")
	}
}
