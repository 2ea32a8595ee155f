package sandbox

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// ringVar tells the program that has taken the place of this one which session keyring it
// is to have.
const ringVar = "MUXWARD_KEYRING"

// NewKeyring has this process, and all that it starts, have a session keyring that is empty,
// and not that of whoever has started it: a key that is possessed can be read by whoever has
// the keyring, whatever their uid (session-keyring(7)). Keyrings are each thread's, so it
// becomes its own program again, from the one thread that has a new one. It is to be called
// before anything else was begun.
func NewKeyring() error {
	want := os.Getenv(ringVar)
	if err := os.Unsetenv(ringVar); err != nil {
		return err
	}
	has, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
	if err == nil && want != "" && want == strconv.Itoa(has) {
		return nil
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	id, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		return nil // a kernel without keys, or a container that keeps everybody from them
	}
	if err != nil {
		return fmt.Errorf("leave the session keyring: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find our own program: %w", err)
	}
	err = syscall.Exec(self, os.Args, append(os.Environ(), ringVar+"="+strconv.Itoa(id)))
	return fmt.Errorf("begin again with a session keyring of our own: %w", err)
}
