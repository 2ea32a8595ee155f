package sandbox

import "golang.org/x/sys/unix"

// auditArch is this architecture, and foreignCalls from where on numbers are those of
// another way to make calls (x32).
const (
	auditArch    = unix.AUDIT_ARCH_X86_64
	foreignCalls = 0x40000000
)

func ofThisKind() []uint32 { return []uint32{unix.SYS_IOPL, unix.SYS_IOPERM, unix.SYS_MODIFY_LDT} }

func outsideOfThisKind() []uint32 {
	return []uint32{unix.SYS_OPEN, unix.SYS_CREAT, unix.SYS_UNLINK, unix.SYS_RENAME, unix.SYS_LINK, unix.SYS_SYMLINK, unix.SYS_MKDIR,
		unix.SYS_MKNOD, unix.SYS_CHMOD, unix.SYS_CHOWN, unix.SYS_LCHOWN, unix.SYS_FORK, unix.SYS_VFORK}
}
