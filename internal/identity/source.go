package identity

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/teeth"
)

// source is what is asked which account a uid is: files, and nobody who could keep us waiting or
// say something else.
func source(f accounts.Files) func(uint32) (Account, error) {
	if teeth.Out(teeth.Files) {
		return switched
	}
	return (&lines{of: f, list: f.UIDs}).byUID
}

// lines are the uids that the account file has, as it was read last. Whoever comes by ever more uids that
// nobody has, as one account may whom many are lent (subuid(5)), has the file read once, and not each
// time: a large one takes milliseconds, for which others would wait.
type lines struct {
	of   accounts.Files
	list func() (map[uint32]bool, error) // reads them

	mu    sync.Mutex
	stamp string
	uids  map[uint32]bool // nil until it was read
}

func (l *lines) byUID(uid uint32) (Account, error) {
	has, err := l.have(uid)
	switch {
	case err != nil:
		return Account{}, err
	case !has:
		return Account{}, fmt.Errorf("uid %d: %w", uid, ErrNoAccount)
	}
	return l.of.ByUID(uid)
}

// have reports whether a line has a uid: of which account it is, and whether it is one, others say.
func (l *lines) have(uid uint32) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if stamp := l.of.Stamp(); l.uids == nil || stamp != l.stamp { // asked before: it may change meanwhile
		uids, err := l.list()
		if err != nil {
			l.uids = nil
			return false, err
		}
		l.uids, l.stamp = uids, stamp
	}
	return l.uids[uid], nil
}

// switched asks the name service switch, which is what the control run of a hanging module needs.
func switched(uid uint32) (Account, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "getent", "passwd", strconv.FormatUint(uint64(uid), 10)).Output()
	if err != nil {
		return Account{}, fmt.Errorf("uid %d: %w", uid, ErrNoAccount)
	}
	f := strings.Split(strings.TrimSpace(string(out)), ":")
	if len(f) != 7 {
		return Account{}, ErrNoAccount
	}
	gid, err := strconv.ParseUint(f[3], 10, 32)
	return Account{Name: f[0], UID: uid, GID: uint32(gid), Home: f[5], Shell: f[6]}, err
}
