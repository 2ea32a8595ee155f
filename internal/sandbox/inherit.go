package sandbox

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// NoInheritable takes from all of this process the capabilities that programs would inherit, such
// as those that a container, or pam_cap for root's session, has left to whoever starts it. Whom a
// program with such capabilities of its own is for (setcap cap_x=ei) says who has them.
func NoInheritable() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	if err := unix.Capget(&header, &caps[0]); err != nil {
		return fmt.Errorf("read our capabilities: %w", err)
	}
	if caps[0].Inheritable|caps[1].Inheritable == 0 {
		return nil
	}
	caps[0].Inheritable, caps[1].Inheritable = 0, 0
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&caps[0])), 0)
	if errno != 0 {
		return errors.Join(errors.New("give up what programs would inherit of our capabilities"), errno)
	}
	return nil
}
