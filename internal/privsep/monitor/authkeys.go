package monitor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/authkeys"
	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/privsep"
)

const (
	// authKeysTime is how long a home may take to answer, and maxHanging how many
	// accounts' may not answer at once: each takes a thread.
	authKeysTime = 4 * time.Second
	maxHanging   = 512
)

// authKeys reads an account's authorized_keys: the path is what the account
// files, or the directory, say of its home, and who could have written it is checked.
func (m *Monitor) authKeys(ctx context.Context, r privsep.AuthKeys) (answer, error) {
	if r.Account == "" || len(r.Account) > keep.MaxAccountName {
		return answer{}, refusal{errors.New("that is no name of an account")}
	}
	account, err := m.named(ctx, r.Account)
	if err != nil {
		return answer{}, err
	}
	uid := account.UID
	if err := m.homes.begin(uid); err != nil {
		return answer{}, fmt.Errorf("the home directory of %s: %w", r.Account, err)
	}
	type read struct {
		file *os.File
		err  error
	}
	done := make(chan read, 1)
	go func() { // it ends when the file system answers
		defer m.homes.end(uid)
		f, err := m.Copy(account)
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

// homes are those that are being read. One that does not answer costs its one thread, and
// nobody but its account, until there are very many: those of a whole file server that is away,
// which whoever comes to the door can have be read by naming them.
type homes struct {
	mu   sync.Mutex
	busy map[uint32]time.Time // since when, by uid
}

// begin has an account's home be read, if it is not already, and not too many are.
func (h *homes) begin(uid uint32) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if since, busy := h.busy[uid]; busy {
		return fmt.Errorf("it has not answered for %s: %w", time.Since(since).Round(time.Second), unix.ETIMEDOUT)
	}
	if len(h.busy) >= maxHanging {
		return fmt.Errorf("%d others do not answer: %w", maxHanging, unix.EAGAIN)
	}
	if h.busy == nil {
		h.busy = map[uint32]time.Time{}
	}
	h.busy[uid] = time.Now()
	return nil
}

func (h *homes) end(uid uint32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.busy, uid)
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
	if err == nil { // who is given it cannot have it change
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_WRITE|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
