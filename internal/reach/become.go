package reach

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// become gives up root for an account, for good: "uid:gid:group,group"; "" stays who we are.
// Nobody of the account can look into a process that has done that (PR_SET_DUMPABLE in
// prctl(2)), so there is no moment in which they could.
func become(account string) error {
	if account == "" {
		return nil
	}
	uid, gid, groups, err := identity(account)
	if err != nil {
		return err
	}
	if err := errors.Join(syscall.Setgroups(groups), syscall.Setgid(gid), syscall.Setuid(uid)); err != nil {
		return fmt.Errorf("become the account %s: %w", account, err)
	}
	r, e, s := unix.Getresuid()
	rg, eg, sg := unix.Getresgid()
	if r != uid || e != uid || s != uid || rg != gid || eg != gid || sg != gid || os.Geteuid() == 0 {
		return fmt.Errorf("we are not the account %s", account)
	}
	return nil
}

// identity reads an account. Root is none.
func identity(account string) (uid, gid int, groups []int, err error) {
	parts := strings.Split(account, ":")
	if len(parts) != 3 {
		return 0, 0, nil, fmt.Errorf("%.80q is no account: uid:gid:group,group", account)
	}
	number := func(text string) (n int) {
		v, e := strconv.ParseUint(text, 10, 32)
		if e != nil {
			err = fmt.Errorf("%.80q is no account: %w", account, e)
		}
		return int(v)
	}
	uid, gid = number(parts[0]), number(parts[1])
	if parts[2] != "" {
		for text := range strings.SplitSeq(parts[2], ",") {
			groups = append(groups, number(text))
		}
	}
	if err == nil && (uid == 0 || uint32(uid) == 1<<32-1 || uint32(gid) == 1<<32-1) {
		err = errors.New("nothing is reached as root, or nobody at all")
	}
	return uid, gid, groups, err
}
