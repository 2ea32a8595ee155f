package monitor

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/privsep"
)

// account tells of an account that no file has, for the daemon to know who comes: it can make no
// process that asks. What is done for an account is decided here all the same, by what was told here.
func (m *Monitor) account(ctx context.Context, w privsep.Whose) (answer, error) {
	if len(w.Name) > keep.MaxAccountName || w.Name != "" && w.UID != 0 {
		return answer{}, refusal{errors.New("that is no name of an account, or both a name and a uid")}
	}
	if m.Directory == nil {
		return answer{}, errors.New("the configuration that muxward-helper was started with asks no directory (accounts_from)")
	}
	var a accounts.Account
	var err error
	if w.Name != "" {
		a, err = m.Directory.ByName(ctx, w.Name)
	} else {
		a, err = m.Directory.ByUID(ctx, w.UID)
	}
	if errors.Is(err, accounts.ErrNoAccount) {
		return answer{body: privsep.Told{}}, nil
	}
	return answer{body: privsep.Told{Found: err == nil, Account: a}}, untold(err)
}

// untold has the daemon hear that a directory does not answer as it hears that of a home: nobody knows, for now.
func untold(err error) error {
	if errors.Is(err, accounts.ErrUnanswered) {
		err = fmt.Errorf("%[2]w: %[1]w", unix.ETIMEDOUT, err) // the first, whatever else is in the other
	}
	return err
}

// maxNaming is how many homes may wait at once for a directory to say whose they are: those of the accounts
// in the files have other turns left.
const maxNaming = 4

// named gives an account by its name: that of the files, or of a directory.
func (m *Monitor) named(ctx context.Context, name string) (accounts.Account, error) {
	uid, err := accounts.System().UIDOf(name)
	switch {
	case err == nil:
		return accounts.System().Named(name, uid)
	case m.Directory != nil && errors.Is(err, accounts.ErrNoAccount):
		select {
		case m.naming <- struct{}{}:
			defer func() { <-m.naming }()
			a, err := m.Directory.ByName(ctx, name)
			return a, untold(err)
		default:
			return accounts.Account{}, fmt.Errorf("the directory service has not told of %d others yet: %w", maxNaming, unix.EAGAIN)
		}
	}
	return accounts.Account{}, err
}
