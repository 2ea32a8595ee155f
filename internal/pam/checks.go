package pam

import (
	"time"

	"github.com/muxward/muxward/internal/teeth"
)

// unchecked has any name reach PAM.
func unchecked() bool { return teeth.Out(teeth.PAM) }

// another reports whether PAM has let in somebody else than whom it was asked for.
func another(asked, got string) bool { return asked != got && !teeth.Out(teeth.PAM) }

// asked reports whether a login is one: something was asked and answered unseen.
func asked(unseen bool) bool { return unseen || teeth.Out(teeth.PAM) }

// overdue is how long something may take.
func overdue(d time.Duration) time.Duration {
	if teeth.Out(teeth.PAM) {
		return 24 * time.Hour
	}
	return d
}

// sweeps has what a login has started end with it.
func sweeps() bool { return !teeth.Out(teeth.PAM) }
