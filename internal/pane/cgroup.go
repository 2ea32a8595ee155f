package pane

import (
	"os"
	"syscall"
)

// Cgroup is a cgroup2 for one process and all that it begins, below ours or beside it. Where none
// can be made it is empty. If we are killed, [Sweep] ends what is left in it.
type Cgroup struct{ b *branch }

// NewCgroup makes one, if it can.
func NewCgroup() Cgroup { return Cgroup{newBranch(Bounds{})} }

// Holds reports whether there is one.
func (c Cgroup) Holds() bool { return c.b.dir != nil }

// With has a process begin in it.
func (c Cgroup) With(attr *syscall.SysProcAttr) { c.b.with(attr) }

// Kill ends all that is in it, at once: nobody in it begins others meanwhile.
func (c Cgroup) Kill() {
	if c.b.path != "" {
		_ = os.WriteFile(c.b.path+"/cgroup.kill", []byte("1"), 0) // what is left is seen by who waits for it
	}
}

// Close removes it, once it is empty.
func (c Cgroup) Close() { c.b.close() }
