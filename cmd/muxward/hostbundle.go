package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/hostconf"
	"github.com/muxward/muxward/internal/hostconf/bundle"
)

// bundleFlags are those of an apply of a bundle.
type bundleFlags struct {
	file, keys string
	older      string // why one that is older is used all the same
}

// bundleState is where a host keeps which bundles were used.
const bundleState = "/var/lib/muxward-bundles"

func (b *bundleFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&b.file, "bundle", "", "take the directory of hosts from this `file` (muxward policy bundle)")
	cmd.Flags().StringVar(&b.keys, "bundle-keys", "", "the `file` of keys that it may be signed by (default "+bundleKeys+")")
	cmd.Flags().StringVar(&b.older, "allow-older", "", "use a bundle that is older than the last one; the `reason` is written down")
}

// landed is a line of what was used: log.jsonl beside what was seen.
type landed struct {
	Time   time.Time `json:"time"`
	Host   string    `json:"host"`
	Name   string    `json:"name"`
	Serial uint64    `json:"serial"`
	Digest string    `json:"digest"`
	Key    string    `json:"key"`
	// Older says why it was used although it was older.
	Older string `json:"allow_older,omitempty"`
	UID   int    `json:"uid"`
	Sudo  string `json:"sudo_user,omitempty"`
}

// unpack opens a bundle, sees whether it may be used here, writes down that it is, and gives a
// directory with its files. done removes that.
func (f *hostFlags) unpack(b bundleFlags) (dir string, done func(), err error) {
	root, err := f.rootDir()
	if err != nil {
		return "", nil, err
	}
	opened, err := b.open(root)
	if err != nil {
		return "", nil, err
	}
	host := f.name
	if host == "" {
		if host, err = os.Hostname(); err != nil {
			return "", nil, fmt.Errorf("cannot tell what this host is called: %w; give --host", err)
		}
	}
	s, err := openUsed(root)
	if err != nil {
		return "", nil, fmt.Errorf("nothing has changed, as it cannot be told which bundles were used: %w", err)
	}
	defer s.close()
	seen, err := s.seen(opened.Name)
	if err != nil {
		return "", nil, fmt.Errorf("nothing has changed, as it cannot be told which bundles were used: %w", err)
	}
	line := landed{Time: time.Now().UTC(), Host: host, Name: opened.Name, Serial: opened.Serial, Digest: opened.Digest, Key: opened.Key, UID: os.Getuid(), Sudo: os.Getenv("SUDO_USER")}
	err = opened.Admit(host, time.Now(), seen)
	if errors.Is(err, bundle.ErrOlder) && b.older != "" {
		err, line.Older = nil, b.older
	}
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w; nothing has changed", b.file, err)
	}
	if err := s.use(opened, seen, line); err != nil {
		return "", nil, fmt.Errorf("nothing has changed, as it could not be written down: %w", err)
	}
	if dir, err = os.MkdirTemp("", "muxward-bundle-"); err != nil {
		return "", nil, err
	}
	done = func() { _ = os.RemoveAll(dir) }
	if err := opened.Extract(dir); err != nil {
		done()
		return "", nil, err
	}
	return dir, done, nil
}

// open opens the bundle. All of it hangs on the keys, so nobody else may have written those.
func (b bundleFlags) open(root string) (*bundle.Bundle, error) {
	name, in, path := filepath.Join("/", root, bundleKeys), root, bundleKeys
	if b.keys != "" {
		at, err := filepath.Abs(b.keys)
		if err != nil {
			return nil, keysError(err)
		}
		name, in, path = b.keys, filepath.Dir(at), "/"+filepath.Base(at)
	}
	text, err := hostconf.ReadTrusted(in, path, maxKeys)
	if err != nil {
		return nil, keysError(err)
	}
	return openBundle(b.file, name, text)
}

// used is what was used on a host: a file for each name of bundles, and a log.
type used struct {
	dir *os.Root
	log *os.File
}

// openUsed opens it, and holds it: one apply of a bundle at a time.
func openUsed(root string) (*used, error) {
	dir, err := hostconf.OpenOwn(root, bundleState)
	if err != nil {
		return nil, err
	}
	u := &used{dir: dir}
	if u.log, err = dir.OpenFile("log.jsonl", os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
		dir.Close()
		return nil, err
	}
	if err := unix.Flock(int(u.log.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		u.close()
		return nil, fmt.Errorf("another apply of a bundle is going on: %w", err)
	}
	return u, nil
}

func (u *used) close() {
	if u.log != nil {
		_ = u.log.Close()
	}
	_ = u.dir.Close()
}

// seen is what was used of a name.
func (u *used) seen(name string) (bundle.Seen, error) {
	var s bundle.Seen
	f, err := u.dir.Open(name + ".json")
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 1<<16))
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err == nil && s.Serial == 0 {
		err = errors.New("it has no serial")
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", filepath.Join(bundleState, name+".json"), err)
	}
	return s, err
}

// use writes down that a bundle is used, before it is: who is killed after that can use the
// same one again, and none that is older.
func (u *used) use(b *bundle.Bundle, seen bundle.Seen, line landed) error {
	entry, err := json.Marshal(line)
	if err != nil {
		return err
	}
	if _, err := u.log.Write(append(entry, '\n')); err != nil {
		return err
	}
	if err := u.log.Sync(); err != nil {
		return err
	}
	data, err := json.Marshal(b.After(seen))
	if err != nil {
		return err
	}
	tmp := b.Name + ".json.new"
	f, err := u.dir.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = u.dir.Rename(tmp, b.Name+".json")
	}
	if err != nil {
		return err
	}
	d, err := u.dir.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
