package monitor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/authkeys"
	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/privsep"
)

const (
	// authKeysTime is how long a home may take to answer, and maxHanging how
	// many may not answer at once: each takes a thread.
	authKeysTime = 4 * time.Second
	maxHanging   = 32
)

// authKeys reads an account's authorized_keys: the path is what the account
// files say of its home, and who could have written it is checked.
func (m *Monitor) authKeys(ctx context.Context, r privsep.AuthKeys) (answer, error) {
	if r.Account == "" || len(r.Account) > keep.MaxAccountName {
		return answer{}, refusal{errors.New("that is no name of an account")}
	}
	uid, err := accounts.System().UIDOf(r.Account)
	if err != nil {
		return answer{}, err
	}
	account, err := accounts.System().Named(r.Account, uid)
	if err != nil {
		return answer{}, err
	}
	select {
	case m.hanging <- struct{}{}:
	default:
		return answer{}, fmt.Errorf("%d homes do not answer: %w", maxHanging, unix.EAGAIN)
	}
	type read struct {
		file *os.File
		err  error
	}
	done := make(chan read, 1)
	go func() { // it ends when the file system answers
		defer func() { <-m.hanging }()
		f, err := copyOf(account)
		done <- read{f, err}
	}()
	select {
	case r := <-done:
		return withFile(privsep.Nothing{}, r.file, r.err)
	case <-time.After(authKeysTime):
	case <-ctx.Done():
	}
	go func() {
		if r := <-done; r.file != nil {
			_ = r.file.Close()
		}
	}()
	return answer{}, fmt.Errorf("the home directory of %s does not answer in time: %w", r.Account, unix.ETIMEDOUT)
}

// copyOf copies the file into memory that has no name.
func copyOf(account accounts.Account) (*os.File, error) {
	data, err := authkeys.Read(account)
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("authorized_keys", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "authorized_keys")
	_, err = f.Write(data)
	if err == nil {
		_, err = f.Seek(0, 0)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
