package audit

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// TestRealDisks fills, freezes and breaks real file systems. As root the tests
// of this package have a mount namespace of their own, so that nothing stays
// mounted whatever happens.
func TestRealDisks(t *testing.T) {
	if !tmuxtest.HasAccounts() {
		tmuxtest.Skip(t, "needs root to mount file systems")
	}
	t.Run("full", testFullDisk)
	t.Run("full without reserve", testFullDiskWithoutReserve)
	t.Run("no inodes", testNoInodes)
	t.Run("quota", testQuota)
	t.Run("read-only at start", testReadOnly)
	t.Run("frozen", testFrozenDisk)
	t.Run("dies", testDyingDisk)
}

// tmpfs mounts one and gives a place for a log on it.
func tmpfs(t *testing.T, options string) string {
	t.Helper()
	at := t.TempDir()
	if err := unix.Mount("audit-test", at, "tmpfs", 0, options); err != nil {
		tmuxtest.Skip(t, "cannot mount a tmpfs with %s: %v", options, err)
	}
	t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
	return filepath.Join(at, "audit")
}

// ext4 makes one in a file; remount mounts it again after it was unmounted.
func ext4(t *testing.T) (dir string, remount, unmount func()) {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 32<<20); err != nil {
		t.Fatal(err)
	}
	at := t.TempDir()
	run := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			tmuxtest.Skip(t, "%s %v: %v %s", name, args, err, out)
		}
	}
	run("mkfs.ext4", "-q", "-F", image)
	remount = func() { t.Helper(); run("mount", "-o", "loop", image, at) }
	unmount = func() { t.Helper(); run("umount", at) }
	remount()
	t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
	return filepath.Join(at, "audit"), remount, unmount
}

// hog takes all space beside the log, and gives it back.
func hog(t *testing.T, dir string) (release func()) {
	t.Helper()
	path := filepath.Join(filepath.Dir(dir), "hog")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 64<<10); len(block) >= 512; {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

func testFullDisk(t *testing.T) {
	dir := tmpfs(t, "size=16m")
	l := open(t, Options{Dir: dir, Reserve: 1 << 20})
	must(t, l, intent(1, "before"))
	release := hog(t, dir)
	// A look at the space while it was filling up may still take commands.
	eventually(t, "commands are refused", func() bool {
		_, err := l.Append(t.Context(), access.MustRecordClass, intent(9, "ls"))
		return errors.Is(err, ErrSink)
	})
	refusedSoon(t, l, "full")
	// Taking rights away still works, on what was set aside for it.
	for range 200 {
		must(t, l, access.Event{Kind: access.EventRevoke, Person: "mallory", Reason: strings.Repeat("r", 500)})
	}
	if _, err := l.Append(t.Context(), access.MustRecordClass, intent(2, "ls")); !errors.Is(err, ErrSink) {
		t.Errorf("a command on a full disk: %v", err)
	}
	release()
	eventually(t, "health", func() bool { return l.Health().OK })
	must(t, l, intent(3, "after"))
	shut(t, l)
	proved(t, dir)
	if n := len(all(t, dir, Filter{Kind: access.EventRevoke})); n != 200 {
		t.Errorf("%d of 200 revocations", n)
	}
}

func testFullDiskWithoutReserve(t *testing.T) {
	dir := tmpfs(t, "size=4m")
	l := open(t, Options{Dir: dir, Reserve: -1})
	release := hog(t, dir)
	// What is left of the last page fills up, then it is refused.
	refusedSoon(t, l, "full")
	seen := len(all(t, dir, Filter{}))
	if data := records(t, filepath.Join(dir, segmentName(1))); data[len(data)-1] != '\n' {
		t.Error("half a record is left")
	}
	release()
	healthySoon(t, l, dir)
	shut(t, l)
	proved(t, dir)
	if now := len(all(t, dir, Filter{})); now <= seen {
		t.Errorf("%d records, %d before", now, seen)
	}
}

func testNoInodes(t *testing.T) {
	dir := tmpfs(t, "size=16m,nr_inodes=20")
	l := open(t, Options{Dir: dir, Reserve: -1, SegmentSize: 2000})
	for i := 0; ; i++ {
		if err := os.WriteFile(filepath.Join(filepath.Dir(dir), fmt.Sprint("f", i)), nil, 0o600); err != nil {
			break
		}
	}
	for i := range 100 {
		must(t, l, intent(uint64(i+1), "x"))
	}
	eventually(t, "an alarm", func() bool {
		return strings.Contains(strings.Join(notes(t, dir, access.EventAlarm), " "), "cannot be begun")
	})
	if !l.Health().OK {
		t.Errorf("health %+v", l.Health())
	}
	shut(t, l)
	proved(t, dir)
}

func testQuota(t *testing.T) {
	dir := tmpfs(t, "size=16m,usrquota,usrquota_block_hardlimit=1m")
	l := open(t, Options{Dir: dir, Reserve: -1})
	filler := filepath.Join(filepath.Dir(dir), "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(make([]byte, 2<<20))
	f.Close()
	if !errors.Is(err, unix.EDQUOT) {
		tmuxtest.Skip(t, "quotas do not bind here: %v", err)
	}
	refusedSoon(t, l, "quota")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	healthySoon(t, l, dir)
	shut(t, l)
	proved(t, dir)
}

func testReadOnly(t *testing.T) {
	dir := tmpfs(t, "size=4m")
	shut(t, open(t, Options{Dir: dir}))
	if err := unix.Mount("", filepath.Dir(dir), "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if l, err := Open(t.Context(), Options{Dir: dir}); err == nil {
		shut(t, l)
		t.Error("opened a log that cannot be written")
	}
	proved(t, dir) // reading and proving need no writing
}

// A frozen file system lets every write hang.
func testFrozenDisk(t *testing.T) {
	dir, _, _ := ext4(t)
	l := open(t, Options{Dir: dir})
	must(t, l, intent(1, "before"))
	at, err := os.Open(filepath.Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	const freeze, thaw = 0xC0045877, 0xC0045878
	ioctl := func(op uintptr) error {
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, at.Fd(), op, 0); errno != 0 {
			return errno
		}
		return nil
	}
	if err := ioctl(freeze); err != nil {
		tmuxtest.Skip(t, "cannot freeze: %v", err)
	}
	thawed := false
	defer func() {
		if !thawed {
			_ = ioctl(thaw)
		}
	}()
	for range 3 {
		_, err := l.Append(t.Context(), access.MustRecordClass, intent(2, "x"))
		if !errors.Is(err, ErrSink) || !strings.Contains(err.Error(), "does not answer") {
			t.Errorf("append on a frozen file system: %v", err)
		}
	}
	if err := ioctl(thaw); err != nil {
		t.Fatal(err)
	}
	thawed = true
	eventually(t, "health", func() bool { return l.Health().OK })
	must(t, l, intent(3, "after"))
	shut(t, l)
	proved(t, dir)
}

// A disk that dies under the log, as after an I/O error of its journal; then
// the machine is started again.
func testDyingDisk(t *testing.T) {
	dir, remount, unmount := ext4(t)
	l := open(t, Options{Dir: dir})
	var acked []uint64
	for i := range 20 {
		acked = append(acked, must(t, l, intent(uint64(i+1), "x")))
	}
	best(t, l, access.Event{Kind: access.EventKeys})
	if out, err := exec.Command("mount", "-o", "remount,abort", filepath.Dir(dir)).CombinedOutput(); err != nil {
		tmuxtest.Skip(t, "cannot break the file system: %v %s", err, out)
	}
	eventually(t, "must-record events are refused", func() bool {
		_, err := l.Append(t.Context(), access.MustRecordClass, intent(100, "x"))
		return errors.Is(err, ErrSink)
	})
	refusedSoon(t, l, "")
	shut(t, l)
	unmount()
	remount()
	shut(t, open(t, Options{Dir: dir}))
	proved(t, dir)
	have := map[uint64]bool{}
	for _, rec := range all(t, dir, Filter{Kind: access.EventIntent}) {
		have[rec.Seq] = true
	}
	for _, seq := range acked {
		if !have[seq] {
			t.Errorf("record %d was acknowledged and is lost", seq)
		}
	}
}
