package keep

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxConnected bounds a report of connections.
const maxConnected = 16

// connectedTime is how long it may take to see who is connected.
const connectedTime = time.Second

// connected says who holds a connection to the server beside us, for people.
// Nothing is said to the server or read from it, and none of its descriptors is touched:
// the kernel knows what is connected, and tells of each process what it has open.
func (s *server) connected() string {
	end := time.Now().Add(connectedTime)
	peers, err := s.peers(end)
	if err != nil {
		return fmt.Sprintf("who is connected now cannot be seen: %v", err)
	}
	if len(peers) == 0 {
		return "nobody is connected now"
	}
	holders := holdersOf(peers, end)
	var others []string
	for _, p := range peers {
		if len(others) == maxConnected {
			others = append(others, fmt.Sprintf("and %d more", len(peers)-maxConnected))
			break
		}
		others = append(others, p.describe(holders[p.inode]))
	}
	return "connected now: " + strings.Join(others, ", ")
}

// describe names who is at an end of a connection.
func (c connection) describe(pid int) string {
	if pid == 0 {
		if c.uid == ^uint32(0) {
			return "somebody of another network namespace"
		}
		return fmt.Sprintf("uid %d (a process that is not seen)", c.uid)
	}
	if c.uid == ^uint32(0) {
		if uid, _, err := (&process{pid: pid}).runsAs(); err == nil {
			c.uid = uid
		}
	}
	return fmt.Sprintf("uid %d (process %s)", c.uid, describe([]int{pid}))
}

// peers gives the other ends of the server's connections, but for those that we made.
func (s *server) peers(end time.Time) ([]connection, error) {
	s.mu.Lock() // none of ours comes between
	defer s.mu.Unlock()
	all, err := connections(end)
	if err != nil {
		return nil, err
	}
	byInode := make(map[uint32]connection, len(all))
	for _, c := range all {
		byInode[c.inode] = c
	}
	inner := s.k.innerPath(s.rec.ID)
	var others []connection
	s.ours.prune(byInode)
	for _, c := range all {
		if strings.TrimRight(c.name, "\x00") != inner || c.peer == 0 || s.ours.has(c.peer) {
			continue
		}
		other, ok := byInode[c.peer]
		if !ok { // it is in another network namespace
			other = connection{inode: c.peer, uid: ^uint32(0)}
		}
		others = append(others, other)
	}
	return others, nil
}

// holdersOf finds processes that have these open, as far as that can be seen in time.
func holdersOf(peers []connection, end time.Time) map[uint32]int {
	out := map[uint32]int{}
	pids, _ := processes() // it is a report
	for _, pid := range pids {
		dir, err := os.Open(procFile(pid, "fd"))
		if err != nil {
			continue
		}
		for {
			names, err := dir.Readdirnames(256)
			for _, n := range names {
				link, _ := os.Readlink(dir.Name() + "/" + n) // which does not go to the file
				num, is := strings.CutPrefix(strings.TrimSuffix(link, "]"), "socket:[")
				ino, err := strconv.ParseUint(num, 10, 32)
				if is && err == nil && slices.ContainsFunc(peers, func(c connection) bool { return c.inode == uint32(ino) }) {
					out[uint32(ino)] = pid
				}
			}
			if err != nil || time.Now().After(end) {
				break
			}
		}
		_ = dir.Close()
		if len(out) == len(peers) || time.Now().After(end) {
			break
		}
	}
	return out
}

// inodes are those of connections that we made, whoever has them now.
type inodes struct {
	known map[uint32]bool
	most  int // of them, before it is looked which are there still
}

// fewInodes is how many are known at least before that.
const fewInodes = 1024

func (i *inodes) has(inode uint32) bool { return i.known[inode] }

// add remembers a connection.
func (i *inodes) add(f *os.File) error {
	st, err := statFile(f)
	if err != nil {
		return err
	}
	if i.known == nil {
		i.known, i.most = map[uint32]bool{}, fewInodes
	}
	if len(i.known) >= i.most {
		all, err := connections(time.Now().Add(connectedTime))
		if err != nil { // we may be told to be connected ourselves, then
			all = nil
		}
		there := make(map[uint32]connection, len(all))
		for _, c := range all {
			there[c.inode] = c
		}
		i.prune(there)
	}
	i.known[uint32(st.Ino)] = true
	return nil
}

// prune forgets those that are not there any more.
func (i *inodes) prune(there map[uint32]connection) {
	for inode := range i.known {
		if _, is := there[inode]; !is {
			delete(i.known, inode)
		}
	}
	i.most = max(fewInodes, 2*len(i.known))
}
