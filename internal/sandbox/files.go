package sandbox

import (
	"errors"
	"fmt"

	"github.com/landlock-lsm/go-landlock/landlock"
	lsys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// WriteOnly leaves this process, for good, nothing to write to but what lies below the
// directories, and the devices in /dev; it reads what its account may read. It gives the
// version of Landlock that the kernel has: 0 is none, and then nothing has changed.
// Descriptors that are open stay as they are, also those that others pass.
func WriteOnly(dirs ...string) (abi int, err error) {
	abi, err = lsys.LandlockGetABIVersion()
	if absent(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("ask for Landlock: %w", err)
	}
	err = landlock.V7.BestEffort().RestrictPaths(
		landlock.RODirs("/").WithIoctlDev(),
		landlock.RWFiles("/dev/null", "/dev/tty", "/dev/ptmx").WithIoctlDev().IgnoreIfMissing(),
		landlock.RWDirs("/dev/pts").WithIoctlDev().IgnoreIfMissing(),
		landlock.RWDirs(dirs...),
	)
	if err != nil {
		return abi, fmt.Errorf("restrict what is written to (Landlock, version %d): %w", abi, err)
	}
	return abi, nil
}

// NoFiles leaves this process, for good, no files at all, as far as Landlock goes: open
// descriptors stay.
func NoFiles() (abi int, err error) {
	abi, err = lsys.LandlockGetABIVersion()
	if absent(err) {
		return 0, nil
	}
	if err == nil {
		err = landlock.V7.BestEffort().Restrict()
	}
	if err != nil {
		return abi, fmt.Errorf("give up files and networks (Landlock, version %d): %w", abi, err)
	}
	return abi, nil
}

// absent reports whether an error says that there is no Landlock here: the kernel has none, it is turned
// off, or a container keeps everybody from it.
func absent(err error) bool {
	return errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPERM)
}
