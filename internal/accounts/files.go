package accounts

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Account is a Unix account as the account files describe it.
type Account struct {
	Name string
	UID  uint32
	GID  uint32
	// Groups are the supplementary groups, in the order of the group file.
	Groups []uint32
	Home   string
	Shell  string
	// Directory is set of an account that no file has: the name service switch has told of it, and
	// only where root's configuration says so (internal/nss). In are those groups that the
	// configuration lists, and that no file has, of which it is.
	Directory bool     `json:",omitempty"`
	In        []string `json:",omitempty"`
}

// NoID is the number that no uid and no gid is: calls that set them take it for "leave it as
// it is" (chown(2), setresuid(2)).
const NoID = ^uint32(0)

// Usable is the error of an account that has NoID among its numbers: whoever would become
// it stays, in a part, who they are.
func (a Account) Usable() error {
	if a.UID == NoID || a.GID == NoID || slices.Contains(a.Groups, NoID) {
		return fmt.Errorf("the account %q has the number %d as its uid or gid, which is nobody's", a.Name, NoID)
	}
	return nil
}

// ErrNoAccount is the error of a uid or name that has no account.
var ErrNoAccount = errors.New("no such account")

// ErrUnanswered is what errors.Is finds in the error of a question that a directory has not
// answered: nobody knows, for now.
var ErrUnanswered = errors.New("the directory service does not answer")

const maxAccountFile = 16 << 20 // bytes

// Named gives the account that has both the name and the uid in the files: nobody is
// taken for the account of a name whose uid is another's first, nor by a uid that
// has gone to another name since.
func (f Files) Named(name string, uid uint32) (Account, error) {
	acc, err := f.ByUID(uid)
	if err == nil && acc.Name != name {
		err = fmt.Errorf("the uid %d is that of the account %q, not of %q: %w", uid, acc.Name, name, ErrNoAccount)
	}
	if err != nil {
		return Account{}, err
	}
	return acc, nil
}

// Files reads accounts from files in the form of passwd(5) and group(5), and from nothing
// else: no name service switch, so accounts that live only in a directory service are not found.
type Files struct{ Passwd, Group string }

// System are the files of this host.
func System() Files { return Files{"/etc/passwd", "/etc/group"} }

// Stamp changes whenever one of the files does.
func (f Files) Stamp() string {
	var b strings.Builder
	for _, p := range []string{f.Passwd, f.Group} {
		st, err := os.Stat(p)
		if err != nil {
			fmt.Fprintf(&b, "%v;", err)
			continue
		}
		fmt.Fprintf(&b, "%d %d;", st.Size(), st.ModTime().UnixNano())
		if sys, ok := st.Sys().(*syscall.Stat_t); ok {
			fmt.Fprintf(&b, "%d %d %d;", sys.Dev, sys.Ino, sys.Ctim.Nano())
		}
	}
	return b.String()
}

// ByUID gives the first account of a uid, with its groups, or ErrNoAccount. Every other
// error means that nobody knows.
func (f Files) ByUID(uid uint32) (Account, error) {
	data, err := readLimited(f.Passwd)
	if err != nil {
		return Account{}, fmt.Errorf("read the accounts: %w", err)
	}
	acc, ok := parsePasswd(data, uid)
	if !ok {
		return Account{}, fmt.Errorf("uid %d: %w", uid, ErrNoAccount)
	}
	groups, err := readLimited(f.Group)
	if err != nil {
		return Account{}, fmt.Errorf("read the groups: %w", err)
	}
	acc.Groups = parseGroups(groups, acc.Name)
	return acc, nil
}

// UIDOf gives the uid of an account by its name.
func (f Files) UIDOf(name string) (uint32, error) {
	data, err := readLimited(f.Passwd)
	if err != nil {
		return 0, fmt.Errorf("read the accounts: %w", err)
	}
	for line := range bytes.Lines(data) {
		f := fieldsOf(line)
		if len(f) != 7 || f[0] != name || f[0] == "" {
			continue
		}
		if uid, err := strconv.ParseUint(f[2], 10, 32); err == nil && uint32(uid) != NoID {
			return uint32(uid), nil
		}
	}
	return 0, fmt.Errorf("%q: %w", name, ErrNoAccount)
}

// Table is all that the account file says at one time of who has which name and number, for whoever asks about many.
type Table struct {
	names map[uint32]string // "" of a number that is nobody's
	uids  map[string]uint32
}

// Table reads it.
func (f Files) Table() (Table, error) {
	data, err := readLimited(f.Passwd)
	if err != nil {
		return Table{}, fmt.Errorf("read the accounts: %w", err)
	}
	t := Table{map[uint32]string{}, map[string]uint32{}}
	for line := range bytes.Lines(data) {
		f := fieldsOf(line)
		if len(f) != 7 || f[0] == "" {
			continue
		}
		u, errU := strconv.ParseUint(f[2], 10, 32)
		if errU != nil {
			continue
		}
		uid := uint32(u)
		if _, known := t.uids[f[0]]; !known && uid != NoID {
			t.uids[f[0]] = uid
		}
		g, errG := strconv.ParseUint(f[3], 10, 32)
		if _, known := t.names[uid]; known || errG != nil || strings.ContainsAny(f[0][:1], "+-#") {
			continue
		}
		t.names[uid] = ""
		if (Account{UID: uid, GID: uint32(g)}).Usable() == nil {
			t.names[uid] = f[0]
		}
	}
	return t, nil
}

// Name gives the name of the account that [Files.ByUID] gives, "" where there is none.
func (t Table) Name(uid uint32) string { return t.names[uid] }

// UID is [Files.UIDOf].
func (t Table) UID(name string) (uid uint32, ok bool) {
	uid, ok = t.uids[name]
	return uid, ok
}

// GroupOf gives the name of a group, and the accounts that it names as its members; of one that is
// in no file, no name.
func (f Files) GroupOf(gid uint32) (name string, members []string, err error) {
	data, err := readLimited(f.Group)
	if err != nil {
		return "", nil, fmt.Errorf("read the groups: %w", err)
	}
	for line := range bytes.Lines(data) {
		f := fieldsOf(line)
		if len(f) != 4 {
			continue
		}
		if g, err := strconv.ParseUint(f[2], 10, 32); err != nil || uint32(g) != gid {
			continue
		}
		if name == "" {
			name = f[0]
		}
		for m := range strings.SplitSeq(f[3], ",") {
			if m != "" {
				members = append(members, m)
			}
		}
	}
	return name, members, nil
}

// Members reports whether an account is in a group by these files: it is its own, or names it as
// a member. They are read when that is asked first, and once, for however many are asked about. By
// files that cannot be read nobody is in any.
func (f Files) Members() func(group, account string, gid uint32) bool {
	read := sync.OnceValue(func() map[string]group {
		data, err := readLimited(f.Group)
		if err != nil {
			return nil
		}
		return parseMembers(data)
	})
	return func(name, account string, gid uint32) bool {
		g := read()[name]
		return slices.Contains(g.gids, gid) || g.members[account]
	}
}

// group is all that a file says of one name: its numbers, and whom it names as members.
type group struct {
	gids    []uint32
	members map[string]bool
}

func parseMembers(data []byte) map[string]group {
	named := map[string]group{}
	for line := range bytes.Lines(data) {
		f := fieldsOf(line)
		if len(f) != 4 || f[0] == "" {
			continue
		}
		g, ok := named[f[0]]
		if !ok {
			g.members = map[string]bool{}
		}
		if gid, err := strconv.ParseUint(f[2], 10, 32); err == nil {
			g.gids = append(g.gids, uint32(gid))
		}
		for m := range strings.SplitSeq(f[3], ",") {
			g.members[m] = true
		}
		named[f[0]] = g
	}
	return named
}

// Member reports whether an account is in a group of the host: by these files, as Members has it, or
// by what a directory has told of an account of its own.
func (f Files) Member(a Account) func(group string) bool {
	in := f.Members()
	return func(group string) bool {
		return in(group, a.Name, a.GID) || a.Directory && slices.Contains(a.In, group)
	}
}

// Has reports whether a line of the account file has this name, or this uid: whatever else
// stands there, and whether or not it is an account, nobody else has them.
func (f Files) Has(name string, uid uint32) (bool, error) {
	data, err := readLimited(f.Passwd)
	if err != nil {
		return false, fmt.Errorf("read the accounts: %w", err)
	}
	for line := range bytes.Lines(data) {
		f := fieldsOf(line)
		if f[0] == name && name != "" {
			return true, nil
		}
		if len(f) < 3 || strings.HasPrefix(f[0], "#") {
			continue
		}
		if u, err := strconv.ParseUint(f[2], 10, 32); err == nil && uint32(u) == uid {
			return true, nil
		}
	}
	return false, nil
}

// UIDs gives the numbers that lines of the account file have, whatever else stands there.
func (f Files) UIDs() (map[uint32]bool, error) {
	data, err := readLimited(f.Passwd)
	if err != nil {
		return nil, fmt.Errorf("read the accounts: %w", err)
	}
	uids := map[uint32]bool{}
	for line := range bytes.Lines(data) {
		f := fieldsOf(line)
		if len(f) < 3 {
			continue
		}
		if u, err := strconv.ParseUint(f[2], 10, 32); err == nil {
			uids[uint32(u)] = true
		}
	}
	return uids, nil
}

// Groups gives the numbers and names of all groups of the file, and the numbers of those that name an
// account as a member.
func (f Files) Groups(account string) (gids map[uint32]bool, names map[string]bool, of []uint32, err error) {
	data, err := readLimited(f.Group)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("read the groups: %w", err)
	}
	gids, names = map[uint32]bool{}, map[string]bool{}
	for line := range bytes.Lines(data) {
		f := fieldsOf(line)
		if f[0] != "" {
			names[f[0]] = true
		}
		if len(f) < 3 {
			continue
		}
		if g, err := strconv.ParseUint(f[2], 10, 32); err == nil {
			gids[uint32(g)] = true
		}
	}
	return gids, names, parseGroups(data, account), nil
}

func readLimited(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxAccountFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxAccountFile {
		return nil, fmt.Errorf("%s is longer than %d bytes", path, maxAccountFile)
	}
	return data, nil
}

// parsePasswd finds the first entry of uid, as getpwuid(3) does. Lines that
// are not whole are passed over.
func parsePasswd(data []byte, uid uint32) (Account, bool) {
	for line := range bytes.Lines(data) {
		f := fieldsOf(line)
		if len(f) != 7 || f[0] == "" || strings.ContainsAny(f[0][:1], "+-#") {
			continue
		}
		u, errU := strconv.ParseUint(f[2], 10, 32)
		g, errG := strconv.ParseUint(f[3], 10, 32)
		if errU != nil || errG != nil || uint32(u) != uid {
			continue
		}
		a := Account{Name: f[0], UID: uid, GID: uint32(g), Home: f[5], Shell: f[6]}
		return a, a.Usable() == nil // or it is nobody, and not whoever has the same uid below
	}
	return Account{}, false
}

// fieldsOf gives the fields of a line of passwd(5) or group(5).
func fieldsOf(line []byte) []string {
	return strings.Split(strings.TrimRight(string(line), "\r\n"), ":")
}

// parseGroups lists the groups that name the account as a member.
func parseGroups(data []byte, name string) []uint32 {
	var out []uint32
	for line := range bytes.Lines(data) {
		f := fieldsOf(line)
		if len(f) != 4 {
			continue
		}
		g, err := strconv.ParseUint(f[2], 10, 32)
		if err != nil || uint32(g) == NoID {
			continue
		}
		for m := range strings.SplitSeq(f[3], ",") {
			if m == name {
				out = append(out, uint32(g))
				break
			}
		}
	}
	return out
}
