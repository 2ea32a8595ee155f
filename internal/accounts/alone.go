package accounts

import (
	"bytes"
	"strconv"
	"strings"
	"sync"
)

// Alone reports whether a group is that of one account alone, as where everybody has a group of their
// own: nobody else has it for theirs, and nobody else is a member. The files are read when that is asked
// first, and once, for however many are asked about. By files that cannot be read no group is anybody's
// alone. Nobody asks a directory service, so of a group that these files do not tell of it is not known.
func (f Files) Alone() func(uid, gid uint32) bool {
	type texts struct {
		passwd, group []byte
		known         bool
	}
	read := sync.OnceValue(func() texts {
		passwd, err1 := readLimited(f.Passwd)
		group, err2 := readLimited(f.Group)
		return texts{passwd, group, err1 == nil && err2 == nil}
	})
	return func(uid, gid uint32) bool {
		t := read()
		return t.known && alone(t.passwd, t.group, uid, gid)
	}
}

func alone(passwd, group []byte, uid, gid uint32) bool {
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
	for line := range bytes.Lines(group) {
		f := fieldsOf(line)
		if len(f) < 3 || !is(f[2], gid) {
			continue
		}
		if f[0] != name {
			return false
		}
		if members := strings.Join(f[3:], ":"); members != "" && members != name {
			return false
		}
	}
	return name != ""
}

func is(number string, n uint32) bool {
	is, err := strconv.ParseUint(number, 10, 32)
	return err == nil && uint32(is) == n
}
