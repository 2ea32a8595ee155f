package attack

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// A door is broken behind muxward's back: its socket is deleted, replaced by a
// file or by a symbolic link to somewhere else, or made open for all, or its
// whole directory goes, as a tidy-up of old files does it. Within seconds it is
// as it was, with an alarm, and nothing was made where the link points. In the
// control run muxward is stopped, and the door stays broken.
func TestF26DoorBroken(t *testing.T) {
	b := lay(t, host.Config{})
	aside := tmuxtest.Dir(t, tmuxtest.Account{}) + "/elsewhere"
	door := doorOf(b, viewer)
	was, err := os.Lstat(door)
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	asWas := func() bool {
		info, err := os.Lstat(door)
		return err == nil && info.Mode() == was.Mode() && b.Tmux(viewer, "ls").Code == 0
	}
	faults := []struct {
		name string
		make func()
	}{
		{"deleted", func() { must(os.Remove(door)) }},
		// Made elsewhere, as the door may be back the moment it is gone.
		{"file", func() {
			must(os.WriteFile(b.Base+"/mine", []byte("mine"), 0o666))
			must(os.Rename(b.Base+"/mine", door))
		}},
		{"link", func() { must(os.Symlink(aside, b.Base+"/link")); must(os.Rename(b.Base+"/link", door)) }},
		{"mode", func() { must(os.Chmod(door, 0o777)) }},
		{"directory", func() { must(os.RemoveAll(filepath.Dir(door))) }},
		{"directory mode", func() { must(os.Chmod(filepath.Dir(door), 0o777)) }},
	}
	calm := b.resting()
	rounds := soak.N(170, 1) // a thousand faults
	for range rounds * len(faults) {
		f := faults[0]
		faults = append(faults[1:], f)
		f.make()
		broken := time.Now()
		b.typed(typist, "t"+randomWord()) // others work on
		tmuxtest.Eventually(t, asWas, "after %s the door is as it was; muxward says:\n%s", f.name, b.Output())
		if info, err := os.Lstat(filepath.Dir(door)); err != nil || info.Mode().Perm() != 0o500 {
			tmuxtest.Eventually(t, func() bool {
				info, err := os.Lstat(filepath.Dir(door))
				return err == nil && info.Mode().Perm() == 0o500
			}, "after %s the directory is closed", f.name)
		}
		inTime(t, broken, 5*time.Second, "after %s the door is as it was", f.name)
	}
	if _, err := os.Lstat(aside); err == nil {
		t.Error("something was made where the link pointed")
	}
	told := 0
	if !soon(func() bool { told = b.logs("door", "put right"); return told >= rounds*len(faults) }) { // it is told once it is done
		t.Errorf("%d faults of the door are in the log, want %d", told, rounds*len(faults))
	}
	b.VerifyAudit()
	b.Signal(sigStop)
	must(os.Chmod(door, 0o777))
	pause(1e9)
	if info, err := os.Lstat(door); err != nil || info.Mode() == was.Mode() {
		t.Errorf("control run: the door puts itself right: %v", err)
	}
	b.Signal(sigCont)
	tmuxtest.Eventually(t, asWas, "the door is as it was")
	calm()
}
