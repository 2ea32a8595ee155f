package daemon

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/privsep"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// TestOwnState: root's muxward does not begin with a state whose giving back was broken off.
func TestOwnState(t *testing.T) {
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "it is root that writes nothing there")
	}
	state := t.TempDir() + "/state"
	d := &daemon{config: config.Config{State: state}}
	err := errors.Join(os.MkdirAll(state, 0o711), os.MkdirAll(state+"-keys", 0o700), os.WriteFile(state+"-keys/audit.key", nil, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.ownState(); err == nil || !strings.Contains(err.Error(), "give-back --account") {
		t.Errorf("giving back was broken off: %v", err)
	}
	err = os.WriteFile(state+"/audit.key", nil, 0o600)
	if err := errors.Join(err, d.ownState()); err != nil {
		t.Errorf("root's own key: %v", err)
	}
}

// Whoever could put another state directory in the place of ours, or take away what is in it, is refused; links of
// our own, and a group that is ours, are not.
func TestStateThatOthersCanChange(t *testing.T) {
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "it takes other accounts")
	}
	const other = 61004
	for name, c := range map[string]struct {
		make func(dir string) (state string, err error)
		want string // "" if it is taken
	}{
		"ours":      {func(dir string) (string, error) { return dir + "/state", os.Mkdir(dir+"/state", 0o711) }, ""},
		"our group": {func(dir string) (string, error) { return dir + "/state", mkdir(dir+"/state", 0o775, 0, 0) }, ""},
		"in a sticky one": {func(dir string) (string, error) {
			return dir + "/t/state", errors.Join(mkdir(dir+"/t", os.ModeSticky|0o777, 0, 0), mkdir(dir+"/t/state", 0o711, 0, 0))
		}, ""},
		"by our link": {func(dir string) (string, error) {
			return dir + "/l", errors.Join(mkdir(dir+"/state", 0o711, 0, 0), os.Symlink("state", dir+"/l"))
		}, ""},
		"everybody's": {func(dir string) (string, error) { return dir + "/state", mkdir(dir+"/state", 0o777, 0, 0) }, "chmod go-w"},
		"sticky":      {func(dir string) (string, error) { return dir + "/t", mkdir(dir+"/t", os.ModeSticky|0o777, 0, 0) }, "may be written by others"},
		"another group's": {func(dir string) (string, error) {
			return dir + "/state", mkdir(dir+"/state", 0o775, 0, other)
		}, "may be written by others"},
		"another's": {func(dir string) (string, error) { return dir + "/state", mkdir(dir+"/state", 0o711, other, 0) }, "uid 61004"},
		"in another's": {func(dir string) (string, error) {
			return dir + "/t/state", errors.Join(mkdir(dir+"/t", 0o755, other, 0), mkdir(dir+"/t/state", 0o711, 0, 0))
		}, "another account's"},
		"in everybody's": {func(dir string) (string, error) {
			return dir + "/t/state", errors.Join(mkdir(dir+"/t", 0o777, 0, 0), mkdir(dir+"/t/state", 0o711, 0, 0))
		}, "may be written by others"},
		"by another's link": {func(dir string) (string, error) {
			return dir + "/l", errors.Join(mkdir(dir+"/state", 0o711, 0, 0), os.Symlink("state", dir+"/l"), os.Lchown(dir+"/l", other, -1))
		}, "another account's"},
	} {
		state, err := c.make(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		err = (&daemon{config: config.Config{State: state}}).ownState()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The bits of the group bound what an access list gives to others: it is refused where our own group may write.
func TestStateWithAnAccessList(t *testing.T) {
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "the directories above are to be ours")
	}
	state := t.TempDir() + "/state"
	// Version 2; then tag, rights and id of each: owner, uid 61004, group, mask, others (posix_acl_xattr.h).
	list := []byte{2, 0, 0, 0}
	for _, e := range [][2]byte{{0x01, 7}, {0x02, 7}, {0x04, 5}, {0x10, 7}, {0x20, 1}} {
		id := uint32(1<<32 - 1)
		if e[0] == 0x02 {
			id = 61004
		}
		list = binary.LittleEndian.AppendUint32(append(list, e[0], 0, e[1], 0), id)
	}
	if err := mkdir(state, 0o711, 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(state, "system.posix_acl_access", list, 0); errors.Is(err, unix.ENOTSUP) {
		tmuxtest.Skip(t, "the file system has no access lists")
	} else if err != nil {
		t.Fatal(err)
	}
	if err := noOthers(state, accounts.System()); err == nil || !strings.Contains(err.Error(), "by its access list") {
		t.Errorf("it is taken: %v", err)
	}
	if err := errors.Join(unix.Removexattr(state, "system.posix_acl_access"), noOthers(state, accounts.System())); err != nil {
		t.Errorf("without: %v", err)
	}
}

// Our own group may write there only if it is ours alone: some accounts have one that everybody has.
func TestStateOfAGroup(t *testing.T) {
	state := t.TempDir() + "/state"
	me, mine := os.Geteuid(), os.Getegid()
	if err := mkdir(state, 0o770, me, mine); err != nil {
		t.Fatal(err)
	}
	files := accounts.Files{Passwd: t.TempDir() + "/passwd", Group: t.TempDir() + "/group"}
	if me != 0 { // what is root's we do not write to
		if err := noOthers("/usr", files); err == nil || !strings.Contains(err.Error(), "/usr is another account's") {
			t.Errorf("a directory of root's: %v", err)
		}
	}
	for members, want := range map[string]string{"": "", "x": "", "x,y": "may be written by others", "y": "may be written by others"} {
		err := errors.Join(os.WriteFile(files.Passwd, fmt.Appendf(nil, "x:x:%d:%d::/:/bin/sh\n", me, mine), 0o644),
			os.WriteFile(files.Group, fmt.Appendf(nil, "x:x:%d:%s\n", mine, members), 0o644))
		if err != nil {
			t.Fatal(err)
		}
		if err := noOthers(state, files); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("a group with the members %q: %v", members, err)
		}
	}
}

// mkdir makes a directory of that mode, whatever the umask.
func mkdir(path string, mode os.FileMode, uid, gid int) error {
	return errors.Join(os.Mkdir(path, 0o700), os.Chown(path, uid, gid), os.Chmod(path, mode))
}

// Where the doors are to be somebody has put a link to another directory of ours. It is refused, and stays as it is.
func TestDoorsThatAreALink(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(dir+"/precious", 0o750), os.Symlink("precious", dir+"/doors")); err != nil {
		t.Fatal(err)
	}
	err := makeRun(config.Config{Doors: dir + "/doors"})
	if err == nil || !strings.Contains(err.Error(), "no directory of ours") {
		t.Errorf("it is taken: %v", err)
	}
	info, err := os.Stat(dir + "/precious")
	if err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("it was changed: %v, %v", info.Mode(), err)
	}
	if in, err := os.ReadDir(dir + "/precious"); err != nil || len(in) > 0 {
		t.Errorf("it has %v in it, %v", in, err)
	}
	if err := errors.Join(makeRun(config.Config{Doors: dir + "/new"}), makeRun(config.Config{Doors: dir + "/new"})); err != nil {
		t.Errorf("where there is nothing, or ours: %v", err)
	}
}

// The helper looks for the mark that `muxward attach` leaves.
func TestForcedMark(t *testing.T) {
	if privsep.ForcedMark != identity.ForcedMark {
		t.Errorf("%s is not %s", privsep.ForcedMark, identity.ForcedMark)
	}
}
