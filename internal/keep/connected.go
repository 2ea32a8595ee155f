package keep

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/procfs"
)

// maxConnected bounds a report of connections.
const maxConnected = 16

// connected says who holds a connection to the server beside us, for people.
// Nothing is said to the server or read from it: its own descriptors are looked
// at, and the kernel knows who made the connections.
func (s *server) connected() string {
	peers, err := s.peers()
	if err != nil {
		return fmt.Sprintf("who is connected now cannot be seen: %v", err)
	}
	var others []string
	for _, p := range peers {
		if int(p.Pid) != os.Getpid() {
			others = append(others, fmt.Sprintf("uid %d (process %s)", p.Uid, describe([]int{int(p.Pid)})))
		}
	}
	switch n := len(others); {
	case n == 0:
		return "nobody is connected now"
	case n > maxConnected:
		others = append(others[:maxConnected], fmt.Sprintf("and %d more", n-maxConnected))
	}
	return "connected now: " + strings.Join(others, ", ")
}

// peers gives the credentials of everybody who is connected to the server.
func (s *server) peers() (all []*unix.Ucred, err error) {
	names, err := os.ReadDir(procFile(s.rec.PID, "fd"))
	if err != nil {
		return nil, err
	}
	raw, err := s.proc.pidfd.SyscallConn()
	if err != nil {
		return nil, err
	}
	var inner error
	err = raw.Control(func(pidfd uintptr) {
		for _, e := range names {
			num, _ := strconv.Atoi(e.Name()) // always a number
			fd, err := unix.PidfdGetfd(int(pidfd), num, 0)
			if err == unix.EBADF {
				continue // closed meanwhile
			}
			if err != nil {
				inner = err
				return
			}
			if cred := procfs.Accepted(fd, s.k.innerPath(s.rec.ID)); cred != nil {
				all = append(all, cred)
			}
			_ = unix.Close(fd)
		}
	})
	if err == nil {
		err = inner
	}
	return all, err
}
