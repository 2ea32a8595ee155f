package attack

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/muxward/muxward/test/host"
)

// The log's file is cut by logrotate's copytruncate under muxward's hands. The
// log goes on in a new file, there is an alarm, and `audit verify` finds what
// is missing. The control run verifies before. Files that are renamed or
// deleted while open are shown below the whole program.
// Those were seen to fail with the look at the inode left out.
func TestF34LogCut(t *testing.T) {
	shownByPackage(t, "audit.TestFileDeletedWhileOpen", "audit.TestFileRenamedWhileOpen",
		"audit.TestFileTruncatedWhileOpen", "audit.TestForeignBytesWhileOpen")
	b := lay(t, host.Config{})
	b.typed(typist, "before")
	b.VerifyAudit()
	logs, err := filepath.Glob(b.State + "/audit/*.log")
	if err != nil || len(logs) == 0 {
		t.Fatalf("no log: %v", err)
	}
	if err := os.Truncate(logs[len(logs)-1], 0); err != nil {
		t.Fatal(err)
	}
	b.typed(typist, "after")
	b.alarmed("was cut")
	if r := b.Muxward("", "audit", "verify", "--state", b.State); r.Code == 0 {
		t.Errorf("a log that was cut verifies: %+v", r)
	}
	var last uint64
	for _, e := range b.Audit() {
		if e.Seq <= last {
			t.Errorf("number %d follows %d", e.Seq, last)
		}
		last = e.Seq
	}
}
