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

// listFile is a list that lies in one small file, which is replaced as a whole and synced.
type listFile[T any] struct {
	path, what string     // what lies there, for errors
	disk       sync.Mutex // held while the file is written; taken before mu
	mu         sync.Mutex // held while the list changes, and never while the disk works
	list       atomic.Pointer[[]T]
}

// open reads the file, which need not exist yet. A damaged one is an error, which says
// what it means to move it away.
func (k *listFile[T]) open(path, what, without string, parse func([]byte) ([]T, error)) error {
	k.path, k.what = path, what
	var list []T
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("read %s: %w", what, err)
	default:
		if list, err = parse(data); err != nil {
			return fmt.Errorf("%s in %s are damaged: %w; put the file back from a copy, "+
				"or, to %s, move it away by hand", what, path, err, without)
		}
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
		err = replaceFile(k.path, append(data, '\n'))
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

// replaceFile writes data beside path, syncs it, and renames it into place,
// so that a crash leaves the old file or the new one.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".denials-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return err
	}
	return syncDir(path)
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
