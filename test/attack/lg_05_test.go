package attack

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// The log's file system becomes read-only under the hands of a typist whose
// every key must be recorded. Their keys are refused, they are told on the
// screen, and nothing of it is typed later. Bob, whose keys need not be on the disk
// before they are typed, is told the same: a log that cannot be written at all
// takes nothing of anybody. (Where it is only slow, carol waits and bob does not:
// F-13.) What people see goes on. A full disk is F-11; a disk that hangs or syncs
// slowly is shown below the whole program. The control run is the typing before
// and after.
func TestLG05SinkReadOnly(t *testing.T) {
	shownByPackage(t, "audit.TestRealDisks", "audit.TestWriteHangs", "audit.TestSyncFails", "audit.TestSyncFailsAndDataIsLost")
	disk := mounted(t, "size=16m,mode=0711")
	b := lay(t, host.Config{State: disk + "/state", Policy: map[string]string{"grants.yaml": `grants:
  - {who: mwcarol, role: viewer, on: mwalice/shared, reason: looks}
  - {who: mwcarol, role: typist, on: "mwalice/shared:0.0", reason: types, record: must}
  - {who: mwbob, role: viewer, on: mwalice/other, reason: watches}
  - {who: mwbob, role: typist, on: "mwalice/other:0.0", reason: types}
  - {who: root, role: admin, on: "*", reason: runs it}
`}})
	c := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	c.WaitFor("recording")
	c.Type("before")
	b.arrived("before")
	bob := b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/other")
	bob.WaitFor("[other]")
	bob.Type("bobs-before")
	bob.WaitFor("bobs-before")
	// Files that are open for writing keep a file system writable: it is put
	// out of reach of the files' own names as well, by mounting over it.
	if err := unix.Mount("", disk, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		over := unix.Mount("muxward-test", disk+"/state/audit", "tmpfs", unix.MS_RDONLY, "")
		if over != nil {
			t.Fatal(err, over)
		}
		t.Cleanup(func() { _ = unix.Unmount(disk+"/state/audit", unix.MNT_DETACH) })
	}
	b.turnsRed("cannot be written")
	n := b.rec.Len()
	typed := time.Now()
	c.Type("unwritten")
	c.WaitTold("not typed")
	inTime(t, typed, time.Second, "refused without a record")
	typed = time.Now()
	bob.Type("bobs-unwritten")
	bob.WaitTold("not typed")
	inTime(t, typed, time.Second, "refused without a record, of the other class")
	news := "n" + randomWord()
	b.server.Run("rename-window", "-t", "other:0", news)
	bob.WaitFor(news)
	b.refusedUnwritten("by-command")
	if b.rec.Len() != n {
		t.Errorf("typed without a record: %q", b.rec.Bytes()[n:])
	}
	_ = unix.Unmount(disk+"/state/audit", unix.MNT_DETACH) // only if it was mounted over
	_ = unix.Mount("", disk, "", unix.MS_REMOUNT, "size=16m")
	b.turnsGreen()
	word := "a" + randomWord()
	tmuxtest.Eventually(t, func() bool {
		return b.Tmux(typist, "send-keys", "-t", "mwalice/shared:0.0", "-l", word).Code == 0
	}, "typing goes on")
	b.arrived(word)
	c.Type("typed-again")
	b.arrived("typed-again")
	bob.Type("bobs-after")
	bob.WaitFor("bobs-after")
	if shown := b.server.Run("capture-pane", "-p", "-t", "other:0.0"); strings.Contains(shown, "unwritten") {
		t.Errorf("bob typed without a record: %q", shown)
	}
	// What came first would have come first.
	for _, refused := range []string{"unwritten", "by-command"} {
		if strings.Contains(string(b.rec.Bytes()), refused) {
			t.Errorf("%q was refused and is typed late: %q", refused, b.rec.Bytes()[n:])
		}
	}
	if got := string(b.rec.Bytes()[n:]); got != word+"typed-again" {
		t.Errorf("the pane got %q, want what was typed since, and no more", got)
	}
	b.VerifyAudit()
}

// refusedUnwritten has the typist send keys by a command, which is refused
// because it cannot be recorded.
func (b *bed) refusedUnwritten(keys string) {
	b.t.Helper()
	r := b.Tmux(typist, "send-keys", "-t", "mwalice/shared:0.0", "-l", keys)
	if r.Code == 0 || !strings.Contains(r.Err, "recorded") {
		b.t.Errorf("a command that cannot be recorded: %+v", r)
	}
}
