package monitor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/config"
)

// LookArg is the argument with which muxward-helper looks whether it could hand the state over.
const LookArg = "look"

// Look says what would keep the state directory of a muxward that runs as root from being handed
// over to the account that is given, and changes nothing. The account need not be there yet.
func Look(given config.Config, file string) error {
	if _, _, err := begin(); err != nil {
		return err
	}
	c, err := config.Load(file)
	if err != nil {
		return err
	}
	c.Override(given)
	if err := c.Fill(); err != nil {
		return err
	}
	a := accounts.Account{Name: given.Account, UID: accounts.NoID}
	if uid, err := accounts.System().UIDOf(given.Account); err == nil {
		a.UID = uid
	}
	return look(&setting{config: c, account: a})
}

func look(s *setting) error {
	if err := s.realState(); err != nil {
		return err
	}
	dir, err := s.openState()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := s.movable(dir); err != nil {
		return err
	}
	// The keys and journals are moved before it is looked over.
	names, err := namesIn(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !isKey(name) {
			continue
		}
		if _, err := os.Lstat(filepath.Join(s.keyDir(), name)); err == nil {
			return fmt.Errorf("there is a %s in %s and in %s, and nobody can say which counts: move one away", name, s.config.State, s.keyDir())
		}
	}
	_, err = lookOver(dir, s.account, 0)
	return err
}

// movable refuses a state directory that is a file system of its own: the keys are moved beside it.
func (s *setting) movable(dir *os.File) error {
	var of, up unix.Stat_t
	if err := errors.Join(unix.Fstat(int(dir.Fd()), &of), unix.Stat(filepath.Dir(s.config.State), &up)); err != nil {
		return fmt.Errorf("the state directory: %w", err)
	}
	if of.Uid == 0 && of.Dev != up.Dev {
		return fmt.Errorf("%s is a file system of its own, and the keys are moved to %s, beside it: name a directory in it with state:, and move what is there", s.config.State, s.keyDir())
	}
	return nil
}
