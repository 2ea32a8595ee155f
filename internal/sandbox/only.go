package sandbox

import "golang.org/x/sys/unix"

// Bare are the calls without which a program of Go's does not go on, for one that has all the
// descriptors that it needs: memory, threads of its own, time, and the descriptors. See
// [OwnThreads] for those of them that reach others.
func Bare() []uint32 {
	return append([]uint32{
		unix.SYS_READ, unix.SYS_WRITE, unix.SYS_PREAD64, unix.SYS_PWRITE64, unix.SYS_CLOSE, unix.SYS_FDATASYNC, unix.SYS_FCNTL,
		unix.SYS_RECVMSG, unix.SYS_SENDMSG, unix.SYS_SHUTDOWN,
		unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EVENTFD2,
		unix.SYS_MMAP, unix.SYS_MUNMAP, unix.SYS_MPROTECT, unix.SYS_MADVISE, unix.SYS_BRK, unix.SYS_PRCTL,
		unix.SYS_FUTEX, unix.SYS_CLONE, unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_GETTID, unix.SYS_GETPID, unix.SYS_TGKILL,
		unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK, unix.SYS_RESTART_SYSCALL,
		unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_GETTIMEOFDAY, unix.SYS_SCHED_YIELD,
		unix.SYS_SCHED_GETAFFINITY, unix.SYS_GETRANDOM, unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
	}, bareOfThisKind()...)
}

// OwnThreads refuses signals to other processes: by tgkill(2), with which Go's own threads stop
// each other; and by descriptors that have the kernel send one (fcntl(2)), which goes by the
// account and not by what the process may otherwise do.
func OwnThreads() []Rule {
	rules := []Rule{{Call: unix.SYS_TGKILL, Mask: ^uint32(0), Value: uint32(unix.Getpid()), Not: true}}
	for _, command := range []uint32{unix.F_SETOWN, unix.F_SETSIG, unix.F_SETOWN_EX, unix.F_SETLEASE, unix.F_NOTIFY} {
		rules = append(rules, Rule{Call: unix.SYS_FCNTL, Arg: 1, Mask: ^uint32(0), Value: command})
	}
	return rules
}
