package grants

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// listFile is a list that lies in one small file as JSON, of which there is the old or the
// new after a crash: see [halves]. A file of nothing but JSON is read as well.
type listFile[T any] struct {
	what string     // what lies there, for errors
	disk sync.Mutex // held while the file is written; taken before mu
	file halves     // guarded by disk
	mu   sync.Mutex // held while the list changes, and never while the disk works
	list atomic.Pointer[[]T]
}

// open reads the file, which need not exist yet. A damaged one is an error, which says
// what it means to move it away.
func (k *listFile[T]) open(path, what, without string, parse func([]byte) ([]T, error)) error {
	k.what = what
	var list []T
	var damaged damagedHalves
	data, err := k.file.open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err == nil:
		if list, err = parse(data); err != nil {
			damaged = damagedHalves{err}
		}
	case !errors.As(err, &damaged):
		return fmt.Errorf("read %s: %w", what, err)
	}
	if damaged.error != nil {
		return fmt.Errorf("%s in %s are damaged: %w; put the file back from a copy, "+
			"or, to %s, move it away by hand", what, path, damaged.error, without)
	}
	k.list.Store(&list)
	return nil
}

// keep writes what is in force now, which may be more than was changed.
func (k *listFile[T]) keep() error {
	k.disk.Lock()
	defer k.disk.Unlock()
	if err := k.save(*k.list.Load()); err != nil {
		return fmt.Errorf("it holds now but would not survive a restart: %w; make room and do it again", err)
	}
	return nil
}

// save writes a list. disk is held.
func (k *listFile[T]) save(list []T) error {
	data, err := json.MarshalIndent(list, "", "\t")
	if err == nil {
		err = k.file.put(append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", k.what, err)
	}
	return nil
}

// strict reads JSON into v: all of it, and nothing that v does not have.
func strict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows it")
	}
	return nil
}

// syncDir has the name of a file survive a crash.
func syncDir(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
