package proof

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Kernel asks the kernel for what promises rest on, in this process: a seccomp filter that
// answers for it counts as the kernel.
func Kernel() []Proof {
	return []Proof{landlock(), pidfd(), peerPIDFD(), openat2(), cgroup2(), sockDiag()}
}

// asked makes a proof of what a system call says.
func asked(id, title, lost, has string, err error) Proof {
	p := Proof{ID: id, Title: title, Outcome: Holds}
	switch {
	case err == nil:
		p.Evidence = []string{has}
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOPROTOOPT),
		errors.Is(err, unix.EPERM), errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.ENOENT):
		p.Outcome, p.Lost, p.Evidence = Broken, lost, []string{"the kernel says: " + err.Error()}
	default:
		p.Outcome, p.Evidence = Unknown, []string{err.Error()}
	}
	return p
}

func landlock() Proof {
	version, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	var err error
	if e != 0 {
		err = e
	}
	return asked("MW-K001", "the kernel has Landlock (Linux 5.13)",
		"what asks strangers' tmux servers (muxward sockets scan --ask) can open files of their accounts, if a server should take it over; and beside muxward-helper muxward does not start, or, by without_landlock, can write wherever its account can",
		fmt.Sprintf("version %d", version), err)
}

func pidfd() Proof {
	fd, err := unix.PidfdOpen(unix.Getpid(), 0)
	if err == nil {
		_ = unix.Close(fd)
	}
	return asked("MW-K002", "the kernel has pidfds (Linux 5.3)",
		"the end of who has connected is noticed within a second, not at once; nobody comes in by an sshd of the host; and a process whose number was given away again may be taken for another",
		"pidfd_open works", err)
}

func peerPIDFD() Proof {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(pair[0])
		defer unix.Close(pair[1])
		var fd int
		if fd, err = unix.GetsockoptInt(pair[0], unix.SOL_SOCKET, unix.SO_PEERPIDFD); err == nil {
			_ = unix.Close(fd)
		}
	}
	return asked("MW-K003", "the kernel holds the peer of a socket (SO_PEERPIDFD, Linux 6.5)",
		"a process that took the number of who has connected, between connecting and the check, would be taken for them",
		"SO_PEERPIDFD works", err)
}

func openat2() Proof {
	fd, err := unix.Openat2(unix.AT_FDCWD, "/", &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS})
	if err == nil {
		_ = unix.Close(fd)
	}
	return asked("MW-K004", "the kernel has openat2 (Linux 5.6)",
		"muxward serve and muxward host apply do not run: without it nobody can tell whether a path was changed on the way",
		"openat2 works", err)
}

func cgroup2() Proof {
	var st unix.Statfs_t
	err := unix.Statfs("/sys/fs/cgroup", &st)
	if err == nil && st.Type != unix.CGROUP2_SUPER_MAGIC {
		err = fmt.Errorf("what is at /sys/fs/cgroup is not cgroup2: %w", unix.ENOENT)
	}
	p := asked("MW-K005", "there is cgroup2", "", "/sys/fs/cgroup is cgroup2", err)
	if p.Outcome == Broken {
		p.Outcome = Skipped
		p.Evidence = append(p.Evidence, "no promise is lost: nothing of this muxward rests on it. A pane has no cgroup of its own; what it has left behind is found by the descent of its process")
	}
	return p
}

func sockDiag() Proof {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err == nil {
		_ = unix.Close(fd)
	}
	return asked("MW-K006", "the kernel lists sockets (sock_diag)",
		"servers whose sockets were replaced, and who is connected to them, are not all found by muxward sockets",
		"a socket of sock_diag opens", err)
}
