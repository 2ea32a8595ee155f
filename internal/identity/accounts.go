package identity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
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
}

// ErrNoAccount is the error of a uid or name that has no account.
var ErrNoAccount = errors.New("no such account")

const (
	accountAge     = 30 * time.Second // how long an answer may be used again
	accountTime    = 5 * time.Second  // how long one question may take
	accountWorkers = 8                // questions under way at most
	accountCache   = 4096             // answers kept at most
	maxAccountFile = 16 << 20         // bytes
)

// Accounts answers which account a uid is. A question that hangs (a directory
// service that does not answer) takes one of a few workers and nothing else:
// the asker gives up at its deadline, and when all workers hang, later
// questions are refused at once. No answer is used for longer than 30 s.
//
// The default source reads /etc/passwd and /etc/group, and nothing else: no
// name service switch, so accounts that live only in a directory service are
// not found.
type Accounts struct {
	lookup  func(uid uint32) (Account, error)
	uidOf   func(name string) (uint32, error)
	fresh   func() string
	now     func() time.Time
	workers chan struct{}

	mu    sync.Mutex
	stamp string
	known map[uint32]accountAnswer
}

type accountAnswer struct {
	account Account
	err     error
	at      time.Time
}

// NewAccounts answers from /etc/passwd and /etc/group.
func NewAccounts() *Accounts {
	f := accountFiles{"/etc/passwd", "/etc/group"}
	a := newAccounts(f.byUID, f.stamp)
	a.uidOf = f.uidOf
	return a
}

func newAccounts(lookup func(uint32) (Account, error), fresh func() string) *Accounts {
	return &Accounts{lookup: lookup, fresh: fresh, now: time.Now,
		workers: make(chan struct{}, accountWorkers), known: map[uint32]accountAnswer{}}
}

// ByUID gives the account of a uid, or ErrNoAccount. It takes no longer than
// ctx and 5 s. Every other error means that nobody knows, and so: refuse.
func (a *Accounts) ByUID(ctx context.Context, uid uint32) (Account, error) {
	ctx, cancel := context.WithTimeout(ctx, accountTime)
	defer cancel()
	if ans, ok := a.cached(uid); ok {
		return ans.account, ans.err
	}
	select {
	case a.workers <- struct{}{}:
	default:
		return Account{}, fmt.Errorf("look up uid %d: %d earlier look-ups do not return; is the account database reachable?", uid, accountWorkers)
	}
	got := make(chan accountAnswer, 1)
	go func() {
		defer func() { <-a.workers }()
		acc, err := a.lookup(uid)
		got <- accountAnswer{account: acc, err: err, at: a.now()}
	}()
	select {
	case ans := <-got:
		a.keep(uid, ans)
		return ans.account, ans.err
	case <-ctx.Done():
		return Account{}, fmt.Errorf("look up uid %d: no answer from the account database: %w", uid, ctx.Err())
	}
}

// ByName gives the account of a name, or ErrNoAccount: as [Accounts.ByUID], which
// has the last word about the uid.
func (a *Accounts) ByName(ctx context.Context, name string) (Account, error) {
	uid, err := a.uidOf(name)
	if err != nil {
		return Account{}, err
	}
	acc, err := a.ByUID(ctx, uid)
	if err == nil && acc.Name != name {
		err = fmt.Errorf("the account %q has the uid %d, which is that of %q first", name, uid, acc.Name)
	}
	return acc, err
}

// cached gives an answer that may still be used. When the source says that it
// has changed, nothing may: an account that was deleted and its uid given to
// another must not live on in here.
func (a *Accounts) cached(uid uint32) (accountAnswer, bool) {
	stamp := a.fresh()
	a.mu.Lock()
	defer a.mu.Unlock()
	if stamp != a.stamp {
		a.stamp = stamp
		clear(a.known)
		return accountAnswer{}, false
	}
	ans, ok := a.known[uid]
	if !ok || a.now().Sub(ans.at) > accountAge {
		return accountAnswer{}, false
	}
	return ans, true
}

func (a *Accounts) keep(uid uint32, ans accountAnswer) {
	if ans.err != nil && !errors.Is(ans.err, ErrNoAccount) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.known) >= accountCache {
		clear(a.known)
	}
	a.known[uid] = ans
}

// accountFiles reads accounts from files in the form of passwd(5) and group(5).
type accountFiles struct{ passwd, group string }

// stamp changes whenever one of the files does.
func (f accountFiles) stamp() string {
	var b strings.Builder
	for _, p := range []string{f.passwd, f.group} {
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

func (f accountFiles) byUID(uid uint32) (Account, error) {
	data, err := readLimited(f.passwd)
	if err != nil {
		return Account{}, fmt.Errorf("read the accounts: %w", err)
	}
	acc, ok := parsePasswd(data, uid)
	if !ok {
		return Account{}, fmt.Errorf("uid %d: %w", uid, ErrNoAccount)
	}
	groups, err := readLimited(f.group)
	if err != nil {
		return Account{}, fmt.Errorf("read the groups: %w", err)
	}
	acc.Groups = parseGroups(groups, acc.Name)
	return acc, nil
}

// uidOf gives the uid of an account by its name.
func (f accountFiles) uidOf(name string) (uint32, error) {
	data, err := readLimited(f.passwd)
	if err != nil {
		return 0, fmt.Errorf("read the accounts: %w", err)
	}
	for line := range bytes.Lines(data) {
		f := strings.Split(strings.TrimRight(string(line), "\r\n"), ":")
		if len(f) != 7 || f[0] != name || f[0] == "" {
			continue
		}
		if uid, err := strconv.ParseUint(f[2], 10, 32); err == nil {
			return uint32(uid), nil
		}
	}
	return 0, fmt.Errorf("%q: %w", name, ErrNoAccount)
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
		f := strings.Split(strings.TrimRight(string(line), "\r\n"), ":")
		if len(f) != 7 || f[0] == "" || strings.ContainsAny(f[0][:1], "+-#") {
			continue
		}
		u, errU := strconv.ParseUint(f[2], 10, 32)
		g, errG := strconv.ParseUint(f[3], 10, 32)
		if errU != nil || errG != nil || uint32(u) != uid {
			continue
		}
		return Account{Name: f[0], UID: uid, GID: uint32(g), Home: f[5], Shell: f[6]}, true
	}
	return Account{}, false
}

// parseGroups lists the groups that name the account as a member.
func parseGroups(data []byte, name string) []uint32 {
	var out []uint32
	for line := range bytes.Lines(data) {
		f := strings.Split(strings.TrimRight(string(line), "\r\n"), ":")
		if len(f) != 4 {
			continue
		}
		g, err := strconv.ParseUint(f[2], 10, 32)
		if err != nil {
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
