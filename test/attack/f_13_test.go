package attack

import "testing"

// A sync takes ten seconds. Who must be recorded waits, with a notice; others
// do not. It is shown below the whole program, on a disk that hangs and on a
// frozen file system.
func TestF13SlowSync(t *testing.T) {
	shownByPackage(t, "audit.TestMustRecordWaitsForTheDisk", "audit.TestWriteHangs", "audit.TestRealDisks",
		"audit.TestGroupCommit")
}
