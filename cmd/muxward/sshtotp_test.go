package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// TestSSHTOTPFile: a file of secrets is made for its owner alone, keeps what else stands in
// it, and is not touched if others can read it.
func TestSSHTOTPFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "totp")
	do := func(args ...string) (string, error) {
		t.Helper()
		var out bytes.Buffer
		cmd := newSSHTOTPCmd()
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SilenceUsage, cmd.SilenceErrors = true, true
		cmd.SetArgs(append(args, "--file", path))
		err := cmd.Execute()
		return out.String(), err
	}
	out, err := do("add", "bob", "--issuer", "the house")
	if err != nil || !strings.HasPrefix(out, "otpauth://totp/the%20house:bob?") || strings.Contains(out, "█") {
		t.Fatalf("%q: %v", out, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := do("add", "carol"); err != nil {
		t.Error(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := do("add", "bob"); err == nil || !strings.Contains(err.Error(), "--replace") {
		t.Errorf("bob has one: %v", err)
	}
	if _, err := do("add", "Bob"); err == nil {
		t.Error("Bob is no name")
	}
	if out, err := do("add", "bob", "--replace"); err != nil || strings.Count(out, "otpauth") != 1 {
		t.Errorf("%q: %v", out, err)
	}
	keys, err := totpIn(path)
	if err != nil || len(keys.People()) != 2 {
		t.Fatalf("%v, %v", keys, err)
	}
	after, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(after), "#") || bytes.Equal(before, after) {
		t.Errorf("%v:\n%s\n%s", err, before, after)
	}
	if _, err := do("remove", "mallory"); err == nil {
		t.Error("who has none is removed")
	}
	for _, who := range []string{"bob", "carol"} {
		if _, err := do("remove", who); err != nil {
			t.Error(err)
		}
	}
	if keys, err := totpIn(path); err != nil || len(keys.People()) != 0 {
		t.Errorf("nobody is left: %v, %v", keys, err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := do("add", "bob"); err == nil || !strings.Contains(err.Error(), "may be read by others") {
		t.Errorf("others can read it: %v", err)
	}
}

// totpIn are the secrets that are in a file.
func totpIn(path string) (*identity.TOTPKeys, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return identity.ParseTOTPKeys(data, path)
}

// TestSSHTOTPChanges: of two who change the file at once nobody is told that it is done
// whose change is lost, and one that fails is in nobody's way.
func TestSSHTOTPChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "totp")
	add := func(who string, meanwhile func()) error {
		return totpFile{path: path}.change(func(_ *identity.TOTPKeys, lines []string) ([]string, error) {
			meanwhile()
			return append(lines, who+" GEZDGNBVGY3TQOJQGEZDGNBVGY3TQ"+strings.ToUpper(who[:3])), nil
		})
	}
	var second error
	if err := add("alice", func() { second = add("bob", func() {}) }); err != nil {
		t.Fatal(err)
	}
	keys, err := totpIn(path)
	if err != nil || !slices.Contains(keys.People(), "alice") {
		t.Fatalf("%v, %v", keys.People(), err)
	}
	if there := slices.Contains(keys.People(), "bob"); there != (second == nil) {
		t.Errorf("bob is there: %v, and was told: %v", there, second)
	}
	if err := (totpFile{path: path}).change(func(*identity.TOTPKeys, []string) ([]string, error) { return nil, errors.New("no") }); err == nil {
		t.Error("no error")
	}
	if err := add("carol", func() {}); err != nil {
		t.Errorf("behind one that failed: %v", err)
	}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 5 {
				who := fmt.Sprintf("%c%c%c", 'p'+i, 'b'+j, 'x')
				err := add(who, func() {})
				for ; err != nil && strings.Contains(err.Error(), "somebody else is changing"); err = add(who, func() {}) {
					runtime.Gosched() // until it is their turn
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if keys, err := totpIn(path); err != nil || len(keys.People()) < 22 {
		t.Errorf("%d are there: %v", len(keys.People()), err)
	}
}

// Root writes a file of secrets where nobody else could have put something, and gives it to
// nobody but what muxward runs as.
func TestSSHTOTPPlaces(t *testing.T) {
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "gives files to accounts, which takes root")
	}
	add := func(f totpFile) error {
		return f.change(func(_ *identity.TOTPKeys, lines []string) ([]string, error) {
			return append(lines, "bob GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), nil
		})
	}
	owner := func(path string) uint32 {
		t.Helper()
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Sys().(*syscall.Stat_t).Uid
	}
	dir := t.TempDir()
	for name, prepare := range map[string]func(path string) error{
		"a directory of another's": func(path string) error { return os.Chown(filepath.Dir(path), 65533, 65533) },
		"one that others write to": func(path string) error { return os.Chmod(filepath.Dir(path), 0o777) },
		"a sticky one":             func(path string) error { return os.Chmod(filepath.Dir(path), os.ModeSticky|0o777) },
		"a file of another's": func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Chown(path, 65533, 65533))
		},
		"a link": func(path string) error {
			return errors.Join(os.WriteFile(path+"x", []byte("# x\n"), 0o600), os.Symlink(path+"x", path))
		},
	} {
		path := filepath.Join(dir, name, "totp")
		if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := prepare(path); err != nil {
			t.Fatal(err)
		}
		if err := add(totpFile{path: path}); err == nil {
			t.Errorf("%s: it is written", name)
		}
		if _, err := os.Lstat(path + ".new"); err == nil {
			t.Errorf("%s: %s.new stays", name, path)
		}
	}
	path := filepath.Join(dir, "totp")
	account := totpFile{path: path, account: &accounts.Account{Name: "mw", UID: 65533, GID: 65533}}
	if err := add(account); err != nil || owner(path) != 65533 {
		t.Errorf("%v, uid %d", err, owner(path))
	}
	if err := os.Chown(path, 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	if err := add(account); err == nil && owner(path) != 0 {
		t.Errorf("%v, uid %d", err, owner(path))
	}
}
