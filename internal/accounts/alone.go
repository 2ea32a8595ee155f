package accounts

import (
	"bytes"
	"errors"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// Alone reports whether a group is that of one account alone, as where everybody has a group of their
// own: nobody else has it for theirs, nobody else is a member, and nobody becomes one by a password. The files are
// read when that is asked first, and once, for however many are asked about. By files that cannot be read no group
// is anybody's alone. Nobody asks a directory service, so of a group that these files do not tell of it is not
// known. What stands in gshadow counts where we may read that, as root may.
func (f Files) Alone() func(uid, gid uint32) bool {
	type texts struct {
		passwd, group, shadow []byte
		known                 bool
	}
	read := sync.OnceValue(func() texts {
		passwd, err1 := readLimited(f.Passwd)
		group, err2 := readLimited(f.Group)
		shadow, err3 := readLimited(filepath.Join(filepath.Dir(f.Group), "gshadow"))
		if errors.Is(err3, fs.ErrNotExist) || errors.Is(err3, fs.ErrPermission) {
			err3 = nil
		}
		return texts{passwd, group, shadow, errors.Join(err1, err2, err3) == nil}
	})
	return func(uid, gid uint32) bool {
		t := read()
		return t.known && alone(t.passwd, t.group, t.shadow, uid, gid)
	}
}

func alone(passwd, group, shadow []byte, uid, gid uint32) bool {
	name := ""
	for line := range bytes.Lines(passwd) {
		f := fieldsOf(line)
		if len(f) < 4 || !is(f[3], gid) {
			continue
		}
		if name != "" || !is(f[2], uid) {
			return false
		}
		name = f[0]
	}
	told := false // else it may be a directory's, which has others in it
	for line := range bytes.Lines(group) {
		f := fieldsOf(line)
		if len(f) < 3 || !is(f[2], gid) {
			continue
		}
		told = true
		if f[0] != name || !closed(f[1], f[3:], name) {
			return false
		}
	}
	for line := range bytes.Lines(shadow) { // it is what newgrp goes by, its members as well
		if f := fieldsOf(line); f[0] == name && len(f) > 1 && !closed(f[1], f[2:], name) {
			return false
		}
	}
	return name != "" && told
}

// closed reports whether a group has no password, and none in its lists (administrators, members) but one account.
func closed(password string, lists []string, name string) bool {
	for _, l := range lists {
		if l != "" && l != name {
			return false
		}
	}
	return password == "" || password == "x" || password[0] == '*' || password[0] == '!'
}

// is reports whether a number is n, in whatever way the C library reads it: blanks and a sign may stand before it.
func is(number string, n uint32) bool {
	number = strings.TrimLeft(number, " \t\v\f\r")
	if len(number) > 0 && (number[0] == '+' || number[0] == '-') {
		number = number[1:] // of numbers below 0 only -0 is anybody's
	}
	is, err := strconv.ParseUint(number, 10, 32)
	return err == nil && uint32(is) == n
}
