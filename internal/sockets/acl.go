package sockets

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// The extended attribute that holds a POSIX ACL, and its layout.
const (
	aclName    = "system.posix_acl_access"
	aclVersion = 2

	aclUser  = 0x02
	aclGroup = 0x08
	aclMask  = 0x10

	maxACL = 64 << 10 // what the kernel gives at most
)

// readACL gives the entries of other accounts and groups that count.
func readACL(path string) ([]string, error) {
	buf := make([]byte, 4+8*32)
	n, err := unix.Getxattr(path, aclName, buf)
	if err == unix.ERANGE {
		buf = make([]byte, maxACL)
		n, err = unix.Getxattr(path, aclName, buf)
	}
	switch err {
	case nil:
		return parseACL(buf[:n])
	case unix.ENODATA, unix.ENOTSUP:
		return nil, nil
	}
	return nil, fmt.Errorf("read the ACL: %w", err)
}

// parseACL reads the attribute. An entry counts if, under the mask, it gives
// anything.
func parseACL(data []byte) ([]string, error) {
	le := binary.LittleEndian
	if len(data) < 4 || le.Uint32(data) != aclVersion || (len(data)-4)%8 != 0 {
		return nil, fmt.Errorf("an ACL of %d bytes in a form that is not known", len(data))
	}
	type aclEntry struct {
		tag, perm uint16
		id        uint32
	}
	var entries []aclEntry
	mask := uint16(7)
	for b := data[4:]; len(b) >= 8; b = b[8:] {
		e := aclEntry{le.Uint16(b), le.Uint16(b[2:]), le.Uint32(b[4:])}
		if e.tag == aclMask {
			mask = e.perm
		}
		entries = append(entries, e)
	}
	var out []string
	for _, e := range entries {
		perm := e.perm & mask
		if perm == 0 || e.tag != aclUser && e.tag != aclGroup {
			continue
		}
		kind := "user"
		if e.tag == aclGroup {
			kind = "group"
		}
		out = append(out, kind+":"+strconv.FormatUint(uint64(e.id), 10)+":"+permString(perm))
	}
	return out, nil
}

func permString(p uint16) string {
	b := []byte("---")
	for i, c := range "rwx" {
		if p&(4>>i) != 0 {
			b[i] = byte(c)
		}
	}
	return string(b)
}
