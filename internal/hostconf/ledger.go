package hostconf

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ledger is what was applied, and what is being applied: one file, which is put in the
// place of the last one at once. What it says is what is so, whenever we are killed.
type ledger struct {
	Schema int `json:"schema"`
	// Last is the number of the last apply.
	Last int `json:"last"`
	// Open is the apply, or the undo, that is going on.
	Open *record `json:"open,omitempty"`
	// Applies are those that can be undone, oldest first.
	Applies []record `json:"applies,omitempty"`
	// Made is what is on the host by us.
	Made []made `json:"made,omitempty"`
	// Ways are directories that were made on the way to the records.
	Ways []string `json:"ways,omitempty"`
}

const (
	ledgerSchema = 1
	maxApplies   = 20       // that can be undone
	maxLedger    = 64 << 20 // bytes: twenty applies of a few hundred steps are far less
	ledgerFile   = "ledger.json"
	lockFile     = "lock"
)

// record is one apply.
type record struct {
	Number  int       `json:"number"`
	Set     string    `json:"set"`
	Began   time.Time `json:"began"`
	Undoing bool      `json:"undoing,omitempty"`
	Steps   []step    `json:"steps"`
	// Was is what Made said before of each thing that the apply has to do with.
	Was []was `json:"was,omitempty"`
}

// step is one change of an apply.
type step struct {
	Do      Doing        `json:"do"`
	Item    Item         `json:"item"`
	Differs []Difference `json:"differs,omitempty"`
	Before  fact         `json:"before"`
	After   fact         `json:"after"`
	// Temp is the name beside Path that the new one has until it is moved.
	Temp string `json:"temp,omitempty"`
	// Way says that it is a directory only for what is in it.
	Way bool `json:"way,omitempty"`

	content []byte // of After, if it is a file
}

// made is one thing that is on the host by us.
type made struct {
	Set  string `json:"set"`
	Item Item   `json:"item"`
	// After is as we made it, and Original what was there before we first did.
	After    fact `json:"after"`
	Original fact `json:"original"`
	// Way says that it is a directory only for what is in it.
	Way bool `json:"way,omitempty"`
}

// was is what Made said of a thing; nothing if it had not been ours.
type was struct {
	Key  string `json:"key"`
	Made *made  `json:"made,omitempty"`
}

// key tells things of a host apart.
func (it Item) key() string {
	if it.Path != "" {
		return it.Path
	}
	if it.Kind == Service {
		return "service " + it.Name
	}
	return string(it.Kind) + " " + it.Name
}

func (l *ledger) find(key string) *made {
	for i := range l.Made {
		if l.Made[i].Item.key() == key {
			return &l.Made[i]
		}
	}
	return nil
}

// put says what is so of a thing from now on; nil: it is not ours.
func (l *ledger) put(key string, m *made) {
	for i := range l.Made {
		if l.Made[i].Item.key() == key {
			l.Made = append(l.Made[:i:i], l.Made[i+1:]...)
			break
		}
	}
	if m != nil {
		l.Made = append(l.Made, *m)
	}
}

// readLedger reads it; without records it is empty.
func (h *host) readLedger() (*ledger, error) {
	l := &ledger{Schema: ledgerSchema, Ways: h.ways}
	path := filepath.Join(h.opt.Records, ledgerFile)
	dir, name, err := h.tree.parent(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	data, err := h.readRecord(dir, name, maxLedger)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, l); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w; what is on the host is not known: move it away, and look at what plan says", h.tree.full(path), err)
	}
	if l.Schema != ledgerSchema {
		return nil, fmt.Errorf("%s is of schema %d, and this muxward knows %d: use the newer muxward", h.tree.full(path), l.Schema, ledgerSchema)
	}
	return l, nil
}

func (h *host) readRecord(dir *os.File, name string, most int64) ([]byte, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: filepath.Join(dir.Name(), name), Err: err}
	}
	f := os.NewFile(uintptr(fd), filepath.Join(dir.Name(), name))
	defer f.Close()
	st, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular() || st.Size() > most:
		return nil, fmt.Errorf("%s is no record of ours: it is no file, or too large", f.Name())
	}
	data := make([]byte, st.Size())
	_, err = f.ReadAt(data, 0)
	return data, err
}

// openRecords takes the lock, and makes the directory of records if need be.
func (h *host) openRecords() error {
	if err := h.makeRecords(h.opt.Records); err != nil {
		return err
	}
	dir, name, err := h.tree.parent(filepath.Join(h.opt.Records, lockFile))
	if err != nil {
		return err
	}
	defer dir.Close()
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("%s/lock: %w", dir.Name(), err)
	}
	h.lock = os.NewFile(uintptr(fd), dir.Name()+"/lock")
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err == unix.EWOULDBLOCK {
		return ErrBusy
	} else if err != nil {
		return fmt.Errorf("%s: %w", h.lock.Name(), err)
	}
	var held, there unix.Stat_t
	if unix.Fstat(fd, &held) != nil || unix.Fstatat(int(dir.Fd()), name, &there, unix.AT_SYMLINK_NOFOLLOW) != nil || held.Ino != there.Ino {
		return ErrBusy // who had it has just removed all records, and it with them
	}
	return nil
}

// locked reports whether somebody has the lock.
func (h *host) locked() bool {
	dir, name, err := h.tree.parent(filepath.Join(h.opt.Records, lockFile))
	if err != nil {
		return false
	}
	defer dir.Close()
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB) == unix.EWOULDBLOCK
}

// makeRecords makes a directory of ours, and the way there.
func (h *host) makeRecords(path string) error {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i := range parts {
		at := "/" + strings.Join(parts[:i+1], "/")
		mode := uint32(0o755)
		if at == h.opt.Records || strings.HasPrefix(at, h.opt.Records+"/") {
			mode = 0o700
		}
		dir, name, err := h.tree.parent(at)
		if err != nil {
			return err
		}
		err = makeWhole(int(dir.Fd()), name, mode)
		if err == nil {
			err = dir.Sync()
			if mode == 0o755 {
				h.ways = append(h.ways, at)
			}
		}
		_ = dir.Close()
		if err != nil && err != unix.EEXIST {
			return fmt.Errorf("make %s: %w", h.tree.full(at), err)
		}
	}
	f, err := h.tree.look(path)
	if err != nil {
		return err
	}
	if f.Kind != Directory || !h.opt.NoOwners && f.UID != h.tree.uid || f.Mode&0o077 != 0 {
		return fmt.Errorf("%s holds copies of files and has to be a directory for uid %d alone: chown it, and chmod 700", h.tree.full(path), h.tree.uid)
	}
	return nil
}

// makeWhole makes a directory of a mode, whatever the umask is: others have to get through to what is
// beside ours, also if we are killed in the middle.
func makeWhole(dir int, name string, mode uint32) error {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != unix.ENOENT {
		return cmp.Or(err, error(unix.EEXIST))
	}
	temp := ".muxward-way-" + name + "~"
	if err := unix.Unlinkat(dir, temp, unix.AT_REMOVEDIR); err != nil && err != unix.ENOENT { // of who was killed
		return err
	}
	err := unix.Mkdirat(dir, temp, mode)
	if err == nil {
		// One that only we can rename in: nobody puts a symlink in its place.
		err = unix.Fchmodat(dir, temp, mode, 0)
	}
	if err == nil {
		err = rename(dir, temp, name, unix.RENAME_NOREPLACE)
	}
	if err != nil {
		_ = unix.Unlinkat(dir, temp, unix.AT_REMOVEDIR) // what counts is told
	}
	return err
}

// save puts the ledger on the disk. When it returns, that is what is so.
func (h *host) save(l *ledger) error {
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return h.writeRecord(filepath.Join(h.opt.Records, ledgerFile), data)
}

// writeRecord writes a file of ours, whole or not at all.
func (h *host) writeRecord(path string, data []byte) error {
	dir, name, err := h.tree.parent(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	temp := name + ".new"
	_ = unix.Unlinkat(int(dir.Fd()), temp, 0) // of who was killed; if it fails, so does the next
	f, err := createAt(dir, temp)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		h.step("record " + name)
		err = unix.Renameat(int(dir.Fd()), temp, int(dir.Fd()), name)
	}
	if err == nil {
		err = dir.Sync()
	}
	if err != nil {
		_ = unix.Unlinkat(int(dir.Fd()), temp, 0) // what counts is told
	}
	return named("write", h.tree.full(path), err)
}

// createAt makes a file that is not there, for us alone.
func createAt(dir *os.File, name string) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make %s/%s: %w", dir.Name(), name, err)
	}
	return os.NewFile(uintptr(fd), filepath.Join(dir.Name(), name)), nil
}

// store keeps a copy of a content, under its sum.
func (h *host) store(content []byte) error {
	at := filepath.Join(h.opt.Records, "store")
	if err := h.makeRecords(at); err != nil {
		return err
	}
	path := filepath.Join(at, sumOf(content))
	if f, err := h.tree.look(path); err == nil && f.Sum == filepath.Base(path) {
		return nil
	}
	return h.writeRecord(path, content)
}

// stored gives a copy.
func (h *host) stored(sum string) ([]byte, error) {
	path := filepath.Join(h.opt.Records, "store", sum)
	f, err := h.tree.look(path)
	if err != nil {
		return nil, err
	}
	if f.Sum != sum {
		return nil, fmt.Errorf("the copy %s is gone or damaged: that file cannot be put back", h.tree.full(path))
	}
	return f.content, nil
}

// sweep removes copies that nothing needs any more. It is no matter if it fails.
func (h *host) sweep(l *ledger) {
	needed := map[string]bool{}
	for _, r := range l.Applies {
		for _, s := range r.Steps {
			needed[s.Before.Sum] = true
		}
		for _, w := range r.Was {
			if w.Made != nil {
				needed[w.Made.Original.Sum] = true
			}
		}
	}
	for _, m := range l.Made {
		needed[m.Original.Sum] = true
	}
	dir, name, err := h.tree.parent(filepath.Join(h.opt.Records, "store"))
	if err != nil {
		return
	}
	defer dir.Close()
	store, err := openDirAt(dir, name, name)
	if err != nil {
		return
	}
	defer store.Close()
	names, _ := store.Readdirnames(-1)
	for _, n := range names {
		if !needed[n] {
			_ = unix.Unlinkat(int(store.Fd()), n, 0) // a copy too many
		}
	}
}
