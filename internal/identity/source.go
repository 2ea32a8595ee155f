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
	return (&lines{of: f, list: f.UIDs, fresh: f.Stamp, now: time.Now}).byUID
}

// lines are the uids that the account file has, as it was read last. Whoever comes by ever more uids that
// nobody has, as one account may whom many are lent (subuid(5)), has the file read once, and not each
// time: a large one takes milliseconds, for which others would wait. A stamp may be the same for two
// changes of a moment, so what was read counts no longer than any answer.
type lines struct {
	of    accounts.Files
	list  func() (map[uint32]bool, error) // reads them
	fresh func() string
	now   func() time.Time

	mu    sync.Mutex
	stamp string
	at    time.Time       // when it was read
	uids  map[uint32]bool // nil until then
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
	stamp, now := l.fresh(), l.now() // before it is read: it may change meanwhile
	if ago := now.Sub(l.at); l.uids == nil || stamp != l.stamp || ago < 0 || ago > accountAge {
		uids, err := l.list()
		if err != nil {
			l.uids = nil
			return false, err
		}
		l.uids, l.stamp, l.at = uids, stamp, now
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
