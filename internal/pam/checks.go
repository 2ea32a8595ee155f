package pam

import "time"

// unchecked has any name reach PAM.
func unchecked() bool { return false }

// another reports whether PAM has let in somebody else than whom it was asked for.
func another(asked, got string) bool { return asked != got }

// overdue is how long something may take.
func overdue(d time.Duration) time.Duration { return d }

// sweeps has what a login has started end with it.
func sweeps() bool { return true }
