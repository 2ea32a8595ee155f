package identity

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
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
	return f.ByUID
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
