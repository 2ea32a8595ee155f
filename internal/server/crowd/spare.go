package crowd

import (
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/teeth"
)

// Few bounds those who come where there are no descriptors to spare, whoever may use many uids: each takes some
// of what is kept back.
func Few(b Bounds) Bounds {
	b.Each, b.Loose = 2, 16
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		b.Loose = max(4, int(kept(limit.Cur)/16))
	}
	return b
}

// mostSpared bounds how many descriptors are kept back. Of fewer that there may be in all it is a quarter.
const mostSpared = 256

// kept is how many descriptors are kept back.
func kept(limit uint64) uint64 { return min(mostSpared, limit/4) }

// Spares reports whether there are more descriptors left than are kept back for those who take from others what
// they have: whoever is here as often as they can would keep them from it. The kernel gives the lowest number that is
// free (dup(2)), so all below are taken.
func Spares() bool {
	var limit unix.Rlimit
	if teeth.Out(teeth.Room) || unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return true
	}
	fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0)
	if err != nil { // as there are none, or nothing is 0 here
		return err != unix.EMFILE
	}
	_ = unix.Close(fd)
	return uint64(fd) < limit.Cur-kept(limit.Cur)
}
