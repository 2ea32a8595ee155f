package accounts

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

const passwdText = `root:x:0:0:root:/root:/bin/bash
# comment:x:7:7::/:/bin/sh
+nis:x:7:7::/:/bin/sh
alice:x:1001:100:Alice,,,:/home/alice:/bin/zsh
twin:x:1001:100::/:/bin/sh
big:x:4294967296:0::/:/bin/sh
stay:x:4294967295:0::/:/bin/sh
half:x:1002:4294967295::/:/bin/sh
whole:x:1002:1002::/:/bin/sh
`

// Name and uid have to agree: a name is not believed for a uid, nor a uid for a name.
func TestNamed(t *testing.T) {
	dir := t.TempDir()
	f := Files{filepath.Join(dir, "passwd"), filepath.Join(dir, "group")}
	if err := errors.Join(os.WriteFile(f.Passwd, []byte(passwdText), 0o644), os.WriteFile(f.Group, []byte("ops:x:9:alice\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if a, err := f.Named("alice", 1001); err != nil || a.Home != "/home/alice" || len(a.Groups) != 1 || a.Groups[0] != 9 {
		t.Errorf("%+v, %v", a, err)
	}
	for _, c := range []struct {
		name string
		uid  uint32
	}{{"alice", 0}, {"root", 1001}, {"twin", 1001}, {"", 0}, {"bob", 1002}, {"", 1001}, {"+nis", 7}, {"stay", NoID}, {"half", 1002}, {"whole", 1002}} {
		if a, err := f.Named(c.name, c.uid); !errors.Is(err, ErrNoAccount) {
			t.Errorf("%+v was taken: %+v, %v", c, a, err)
		}
	}
	if uid, err := f.UIDOf("stay"); !errors.Is(err, ErrNoAccount) {
		t.Errorf("%d was taken: %v", uid, err)
	}
	if g := parseGroups([]byte("a:x:4294967295:alice\nb:x:7:alice\n"), "alice"); len(g) != 1 || g[0] != 7 {
		t.Errorf("groups: %d", g)
	}
	if err := os.Remove(f.Group); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Named("alice", 1001); err == nil || errors.Is(err, ErrNoAccount) {
		t.Errorf("without the groups: %v", err)
	}
}

func FuzzParsePasswd(f *testing.F) {
	f.Add([]byte(passwdText), uint32(1001))
	f.Add([]byte("a:b:c:d:e:f:g\r\n:::::::\n"), uint32(0))
	f.Fuzz(func(t *testing.T, data []byte, uid uint32) {
		acc, ok := parsePasswd(data, uid)
		if ok && (acc.UID != uid || acc.Name == "" || acc.Usable() != nil) {
			t.Errorf("%+v for %d", acc, uid)
		}
		parseGroups(data, "alice")
	})
}

// TestMembers: of which groups an account is, by a file that is read once.
func TestMembers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "group")
	text := "dev:x:10:alice,bob\nops:x:11:\nops:x:12:carol\nodd:x:-1:dave\nshort:x:13\n:x:14:alice\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	in := Files{Group: file}.Members()
	for _, c := range []struct {
		group, account string
		gid            uint32
		want           bool
	}{
		{"dev", "alice", 1, true}, {"dev", "bob", 1, true}, {"dev", "carol", 1, false}, {"dev", "carol", 10, true}, {"dev", "ali", 1, false},
		{"ops", "alice", 11, true}, {"ops", "carol", 1, true}, {"ops", "alice", 10, false}, {"odd", "dave", 1, true}, {"odd", "alice", 1<<32 - 1, false},
		{"short", "alice", 13, false}, {"", "alice", 14, false}, {"nosuch", "alice", 10, false},
	} {
		if got := in(c.group, c.account, c.gid); got != c.want {
			t.Errorf("%s, gid %d, in %q: %v", c.account, c.gid, c.group, got)
		}
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if !in("dev", "alice", 1) {
		t.Error("it was read again")
	}
	if (Files{Group: file + "x"}).Members()("dev", "alice", 10) {
		t.Error("by a file that is not there somebody is in a group")
	}
}

// The whole table says of each name and number what is said of that alone.
func TestTable(t *testing.T) {
	dir := t.TempDir()
	f := Files{filepath.Join(dir, "passwd"), filepath.Join(dir, "group")}
	text := passwdText + "alice:x:1009:1009::/:/bin/sh\nodd:x:-1:1::/:/bin/sh\nodd:x:1010:one::/:/bin/sh\nshort:x:1011:1011\n:x:1012:1::/:/bin/sh\nlast:x:1010:1::/:/bin/sh\r\n"
	if err := errors.Join(os.WriteFile(f.Passwd, []byte(text), 0o600), os.WriteFile(f.Group, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	table, err := f.Table()
	if err != nil {
		t.Fatal(err)
	}
	some := 0
	for _, uid := range []uint32{0, 7, 1, 1001, 1002, 1009, 1010, 1011, 1012, NoID} {
		a, _ := f.ByUID(uid)
		if name := table.Name(uid); name != a.Name {
			t.Errorf("uid %d is %q's, and %q's by itself", uid, name, a.Name)
		} else if name != "" {
			some++
		}
	}
	for _, name := range []string{"root", "# comment", "#comment", "+nis", "alice", "twin", "big", "stay", "half", "whole", "odd", "short", "", "last", "nosuch"} {
		want, err := f.UIDOf(name)
		if uid, ok := table.UID(name); uid != want || ok != (err == nil) {
			t.Errorf("%q is uid %d (%v), and %d by itself (%v)", name, uid, ok, want, err)
		}
	}
	if some != 4 {
		t.Errorf("%d of the numbers are somebody's", some)
	}
	if _, err := (Files{Passwd: f.Passwd + "x"}).Table(); err == nil {
		t.Error("a file that is not there was read")
	}
}
