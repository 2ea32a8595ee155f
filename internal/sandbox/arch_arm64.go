package sandbox

import "golang.org/x/sys/unix"

// auditArch is this architecture, and foreignCalls from where on numbers are no calls.
const (
	auditArch    = unix.AUDIT_ARCH_AARCH64
	foreignCalls = 0x40000000
)

func ofThisKind() []uint32 { return nil }

func outsideOfThisKind() []uint32 { return nil }
