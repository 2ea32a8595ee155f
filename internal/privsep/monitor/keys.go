package monitor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/privsep"
	"github.com/muxward/muxward/internal/privsep/holder"
	"github.com/muxward/muxward/internal/teeth"
)

// HoldKeys is the argument with which muxward-helper is the holder of the keys.
const HoldKeys = "hold-keys"

// holderTime is how long the holder may take to begin.
const holderTime = 20 * time.Second

// startHolder starts the process that holds the keys, and has it say that it has them.
func startHolder(s *setting) (*privsep.Client, *child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, fmt.Errorf("find our own program: %w", err)
	}
	dir, err := openBelow(unix.AT_FDCWD, s.keyDir(), unix.O_DIRECTORY)
	if err != nil {
		return nil, nil, err
	}
	defer dir.Close()
	line, theirs, err := privsep.NewPair()
	if err != nil {
		return nil, nil, err
	}
	argv := []string{self, HoldKeys}
	for file, public := range map[string]string{holder.HostFile: holder.HostFile + ".pub", holder.CheckpointFile: "audit.pub"} {
		// Where the public half is, there was a key: people trust that, and no other.
		if _, err := os.Lstat(filepath.Join(s.config.State, public)); errors.Is(err, fs.ErrNotExist) {
			argv = append(argv, file)
		}
	}
	c, err := startChild(order{argv: argv, env: append(forTests(), "GOMAXPROCS=1"), files: []*os.File{theirs, dir}, out: os.Stderr})
	_ = theirs.Close()
	if err != nil {
		return nil, nil, errors.Join(err, line.Close())
	}
	ctx, cancel := context.WithTimeout(context.Background(), holderTime)
	defer cancel()
	client, err := privsep.Connect(ctx, line, "")
	if err != nil {
		c.kill()
		return nil, nil, fmt.Errorf("the holder of the keys (in %s) does not begin: %w", s.keyDir(), err)
	}
	return client, c, nil
}

// keyDir is where the keys are: beside the state directory, which is the account's.
func (s *setting) keyDir() string { return s.config.State + "-keys" }

// prepareKeys makes their directory, and has those moved there that root's muxward
// has in its state directory, and root's journals. That has to be root's still.
func prepareKeys(s *setting, state *os.File) error {
	if err := os.Mkdir(s.keyDir(), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make the directory of the keys: %w", err)
	}
	dir, err := s.openKeys()
	if err != nil {
		return err
	}
	defer dir.Close()
	var of unix.Stat_t
	if err := unix.Fstat(int(state.Fd()), &of); err != nil {
		return err
	}
	if of.Uid != 0 {
		return nil // handed over: what is there is the account's
	}
	return s.moveRoots(state, dir)
}

// openKeys opens the directory of the keys, which has to be root's alone.
func (s *setting) openKeys() (*os.File, error) {
	path := s.keyDir()
	dir, err := openBelow(unix.AT_FDCWD, path, unix.O_DIRECTORY)
	if err != nil {
		return nil, fmt.Errorf("the directory of the keys: %w", err)
	}
	var at unix.Stat_t
	err = unix.Fstat(int(dir.Fd()), &at)
	if err == nil && (at.Uid != 0 || at.Mode&0o077 != 0) {
		err = fmt.Errorf("the directory of the keys %s has to be root's, and nobody else's to enter (it is uid %d's, mode %04o)", path, at.Uid, at.Mode&0o7777)
	}
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return dir, nil
}

func isKey(name string) bool { return name == holder.HostFile || name == holder.CheckpointFile }

// moveRoots moves what is root's for good from one directory of root's to another: the keys, and
// journals. Of two keys nobody can say which counts; of a journal there may be one in each.
func (s *setting) moveRoots(from, to *os.File) error {
	names, err := namesIn(from)
	if err != nil {
		return err
	}
	moved := false
	for _, name := range names {
		key := isKey(name)
		if !key && !isJournal(name) {
			continue
		}
		s.doing("move " + name)
		err := unix.Renameat2(int(from.Fd()), name, int(to.Fd()), name, unix.RENAME_NOREPLACE)
		if !key && errors.Is(err, unix.EEXIST) {
			continue
		}
		if err != nil {
			return fmt.Errorf("move %s from %s to %s: %w", name, from.Name(), to.Name(), err)
		}
		moved = true
	}
	if !moved {
		return nil
	}
	return errors.Join(to.Sync(), from.Sync())
}

// held are the keys of a holder.
type held struct{ c *privsep.Client }

func (h held) Public(ctx context.Context) (privsep.Keys, error) { return h.c.Keys(ctx) }

func (h held) Sign(_ context.Context, s privsep.Sign) ([]byte, error) { return h.c.Sign(s) }

func (h held) Signed(context.Context) (uint64, error) { return h.c.Signed() }

// forTests is what builds for tests go by; nothing in the helper that people run.
func forTests() (env []string) {
	for _, name := range teeth.Variables() {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}
