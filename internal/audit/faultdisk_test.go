package audit

import (
	"sync"
)

// faultDisk is the real disk with faults put in its way.
type faultDisk struct {
	disk
	faults *faults
}

// faults are what goes wrong. The hooks may be nil.
type faults struct {
	mu sync.Mutex
	// write may fail after n bytes were written: n < 0 means no fault.
	write func(name string, p []byte) (n int, err error)
	sync  func(name string) error
	open  func(name string) error // fails before anything is opened
	space func() (free, total uint64)
	alloc func() error
	syncs int
	// ops, if recording is on, are all changes in order.
	record bool
	ops    []op
}

// op is one change to the disk.
type op struct {
	what string // open, write, truncate, allocate, sync, rename, dirsync, ack
	name string
	to   string
	off  int64
	data []byte
	seq  uint64
}

func (f *faults) set(change func(f *faults)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *faults) add(o op) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.record {
		o.data = append([]byte(nil), o.data...)
		f.ops = append(f.ops, o)
	}
}

// withFaults makes opt's disk a faulty one.
func withFaults(opt Options, f *faults) Options {
	opt.open = func(path string) (disk, error) {
		d, err := openDisk(path)
		if err != nil {
			return nil, err
		}
		return &faultDisk{d, f}, nil
	}
	return opt
}

func (d *faultDisk) Open(name string, flag int) (file, error) {
	d.faults.mu.Lock()
	open := d.faults.open
	d.faults.mu.Unlock()
	if open != nil {
		if err := open(name); err != nil {
			return nil, err
		}
	}
	f, err := d.disk.Open(name, flag)
	if err != nil {
		return nil, err
	}
	d.faults.add(op{what: "open", name: name})
	return &faultFile{f, name, d.faults}, nil
}

func (d *faultDisk) Rename(from, to string) error {
	err := d.disk.Rename(from, to)
	if err == nil {
		d.faults.add(op{what: "rename", name: from, to: to})
	}
	return err
}

func (d *faultDisk) Sync() error {
	err := d.disk.Sync()
	if err == nil {
		d.faults.add(op{what: "dirsync"})
	}
	return err
}

func (d *faultDisk) Space() (uint64, uint64, error) {
	d.faults.mu.Lock()
	space := d.faults.space
	d.faults.mu.Unlock()
	if space != nil {
		free, total := space()
		return free, total, nil
	}
	return d.disk.Space()
}

type faultFile struct {
	file
	name   string
	faults *faults
}

func (f *faultFile) WriteAt(p []byte, off int64) (int, error) {
	f.faults.mu.Lock()
	write := f.faults.write
	f.faults.mu.Unlock()
	if write != nil {
		if n, err := write(f.name, p); n >= 0 {
			got, _ := f.file.WriteAt(p[:n], off)
			f.faults.add(op{what: "write", name: f.name, off: off, data: p[:got]})
			return got, err
		}
	}
	n, err := f.file.WriteAt(p, off)
	f.faults.add(op{what: "write", name: f.name, off: off, data: p[:n]})
	return n, err
}

func (f *faultFile) Truncate(size int64) error {
	err := f.file.Truncate(size)
	if err == nil {
		f.faults.add(op{what: "truncate", name: f.name, off: size})
	}
	return err
}

func (f *faultFile) Sync() error {
	f.faults.mu.Lock()
	f.faults.syncs++
	sync := f.faults.sync
	f.faults.mu.Unlock()
	if sync != nil {
		if err := sync(f.name); err != nil {
			return err
		}
	}
	err := f.file.Sync()
	if err == nil {
		f.faults.add(op{what: "sync", name: f.name})
	}
	return err
}

func (f *faultFile) Allocate(off, n int64) error {
	f.faults.mu.Lock()
	alloc := f.faults.alloc
	f.faults.mu.Unlock()
	if alloc != nil {
		if err := alloc(); err != nil {
			return err
		}
	}
	err := f.file.Allocate(off, n)
	if err == nil {
		// A little stands for all of it: the room is empty everywhere.
		f.faults.add(op{what: "allocate", name: f.name, off: off + min(n, 8<<10)})
	}
	return err
}
