package accounts

import (
	"errors"
	"os"
	"testing"
)

// A group is one account's alone if nobody else is in it, in whatever way they could be.
func TestAlone(t *testing.T) {
	const passwd = "root:x:0:0::/:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\nbob:x:1001:1001::/home/bob:/bin/sh\ncarol:x:1002:1001::/home/carol:/bin/sh\n"
	const group = "root:x:0:\nalice:x:1000:\nbob:x:1001:\ndev:x:1003:\n"
	for _, c := range []struct {
		name          string
		uid, gid      uint32
		passwd, group string
		want          bool
	}{
		{"root's", 0, 0, passwd, group, true},
		{"that names root", 0, 0, passwd, "root:x:0:root\n", true},
		{"that has a member", 0, 0, passwd, "root:x:0:bob\n", false},
		{"hers", 1000, 1000, passwd, group, true},
		{"that is a directory's", 1000, 1000, passwd, "root:x:0:\n", false},
		{"hers, and his", 1000, 1000, passwd, group + "alice:x:1000:bob\n", false},
		{"hers, and his and hers", 1000, 1000, passwd, group + "alice:x:1000:alice,bob\n", false},
		{"by another name", 1000, 1000, passwd, group + "all:x:1000:\n", false},
		{"by another spelling", 1000, 1000, passwd, group + "all:x:01000:\n", false},
		{"of two", 1001, 1001, passwd, group, false},
		{"of the other of two", 1002, 1001, passwd, group, false},
		{"by a spelling with a blank", 1000, 1000, passwd, group + "all:x: 1000:\n", false},
		{"with a password", 1000, 1000, passwd, "alice:$y$j9T$x:1000:\n", false},
		{"with a short password", 1000, 1000, passwd, "alice:abJnggxhB/yWI:1000:\n", false},
		{"that is locked", 1000, 1000, passwd, "alice:!:1000:\n", true},
		{"that has no password", 1000, 1000, passwd, "alice::1000:\n", true},
		{"that has none", 1000, 1000, passwd, "alice:*:1000:\n", true},
		{"of two, by a spelling with a blank", 1000, 1000, passwd + "mallory:x:1004: 1000::/:/bin/sh\n", group, false},
		{"of two, by a spelling with a sign", 1000, 1000, passwd + "mallory:x:1004:+1000::/:/bin/sh\n", group, false},
		{"of root and another, by a spelling with a sign", 0, 0, passwd + "mallory:x:1004:-0::/:/bin/sh\n", group, false},
		{"of two, by another spelling", 1000, 1000, passwd + "mallory:x:1004:01000::/:/bin/sh\n", group, false},
		{"of one who has two names", 1000, 1000, passwd + "twin:x:1000:1000::/:/bin/sh\n", group, false},
		{"of two who are one, and of no name", 1000, 1000, passwd + "twin:x:1000:1000::/:/bin/sh\n", "root:x:0:\n", false},
		{"of her alone, and not of him", 1001, 1000, passwd, group, false},
		{"of no account", 1000, 1003, passwd, group, false},
		{"somebody else's", 1000, 1001, passwd, group, false},
		{"that is in no file", 1000, 7777, passwd, group, false},
	} {
		dir := t.TempDir()
		f := Files{dir + "/passwd", dir + "/group"}
		if err := errors.Join(os.WriteFile(f.Passwd, []byte(c.passwd), 0o644), os.WriteFile(f.Group, []byte(c.group), 0o644)); err != nil {
			t.Fatal(err)
		}
		if got := f.Alone()(c.uid, c.gid); got != c.want {
			t.Errorf("a group %s: %v", c.name, got)
		}
		if err := os.Remove(f.Group); err != nil {
			t.Fatal(err)
		}
		if f.Alone()(c.uid, c.gid) {
			t.Errorf("a group %s, by no file of groups", c.name)
		}
	}
}

// Where gshadow can be read it counts: newgrp goes by what stands there.
func TestAloneByGshadow(t *testing.T) {
	dir := t.TempDir()
	f := Files{dir + "/passwd", dir + "/group"}
	if err := errors.Join(os.WriteFile(f.Passwd, []byte("alice:x:1000:1000::/:/bin/sh\n"), 0o644), os.WriteFile(f.Group, []byte("alice:x:1000:\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	for shadow, want := range map[string]bool{
		"": true, "alice:!::\n": true, "alice:*::\n": true, "alice:::\n": true, "alice:!::alice\n": true, "alice:!:alice:\n": true, "alice\n": true,
		"bob:$y$x:carol:carol\n": true, "alice:$y$x::\n": false, "alice:!:bob:\n": false, "alice:!::bob\n": false, "alice:!::alice,bob\n": false,
	} {
		if err := os.WriteFile(dir+"/gshadow", []byte(shadow), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := f.Alone()(1000, 1000); got != want {
			t.Errorf("with %q: %v", shadow, got)
		}
	}
	if err := errors.Join(os.Remove(dir+"/gshadow"), os.Mkdir(dir+"/gshadow", 0o755)); err != nil {
		t.Fatal(err)
	}
	if f.Alone()(1000, 1000) {
		t.Error("one that cannot be read counts as none")
	}
}
