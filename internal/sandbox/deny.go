package sandbox

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Filter is what system calls are refused for good, with EPERM but where a rule says
// something else.
type Filter struct {
	// Calls are numbers of system calls.
	Calls []uint32
	// Only, if it is not empty, are the only ones that are not refused.
	Only []uint32
	// Rules refuse some by their arguments.
	Rules []Rule
}

// Rule refuses a system call by the lower half of one of its arguments: where that, as far as
// Mask goes, is Value; or with Not, where it is not.
type Rule struct {
	Call        uint32
	Arg         uint8
	Mask, Value uint32
	Not         bool
	Errno       unix.Errno // 0 is EPERM
}

// NoMPTCP refuses sockets of that protocol, which rules about TCP do not reach.
func NoMPTCP() Rule {
	return Rule{Call: unix.SYS_SOCKET, Arg: 2, Mask: ^uint32(0), Value: unix.IPPROTO_MPTCP}
}

// NoChildren refuses to make processes, but for threads of this one; and to live on when the
// process that started this one ends. clone3(2) has its arguments in memory, where no filter
// sees them: it is as if the kernel had none, and clone(2) is tried then.
func NoChildren() []Rule {
	return append([]Rule{
		{Call: unix.SYS_CLONE, Mask: unix.CLONE_THREAD},
		{Call: unix.SYS_CLONE3, Errno: unix.ENOSYS},
		{Call: unix.SYS_PRCTL, Mask: ^uint32(0), Value: unix.PR_SET_PDEATHSIG},
	}, noChildrenOfThisKind()...)
}

// Undumpable keeps others of our account from this process's memory, and it out of files.
func Undumpable() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("keep our memory out of files: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("keep debuggers out: %w", err)
	}
	return nil
}

// Harmful are system calls by which a process that somebody has taken over would do more
// than what muxward does: start programs, look into others, change what is mounted, load
// code into the kernel, or leave a filter behind by another way to ask for the same.
func Harmful() []uint32 {
	return append([]uint32{
		unix.SYS_EXECVE, unix.SYS_EXECVEAT,
		unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_KCMP, unix.SYS_PIDFD_GETFD,
		unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD,
		unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
		unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
		unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE, unix.SYS_FSOPEN, unix.SYS_FSMOUNT,
		unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_MOUNT_SETATTR,
		unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_REBOOT,
		unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_PERSONALITY,
		unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX,
		unix.SYS_SYSLOG, unix.SYS_VHANGUP, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME,
		unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_NAME_TO_HANDLE_AT,
	}, ofThisKind()...)
}

// Offsets in struct seccomp_data (seccomp(2)).
const (
	offCall = 0
	offArch = 4
	offArgs = 16
)

// Deny puts a filter before the system calls of all threads, for good. no_new_privs has
// to be set before.
func Deny(f Filter) error {
	prog := program(f)
	p := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&p)))
	runtime.KeepAlive(prog)
	if e != 0 {
		return fmt.Errorf("put a filter before system calls: %w", e)
	}
	return nil
}

// program is the filter as the kernel takes it. Calls of another architecture than the
// one that this program is built for are refused, all of them: they have other numbers.
func program(f Filter) []unix.SockFilter {
	const (
		load    = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal   = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		atLeast = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
		and     = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
		ret     = unix.BPF_RET | unix.BPF_K
	)
	refuse := func(e unix.Errno) unix.SockFilter {
		if e == 0 {
			e = unix.EPERM
		}
		return unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(e)}
	}
	allow := unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ALLOW}
	call := unix.SockFilter{Code: load, K: offCall}
	prog := []unix.SockFilter{
		{Code: load, K: offArch},
		{Code: equal, Jt: 1, K: auditArch},
		refuse(0),
		call,
		{Code: atLeast, Jf: 1, K: foreignCalls},
		refuse(0),
	}
	for _, n := range f.Calls {
		prog = append(prog, unix.SockFilter{Code: equal, Jf: 1, K: n}, refuse(0))
	}
	for _, r := range f.Rules {
		is := unix.SockFilter{Code: equal, Jf: 1, K: r.Value & r.Mask}
		if r.Not {
			is.Jt, is.Jf = 1, 0
		}
		prog = append(prog, unix.SockFilter{Code: equal, Jf: 5, K: r.Call},
			unix.SockFilter{Code: load, K: offArgs + 8*uint32(r.Arg)}, // the lower half, on both of our architectures
			unix.SockFilter{Code: and, K: r.Mask},
			is, refuse(r.Errno), call)
	}
	if len(f.Only) == 0 {
		return append(prog, allow)
	}
	for _, n := range f.Only {
		prog = append(prog, unix.SockFilter{Code: equal, Jf: 1, K: n}, allow)
	}
	return append(prog, refuse(0))
}

// Confined is what muxward and its keeper do without, once they have begun.
func Confined() Filter {
	return Filter{Calls: Harmful(), Rules: append(NoChildren(), NoMPTCP())}
}
