package nss

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/muxward/muxward/internal/accounts"
)

// Which numbers a directory can have. Below are those of the host's own (login.defs(5)); from
// 61184 on those of services that systemd makes up as they start, those that are nobody's, and
// the numbers that 16 bits take for none.
const (
	firstUID  = 1000
	firstMade = 61184
	lastMade  = 65535

	// firstGID is the first number of a group that a directory can have: those below are of files
	// and devices of every Linux. Those of services, as above, it cannot have either. usersGID is the one
	// that everybody may have (base-passwd).
	firstGID = 100
	usersGID = 100
)

// believable says why a directory is never believed to have a uid.
func (s *Switch) believable(uid uint32) error {
	if uid < firstUID || uid >= firstMade && uid <= lastMade || uid == accounts.NoID {
		return fmt.Errorf("uid %d is none that a directory can have: %w", uid, accounts.ErrNoAccount)
	}
	subs, err := ranges(s.opt.Subuid)
	if err == nil && subs.has(uid) {
		err = fmt.Errorf("uid %d is lent to an account of this host (%s), which can be it: the directory's account is not let in: %w", uid, s.opt.Subuid, accounts.ErrNoAccount)
	}
	return err
}

// ours refuses an account whose name or number is one of the account files, or that no directory
// can have.
func (s *Switch) ours(a accounts.Account) error {
	if err := s.believable(a.UID); err != nil {
		return err
	}
	whole, err := s.opt.Files.Has("", 0)
	if err == nil && !whole { // it is being written, or cut off: whose names and numbers it had is not known
		err = errors.New("the file of accounts has no uid 0, so it is not whole, and nobody else is believed")
	}
	if err != nil {
		return err
	}
	has, err := s.opt.Files.Has(a.Name, a.UID)
	if err == nil && has {
		err = fmt.Errorf("the directory has an account %q, uid %d, of which the name or the number is one of this host's own files; those count: %w", a.Name, a.UID, accounts.ErrNoAccount)
	}
	return err
}

// validGID reports whether a directory can have a group of that number.
func validGID(gid uint32) bool { return gid >= firstGID && (gid < firstMade || gid > lastMade) }

// mayBePrimary refuses an account whose primary group is one of the host's own that does not name it.
func mayBePrimary(gid uint32, gids map[uint32]bool, of []uint32, subs lent) error {
	switch {
	case !validGID(gid), gids[gid] && gid != usersGID && !slices.Contains(of, gid):
		return fmt.Errorf("the directory gives the account the primary group %d, which is one of this host's own, and does not have it as a member: %w", gid, accounts.ErrNoAccount)
	case subs.has(gid):
		return fmt.Errorf("the directory gives the account the primary group %d, which is lent to an account of this host: %w", gid, accounts.ErrNoAccount)
	}
	return nil
}

// lent are numbers that accounts of the host may have others be (subuid(5)): whoever has the
// number has the directory's account with it.
type lent [][2]uint64

func (l lent) has(n uint32) bool {
	return slices.ContainsFunc(l, func(r [2]uint64) bool { return uint64(n) >= r[0] && uint64(n)-r[0] < r[1] })
}

// ranges reads a file in the form of subuid(5); of one that is not there, none.
func ranges(file string) (out lent, err error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read which numbers are lent: %w", err)
	}
	for line := range bytes.Lines(data) {
		f := strings.Split(strings.TrimSpace(string(line)), ":")
		if len(f) != 3 {
			continue
		}
		from, errF := strconv.ParseUint(f[1], 10, 32)
		count, errC := strconv.ParseUint(f[2], 10, 64)
		if errF == nil && errC == nil {
			out = append(out, [2]uint64{from, count})
		}
	}
	return out, nil
}
