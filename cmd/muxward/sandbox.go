package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/sandbox"
)

// promise is something that muxward gives up, or keeps others away from, and whether that
// holds: found out by trying, or by what the kernel says of this process.
type promise struct {
	What  string `json:"what"`
	Holds bool   `json:"holds"`
	// By is what carries it, or why it does not hold.
	By string `json:"by"`
}

// confine gives up what muxward needs no more once it is assembled: it starts no program
// and writes to its state directory only. What cannot be given up here is told by status.
func (d *daemon) confine() error {
	if d.helper == nil {
		return nil
	}
	var err error
	if d.landlock, err = sandbox.WriteOnly(d.config.State); err != nil {
		return err
	}
	return sandbox.Deny(sandbox.Filter{Calls: sandbox.Harmful(), MPTCP: true})
}

// promises tells what holds of the sandbox; nothing where muxward runs without one.
func (d *daemon) promises() []promise {
	if d.helper == nil {
		return nil
	}
	r, err := sandbox.OwnRights()
	if err != nil {
		return []promise{{"rights", false, err.Error()}}
	}
	out := []promise{
		{"runs as an account without root's rights, capabilities or groups, and can gain none", len(r.Left()) == 0,
			fmt.Sprintf("uid %d %s; no_new_privs %t", r.UIDs[0], strings.Join(r.Left(), "; "), r.NoNewPrivs)},
	}
	for _, c := range []struct {
		what  string
		calls []uint32
	}{
		{"starts no program", []uint32{unix.SYS_EXECVE, unix.SYS_EXECVEAT}},
		{"looks into no other process", []uint32{unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PIDFD_GETFD}},
		{"reaches no parts of the kernel that it has no use for", []uint32{unix.SYS_BPF, unix.SYS_IO_URING_SETUP, unix.SYS_KEYCTL, unix.SYS_MOUNT}},
	} {
		holds := true
		for _, call := range c.calls {
			holds = holds && sandbox.Refused(call)
		}
		out = append(out, promise{c.what, holds, "seccomp"})
	}
	out = append(out, promise{"makes no sockets of MPTCP", sandbox.RefusesMPTCP(), "seccomp"},
		promise{"writes to its state directory only", d.landlock > 0 && !sandbox.CanWrite("/tmp"), fmt.Sprintf("Landlock, version %d", d.landlock)},
		promise{"sends muxward-helper no signals", !sandbox.CanSignal(d.helper.HelperPID()), "another account"})
	reached := true
	for _, s := range d.guard.Servers() {
		reached = reached && !sandbox.CanOpen(filepath.Join(d.config.Run(), "servers", strings.TrimPrefix(filepath.Base(filepath.Dir(s.InnerDoor().Path())), "in-")))
	}
	return append(out, promise{"reaches guarded sockets by muxward-helper only", reached, "ownership of their directories; no rule of Landlock"},
		promise{"cannot read the ssh host key and the key of the log", !sandbox.CanOpen(d.config.State + "-keys"), "a process of muxward-helper's holds them, and signs"})
}

// printSandbox prints what of the sandbox holds.
func printSandbox(cmd *cobra.Command, s status) {
	p := newPaint(cmd)
	if len(s.Sandbox) == 0 {
		p.printf("there is no sandbox in %s mode, or it is not for you to see\n", s.Mode)
	}
	for _, o := range s.Sandbox {
		mark := p.good("holds")
		if !o.Holds {
			mark = p.bad("NOT  ")
		}
		p.printf("%s  %s (%s)\n", mark, o.What, oneLine(o.By))
	}
}
