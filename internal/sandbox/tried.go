package sandbox

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Outcome is what came of trying something that a process is to be kept from.
type Outcome int

// Outcomes.
const (
	NotTried Outcome = iota // or it failed for a reason that says nothing
	Refused                 // for the reason that is claimed
	Done                    // it can be done
)

// And gives the worse of two: what can be done, then what was not tried.
func (o Outcome) And(other Outcome) Outcome {
	switch {
	case o == Done || other == Done:
		return Done
	case o == NotTried || other == NotTried:
		return NotTried
	}
	return Refused
}

// of is Done without an error, Refused by one of those that say so, else NotTried.
func of(err error, refusals ...error) Outcome {
	if err == nil {
		return Done
	}
	for _, r := range refusals {
		if errors.Is(err, r) {
			return Refused
		}
	}
	return NotTried
}

// TryCall makes a system call with arguments with which it could do nothing. Where the kernel
// gives another error, the call came through to it; EPERM is the filter's, for calls to which
// the kernel does not give it by itself.
func TryCall(call uint32) Outcome {
	bad := ^uintptr(0)
	_, _, e := unix.RawSyscall(uintptr(call), bad, bad, bad)
	if e == unix.EPERM {
		return Refused
	}
	return Done
}

// TryMPTCP makes a socket of MPTCP.
func TryMPTCP() Outcome {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_MPTCP)
	if err == nil {
		_ = unix.Close(fd)
	}
	return of(err, unix.EPERM)
}

// TryWrite makes a file in a directory, one without a name. Landlock's error is EACCES; so is
// that of a directory that is not ours to write, by which of the two cannot be told.
func TryWrite(dir string) Outcome {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err == nil {
		_ = unix.Close(fd)
	}
	return of(err, unix.EACCES)
}

// TrySignal asks whether a process could be sent signals. None is sent.
func TrySignal(pid int) Outcome { return of(unix.Kill(pid, 0), unix.EPERM) }

// TryEnter goes into a directory, which takes no right to read it.
func TryEnter(dir string) Outcome {
	fd, err := unix.Open(dir+"/.", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err == nil {
		_ = unix.Close(fd)
	}
	return of(err, unix.EACCES)
}

// TryFork asks for a process with flags that contradict each other, so that none is made.
func TryFork() Outcome {
	_, _, e := unix.RawSyscall6(unix.SYS_CLONE, unix.CLONE_NEWUSER|unix.CLONE_FS, 0, 0, 0, 0, 0)
	return of(e, unix.EPERM).came(e)
}

// came is Done where the kernel itself has looked at what was asked, as it says EINVAL.
func (o Outcome) came(e unix.Errno) Outcome {
	if e == unix.EINVAL {
		return Done
	}
	return o
}
