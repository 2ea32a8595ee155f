package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// ringVar tells the program that has taken the place of this one which session keyring it
// is to have.
const ringVar = "MUXWARD_KEYRING"

// ThreadKeyring has this thread, and what is started from it, have a session keyring without a
// name or content. The thread must be locked, and belong to nothing else. A kernel without keys
// has none, nor a container that keeps everybody from them.
func ThreadKeyring() error {
	_, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0)
	switch {
	case err == nil, errors.Is(err, unix.ENOSYS):
		return nil
	case errors.Is(err, unix.EPERM):
		if _, has := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false); has != nil {
			return nil
		}
	}
	return fmt.Errorf("leave the session keyring: %w", err)
}

// StartAlone starts a program with a session keyring of its own: those that are started with one
// between them could read, plant and take away each other's keys, whatever their uids. The thread
// ends with that, so it is not for a program that is to end with its thread (Pdeathsig).
func StartAlone(cmd *exec.Cmd) error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never let go: it has changed for good
		err := ThreadKeyring()
		if err == nil {
			err = cmd.Start()
		}
		started <- err
	}()
	return <-started
}

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
	if err := ThreadKeyring(); err != nil {
		return err
	}
	// Asked behind that: that the one before cannot be used does not mean that there is none.
	id, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		return nil // there are no keys here
	}
	if err != nil {
		return fmt.Errorf("find our session keyring: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find our own program: %w", err)
	}
	err = syscall.Exec(self, os.Args, append(os.Environ(), ringVar+"="+strconv.Itoa(id)))
	return fmt.Errorf("begin again with a session keyring of our own: %w", err)
}
