package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/sandbox"
)

// promise is something that muxward gives up, or keeps others away from, and whether that
// holds: found out by trying, or by what the kernel says of this process.
type promise struct {
	What string `json:"what"`
	// Holds is whether it was tried and refused, for the reason that By says.
	Holds bool `json:"holds"`
	// Tried is false where it could not be tried, or failed for another reason.
	Tried bool `json:"tried"`
	// By is what carries it, or why it does not hold.
	By string `json:"by"`
}

// promised is a promise of which an outcome is known.
func promised(what string, o sandbox.Outcome, by string) promise {
	return promise{what, o == sandbox.Refused, o != sandbox.NotTried, by}
}

// confined is what muxward and its keeper do without, once they have begun.
func confined() sandbox.Filter {
	return sandbox.Filter{Calls: sandbox.Harmful(), Rules: append(sandbox.NoChildren(), sandbox.NoMPTCP())}
}

// confine gives up what muxward needs no more once it is assembled: it starts no program, makes
// no process, and writes to its state directory only. What cannot be given up here is told by
// status.
func (d *daemon) confine() error {
	if d.helper == nil {
		return nil
	}
	d.wroteBefore = sandbox.TryWrite(elsewhere) == sandbox.Done
	var err error
	if d.landlock, err = sandbox.WriteOnly(append(failpoint.Writes(), d.config.State)...); err != nil {
		return err
	}
	if err := d.landlocked(); err != nil {
		return err
	}
	return sandbox.Deny(confined())
}

// landlocked refuses a kernel without Landlock, unless the configuration says that we go on there,
// which is told each time.
func (d *daemon) landlocked() error {
	switch {
	case d.landlock > 0:
	case !d.config.WithoutLandlock:
		return errors.New("there is no Landlock here (it takes Linux 5.13, landlock among lsm= of its command line, and a container that lets it), so muxward could write wherever its account can; " +
			"have it, or say without_landlock: true in the configuration to go on without")
	default:
		d.complain("there is no Landlock here: by without_landlock muxward goes on, and can write wherever its account can")
	}
	return nil
}

// elsewhere is where everybody may write, but for what confine gives up.
const elsewhere = "/tmp"

// promises tells what holds of the sandbox; nothing where muxward runs without one.
func (d *daemon) promises() []promise {
	if d.helper == nil {
		return nil
	}
	r, err := sandbox.OwnRights()
	if err != nil {
		return []promise{{"rights", false, false, err.Error()}}
	}
	out := []promise{
		{"runs as an account without root's rights, capabilities or other groups, and can gain none", len(r.Left()) == 0, true,
			fmt.Sprintf("uid %d %s; no_new_privs %t", r.UIDs[0], strings.Join(r.Left(), "; "), r.NoNewPrivs)},
	}
	// Of these the kernel itself says something else than the filter: no pointer or number of what
	// is asked is good.
	for _, c := range []struct {
		what  string
		calls []uint32
	}{
		{"starts no program", []uint32{unix.SYS_EXECVE, unix.SYS_EXECVEAT}},
		{"looks into no other process", []uint32{unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PIDFD_GETFD}},
		{"has nothing to do with keys and mounts", []uint32{unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_MOUNT, unix.SYS_OPEN_TREE}},
	} {
		o := sandbox.Refused
		for _, call := range c.calls {
			o = o.And(sandbox.TryCall(call))
		}
		out = append(out, promised(c.what, o, "seccomp"))
	}
	out = append(out, kernelParts()...)
	written := sandbox.TryWrite(elsewhere)
	if written == sandbox.Refused && (!d.wroteBefore || d.landlock == 0) {
		written = sandbox.NotTried
	}
	return append(out, promised("makes no processes", sandbox.TryFork(), "seccomp"),
		promised("makes no sockets of MPTCP", sandbox.TryMPTCP(), "seccomp"),
		promised("opens files to write in its state directory only, and terminals", written, fmt.Sprintf("Landlock, version %d; from version 3 on none is cut short either; modes, "+
			"times and attributes are its account's", d.landlock)),
		promised("sends muxward-helper no signals", sandbox.TrySignal(d.helper.HelperPID()), "another account"),
		d.guardedPromise(),
		promised("cannot read the ssh host key and the key of the log", sandbox.TryEnter(d.config.State+"-keys"), "a process of muxward-helper's holds them, and signs"))
}

// kernelParts tells of parts of the kernel that settings may keep from everybody without root's
// rights: then nothing was found out of the filter.
func kernelParts() (out []promise) {
	for _, c := range []struct {
		what, setting string
		call          uint32
	}{
		{"loads no programs into the kernel (bpf)", "unprivileged_bpf_disabled", unix.SYS_BPF},
		{"makes no calls by rings (io_uring)", "io_uring_disabled", unix.SYS_IO_URING_SETUP},
	} {
		o, by := sandbox.TryCall(c.call), "seccomp"
		if data, err := os.ReadFile("/proc/sys/kernel/" + c.setting); o == sandbox.Refused && (err != nil || strings.TrimSpace(string(data)) != "0") {
			o, by = sandbox.NotTried, "seccomp; "+c.setting+" keeps everybody from it"
		}
		out = append(out, promised(c.what, o, by))
	}
	return out
}

// guardedPromise tries to come to guarded sockets by their paths.
func (d *daemon) guardedPromise() promise {
	servers := d.guard.Servers()
	o := sandbox.Refused
	for _, s := range servers {
		id := strings.TrimPrefix(filepath.Base(filepath.Dir(s.InnerDoor().Path())), "in-")
		o = o.And(sandbox.TryEnter(filepath.Join(d.config.Run(), "servers", id)))
	}
	by := "ownership of their directories; no rule of Landlock"
	if len(servers) == 0 {
		o, by = sandbox.NotTried, "there is none"
	}
	return promised("reaches guarded sockets by muxward-helper only", o, by)
}

func printSandbox(cmd *cobra.Command, s status) {
	p := newPaint(cmd)
	if len(s.Sandbox) == 0 {
		p.printf("there is no sandbox in %s mode, or it is not for you to see\n", s.Mode)
	}
	for _, o := range s.Sandbox {
		mark := p.good("holds")
		switch {
		case !o.Tried:
			mark = p.dim("not tried")
		case !o.Holds:
			mark = p.bad("NOT  ")
		}
		p.printf("%s  %s (%s)\n", mark, o.What, oneLine(o.By))
	}
}
