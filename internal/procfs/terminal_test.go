package procfs

import (
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// Whose a terminal is is asked of terminals alone, whatever path a server tells.
func TestTerminalOwner(t *testing.T) {
	for _, path := range []string{"", "/dev/null", "/dev/pts/", "/dev/pts/ptmx", "/dev/pts/../null", "/dev/pts/1/../2", "/etc/passwd", "/dev/pts/99999999"} {
		if uid, err := TerminalOwner(path); err == nil {
			t.Errorf("%q: %d", path, uid)
		}
	}
	m, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	n, err := unix.IoctlGetInt(int(m.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if uid, err := TerminalOwner("/dev/pts/" + strconv.Itoa(n)); err != nil || uid != uint32(os.Geteuid()) {
		t.Errorf("%d, %v", uid, err)
	}
}
