package hostconf

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// account is a line of passwd.
type account struct {
	name     string
	uid, gid uint32
	comment  string
	home     string
	shell    string
}

// accounts are those of a host.
type accounts struct {
	byName map[string]account
	groups map[string]uint32
	own    bool // the tree has files of its own
}

// readAccounts reads passwd and group of the tree, or of this machine if the tree has none.
// They are read as files: names for files of the system belong there, and no service that
// is down, such as LDAP, is asked.
func (t *tree) readAccounts() (*accounts, error) {
	a := &accounts{byName: map[string]account{}, groups: map[string]uint32{}}
	passwd, err := t.text("/etc/passwd")
	if err == nil {
		a.own = true
	} else if errors.Is(err, os.ErrNotExist) {
		passwd, err = os.ReadFile("/etc/passwd")
	}
	if err != nil {
		return nil, fmt.Errorf("read who has an account: %w", err)
	}
	group, err := t.text("/etc/group")
	if errors.Is(err, os.ErrNotExist) && !a.own {
		group, err = os.ReadFile("/etc/group")
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read which groups there are: %w", err)
	}
	a.parse(string(passwd), string(group))
	return a, nil
}

// AccountOf gives the uid of an account of the host: with Root, of the tree's own etc/passwd,
// never of this machine's.
func AccountOf(name string, o Options) (uint32, error) {
	h, err := newHost(o)
	if err != nil {
		return 0, err
	}
	defer h.close()
	x, ok := h.names.byName[name]
	if !ok || !h.tree.machine() && !h.names.own {
		return 0, fmt.Errorf("there is no such account in %s", h.tree.full("/etc/passwd"))
	}
	return x.uid, nil
}

// text reads a file of the tree that need not be a file of ours, such as passwd.
func (t *tree) text(path string) ([]byte, error) {
	dir, name, err := t.parent(path)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	at := t.full(path)
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "read", Path: at, Err: err}
	}
	f := os.NewFile(uintptr(fd), at)
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, cmp.Or(err, fmt.Errorf("%s is no file", at))
	}
	data, err := io.ReadAll(io.LimitReader(f, maxAccounts+1))
	if err == nil && len(data) > maxAccounts {
		err = fmt.Errorf("%s is larger than %d bytes", at, maxAccounts)
	}
	return data, err
}

// maxAccounts bounds passwd and group, in bytes: some have all accounts of a large site in them.
const maxAccounts = 64 << 20

func (a *accounts) parse(passwd, group string) {
	for line := range strings.SplitSeq(passwd, "\n") {
		p := strings.Split(line, ":")
		if len(p) != 7 {
			continue
		}
		uid, err1 := strconv.ParseUint(p[2], 10, 32)
		gid, err2 := strconv.ParseUint(p[3], 10, 32)
		if _, twice := a.byName[p[0]]; err1 == nil && err2 == nil && !twice { // the first line counts, as in getpwnam
			a.byName[p[0]] = account{name: p[0], uid: uint32(uid), gid: uint32(gid), comment: p[4], home: p[5], shell: p[6]}
		}
	}
	for line := range strings.SplitSeq(group, "\n") {
		p := strings.Split(line, ":")
		if len(p) != 4 {
			continue
		}
		gid, err := strconv.ParseUint(p[2], 10, 32)
		if _, twice := a.groups[p[0]]; err == nil && !twice {
			a.groups[p[0]] = uint32(gid)
		}
	}
}

// uid of an owner: a name, a number, or "" for root.
func (a *accounts) uid(owner string) (uint32, bool) {
	if id, ok := number(owner); ok {
		return id, true
	}
	x, ok := a.byName[owner]
	return x.uid, ok
}

func (a *accounts) gid(group string) (uint32, bool) {
	if id, ok := number(group); ok {
		return id, true
	}
	id, ok := a.groups[group]
	return id, ok
}

func number(name string) (uint32, bool) {
	if name == "" || name == "root" {
		return 0, true
	}
	n, err := strconv.ParseUint(name, 10, 32)
	return uint32(n), err == nil
}

// nameOf is for people to read.
func (a *accounts) nameOf(uid uint32) string {
	for _, x := range a.byName {
		if x.uid == uid {
			return x.name
		}
	}
	return strconv.FormatUint(uint64(uid), 10)
}

func (a *accounts) groupOf(gid uint32) string {
	for name, id := range a.groups {
		if id == gid {
			return name
		}
	}
	return strconv.FormatUint(uint64(gid), 10)
}

// noHome is the home of accounts that have none.
const noHome = "/nonexistent"

// homeIn reports whether the home of an account is where it may come to write.
func (a *accounts) homeIn(it Item) bool {
	home := path.Clean(a.byName[it.Name].home)
	return it.State != "" && (home == it.State || strings.HasPrefix(home, it.State+"/"))
}

// runningAs gives a process that runs as an account of this machine; 0: there is none, or they are not
// this tree's. By the real, effective, saved uid, or that for files (proc(5)).
func (h *host) runningAs(uid uint32) int {
	if !h.tree.machine() {
		return 0
	}
	all, _ := os.ReadDir("/proc") // without it userdel and usermod cannot tell either
	for _, e := range all {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		status, _ := os.ReadFile("/proc/" + e.Name() + "/status") // it may have ended
		_, rest, _ := strings.Cut(string(status), "\nUid:")
		line, _, _ := strings.Cut(rest, "\n")
		if slices.Contains(strings.Fields(line), strconv.FormatUint(uint64(uid), 10)) {
			return pid
		}
	}
	return 0
}

// cannotMove says why an account cannot be given another home now; usermod(8) does it only while
// nothing runs as it.
func (h *host) cannotMove(f fact) string {
	if _, err := h.program("usermod"); err != nil {
		return err.Error() + ": give it the home " + noHome + " by hand"
	}
	if pid := h.runningAs(f.UID); pid != 0 {
		return fmt.Sprintf("its home is where it writes, and process %d runs as it: stop muxward, do this again, and start it", pid)
	}
	return ""
}

// lastSystem is the last uid of system accounts where login.defs says no other (SYS_UID_MAX;
// login.defs(5)).
const lastSystem = 999

// fact of an account or group. An account of somebody is none of ours.
func (a *accounts) fact(it Item) fact {
	if it.Kind == Group {
		gid, ok := a.groups[it.Name]
		if !ok {
			return fact{}
		}
		return fact{Kind: Group, GID: gid}
	}
	x, ok := a.byName[it.Name]
	if !ok {
		if _, taken := a.groups[it.Name]; taken {
			return fact{odd: "there is a group " + it.Name + ", and no account: groupdel it, or give another account"}
		}
		return fact{}
	}
	f := fact{Kind: Account, UID: x.uid, GID: x.gid}
	switch shell := path.Base(x.shell); {
	case x.uid == 0:
		f.odd = "the account " + it.Name + " is root's: give another one"
	case x.uid > lastSystem && shell != "nologin" && shell != "false":
		f.odd = fmt.Sprintf("there is an account %s already, of somebody who logs in (uid %d, shell %s): give another one", it.Name, x.uid, x.shell)
	case shell != "nologin" && shell != "false":
		f.odd = fmt.Sprintf("one can log in to the account %s (shell %s): usermod -s /usr/sbin/nologin %s, or give another one", it.Name, x.shell, it.Name)
	}
	return f
}

// makeAccount adds an account or a group. It is given the lock, so that nobody else begins
// while it is at work, also if we are killed.
//
// One that there has been before has the numbers again that it had.
func (h *host) makeAccount(ctx context.Context, it Item, again fact) error {
	if !validName(it.Name) {
		return fmt.Errorf("%q is no name for an account: a to z, digits, _ and -, with a letter first", it.Name)
	}
	if it.Kind == Group {
		return h.makeGroup(ctx, it.Name, again.GID)
	}
	home := cmp.Or(it.Home, noHome)
	if _, err := h.program("useradd"); err != nil {
		return h.sysusers(ctx, fmt.Sprintf("u %s %s %q %s", it.Name, numberOr(again.UID), it.Comment, home))
	}
	args := append(h.prefix(), "--system", "--no-create-home", "--home-dir", home,
		"--shell", h.nologin(), "--comment", it.Comment)
	if again.UID == 0 {
		return h.run(ctx, "useradd", append(args, "--user-group", it.Name)...)
	}
	if _, ok := h.names.groups[it.Name]; !ok {
		if err := h.makeGroup(ctx, it.Name, again.GID); err != nil {
			return err
		}
	}
	return h.run(ctx, "useradd", append(args, "--uid", numberOr(again.UID), "--gid", numberOr(again.GID), it.Name)...)
}

func (h *host) makeGroup(ctx context.Context, name string, gid uint32) error {
	if _, err := h.program("groupadd"); err != nil {
		return h.sysusers(ctx, "g "+name+" "+numberOr(gid))
	}
	args := append(h.prefix(), "--system")
	if gid != 0 {
		args = append(args, "--gid", numberOr(gid))
	}
	return h.run(ctx, "groupadd", append(args, name)...)
}

// numberOr is a number for sysusers.d(5): - is any that is free.
func numberOr(id uint32) string {
	if id == 0 {
		return "-"
	}
	return strconv.FormatUint(uint64(id), 10)
}

// cannotRemove says why an account or group cannot be removed: systemd can make one, and not
// take it away.
func (h *host) cannotRemove(it Item) string {
	name := "userdel"
	if it.Kind == Group {
		name = "groupdel"
	}
	if _, err := h.program(name); err != nil {
		return err.Error() + ": remove it by hand"
	}
	return ""
}

// removeAccount takes away what makeAccount added.
func (h *host) removeAccount(ctx context.Context, it Item) error {
	if it.Kind == Group {
		return h.run(ctx, "groupdel", append(h.prefix(), it.Name)...)
	}
	if err := h.run(ctx, "userdel", append(h.prefix(), it.Name)...); err != nil {
		return err
	}
	a, err := h.tree.readAccounts() // whether userdel took the group along is for login.defs to say
	if err != nil {
		return err
	}
	h.step("groupdel " + it.Name)
	if _, left := a.groups[it.Name]; left {
		return h.run(ctx, "groupdel", append(h.prefix(), it.Name)...)
	}
	return nil
}

// prefix has shadow's programs work in a tree: its files, and none of its programs.
func (h *host) prefix() []string {
	if h.tree.machine() {
		return nil
	}
	return []string{"--prefix", h.tree.path}
}

// nologin is where Debian, Fedora and others have it.
func (h *host) nologin() string {
	for _, p := range []string{"/usr/sbin/nologin", "/sbin/nologin"} {
		if f, err := h.tree.look(p); err == nil && f.Kind == File {
			return p
		}
	}
	return "/usr/sbin/nologin"
}

// sysusers has systemd make an account where there is no useradd (sysusers.d(5)).
func (h *host) sysusers(ctx context.Context, line string) error {
	args := []string{"--inline", line}
	if !h.tree.machine() {
		args = append([]string{"--root=" + h.tree.path}, args...)
	}
	if err := h.run(ctx, "systemd-sysusers", args...); err != nil {
		return fmt.Errorf("there is no useradd, and %w; make it by hand (sysusers.d line: %s)", err, line)
	}
	return nil
}

func validName(name string) bool {
	if name == "" || len(name) > 32 || name[0] < 'a' || name[0] > 'z' {
		return false
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
