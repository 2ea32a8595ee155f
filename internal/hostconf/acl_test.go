package hostconf

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// somebodys is an access list that gives an account everything (the kernel's
// posix_acl_xattr.h: version 2, then tag, rights and id of each entry).
func somebodys(uid uint32) []byte {
	const userObj, user, groupObj, mask, others = 0x01, 0x02, 0x04, 0x10, 0x20
	b := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range []struct {
		tag, perm uint16
		id        uint32
	}{{userObj, 7, math.MaxUint32}, {user, 7, uid}, {groupObj, 5, math.MaxUint32}, {mask, 7, math.MaxUint32}, {others, 5, math.MaxUint32}} {
		b = binary.LittleEndian.AppendUint16(b, e.tag)
		b = binary.LittleEndian.AppendUint16(b, e.perm)
		b = binary.LittleEndian.AppendUint32(b, e.id)
	}
	return b
}

// A directory gives an access list to all that is made in it: not to what an apply makes. A
// list that somebody has put on a file of ours is a difference, is taken away, and comes
// back with undo.
func TestAccessLists(t *testing.T) {
	b := newBed(t)
	err := unix.Setxattr(b.at("etc"), defaultACL, somebodys(61004), 0)
	if errors.Is(err, unix.ENOTSUP) {
		tmuxtest.Skip(t, "this file system has no access lists")
	}
	b.must(err)
	b.write("etc/control", "x", 0o600)
	has := func(path, name string) bool {
		_, err := unix.Getxattr(b.at(path), name, nil)
		return err == nil
	}
	if !has("etc/control", accessACL) {
		t.Error("a file that is just made has no access list: this is no test")
	}
	s := State{Set: "a", Items: []Item{
		{ID: "T", Kind: Directory, Path: "/etc/mw", Mode: 0o755, Why: "it"},
		{ID: "T", Kind: File, Path: "/etc/mw/x", Mode: 0o600, Content: "x", Why: "it"},
		{ID: "T", Kind: File, Path: "/etc/y", Mode: 0o600, Content: "x", Why: "it"},
	}}
	b.apply(s)
	for _, path := range []string{"etc/mw", "etc/mw/x", "etc/y"} {
		if has(path, accessACL) || has(path, defaultACL) {
			t.Errorf("%s has an access list", path)
		}
	}
	b.must(unix.Setxattr(b.at("etc/y"), accessACL, somebodys(61004), 0))
	b.must(os.Chmod(b.at("etc/y"), 0o600))
	if p := b.plan(s); !strings.Contains(p.brief(), "change /etc/y acl") {
		t.Errorf("plan says\n%s", p.brief())
	}
	b.apply(s)
	if has("etc/y", accessACL) {
		t.Error("it still has one")
	}
	if _, err := Undo(context.Background(), "a", b.opt); err != nil || !has("etc/y", accessACL) {
		t.Errorf("undo: %v", err)
	}
}
