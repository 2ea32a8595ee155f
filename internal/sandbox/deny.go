package sandbox

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Filter is what system calls are refused for good, with EPERM.
type Filter struct {
	// Calls are numbers of system calls.
	Calls []uint32
	// MPTCP has sockets of that protocol refused, which rules about TCP do not reach.
	MPTCP bool
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

// NoNewPrivs has no thread of this process gain rights by a program.
func NoNewPrivs() error {
	// Of a program that is built with cgo not all threads can be reached: this fails.
	if _, _, e := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); e != 0 {
		return fmt.Errorf("give up new privileges: %w", e)
	}
	return nil
}

// program is the filter as the kernel takes it. Calls of another architecture than the
// one that this program is built for are refused, all of them: they have other numbers.
func program(f Filter) []unix.SockFilter {
	const (
		load   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		atMost = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
		ret    = unix.BPF_RET | unix.BPF_K
	)
	refuse := unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)}
	prog := []unix.SockFilter{
		{Code: load, K: offArch},
		{Code: equal, Jt: 1, K: auditArch},
		refuse,
		{Code: load, K: offCall},
		{Code: atMost, Jf: 1, K: foreignCalls},
		refuse,
	}
	for _, call := range f.Calls {
		prog = append(prog, unix.SockFilter{Code: equal, Jf: 1, K: call}, refuse)
	}
	if f.MPTCP { // the third argument of socket(2), of which the kernel takes 32 bits
		prog = append(prog, unix.SockFilter{Code: equal, Jf: 3, K: unix.SYS_SOCKET},
			unix.SockFilter{Code: load, K: offArgs + 2*8},
			unix.SockFilter{Code: equal, Jf: 1, K: unix.IPPROTO_MPTCP},
			refuse)
	}
	return append(prog, unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ALLOW})
}

// Refused reports whether a system call is refused by a filter, by making it with
// arguments with which it could do nothing.
func Refused(call uint32) bool {
	bad := ^uintptr(0)
	_, _, e := unix.RawSyscall(uintptr(call), bad, bad, bad)
	return errors.Is(e, unix.EPERM)
}

// RefusesMPTCP reports whether sockets of MPTCP are refused.
func RefusesMPTCP() bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_MPTCP)
	if err == nil {
		_ = unix.Close(fd)
	}
	return errors.Is(err, unix.EPERM)
}

// Outside are the calls by which a process gets at files, other processes and networks,
// beside [Harmful]: for one that has all it needs.
func Outside() []uint32 {
	return append([]uint32{
		unix.SYS_OPENAT, unix.SYS_OPENAT2, unix.SYS_SOCKET, unix.SYS_SOCKETPAIR, unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_LISTEN,
		unix.SYS_KILL, unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_PIDFD_OPEN, unix.SYS_UNLINKAT, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2,
		unix.SYS_LINKAT, unix.SYS_SYMLINKAT, unix.SYS_MKDIRAT, unix.SYS_MKNODAT, unix.SYS_FCHMODAT, unix.SYS_FCHOWNAT,
		unix.SYS_TRUNCATE, unix.SYS_SETRESUID, unix.SYS_SETRESGID,
	}, outsideOfThisKind()...)
}
