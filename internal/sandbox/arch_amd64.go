package sandbox

import "golang.org/x/sys/unix"

// auditArch is this architecture, and foreignCalls from where on numbers are those of
// another way to make calls (x32).
const (
	auditArch    = unix.AUDIT_ARCH_X86_64
	foreignCalls = 0x40000000
)

func ofThisKind() []uint32 { return []uint32{unix.SYS_IOPL, unix.SYS_IOPERM, unix.SYS_MODIFY_LDT} }

func noChildrenOfThisKind() []Rule {
	return []Rule{{Call: unix.SYS_FORK}, {Call: unix.SYS_VFORK}}
}

func bareOfThisKind() []uint32 { return []uint32{unix.SYS_ARCH_PRCTL, unix.SYS_EPOLL_WAIT} }
