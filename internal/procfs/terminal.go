package procfs

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// TerminalOwner gives the uid that a pseudo-terminal of this host belongs to. No other path
// is looked at, whoever tells it.
func TerminalOwner(path string) (uint32, error) {
	number, ok := strings.CutPrefix(path, "/dev/pts/")
	if !ok || number == "" || strings.Trim(number, "0123456789") != "" {
		return 0, fmt.Errorf("%.40q is no terminal", path)
	}
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return 0, fmt.Errorf("look at the terminal %s: %w", path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFCHR {
		return 0, fmt.Errorf("%s is no terminal", path)
	}
	return st.Uid, nil
}
