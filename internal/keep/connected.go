package keep

import (
	"errors"
	"fmt"
	"io"
	"maps"
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
	p, err := s.peers(end)
	if err != nil {
		return fmt.Sprintf("who is connected now cannot be seen: %v", err)
	}
	holders := holdersOf(p.others, end)
	var said []string
	for _, c := range p.others {
		if len(said) == maxConnected {
			said = append(said, fmt.Sprintf("and %d more", len(p.others)-maxConnected))
			break
		}
		said = append(said, c.describe(holders[c.inode]))
	}
	if p.unseen > 0 {
		said = append(said, fmt.Sprintf("%d from other network namespaces, of which nobody can be named", p.unseen))
	}
	if p.waiting > 0 {
		said = append(said, fmt.Sprintf("%d that the server has not accepted yet, which can be ours", p.waiting))
	}
	if len(said) == 0 {
		return "nobody is connected now"
	}
	return "connected now: " + strings.Join(said, ", ")
}

// describe names who is at an end of a connection.
func (c connection) describe(pid int) string {
	if pid == 0 {
		if c.uid == ^uint32(0) {
			return "somebody who is not seen"
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

// peers are who is connected to a server.
type peers struct {
	others  []connection // the other ends, but for those that we made
	unseen  int          // sockets of the server that our network namespace does not have
	waiting int          // whoever was not accepted yet: of them only the number is known
}

// peers tells who is connected to the server. Both ends of a connection are in the network
// namespace of who has connected (connect makes them), and the kernel lists only ours: what
// the server has open besides that is somebody's of another one.
func (s *server) peers(end time.Time) (peers, error) {
	before, err := s.sockets(end)
	if err != nil {
		return peers{}, err
	}
	mine := s.ourInodes()
	all, err := connections(end) // without mu, as it takes its time
	if err != nil {
		return peers{}, err
	}
	after, err := s.sockets(end)
	if err != nil {
		return peers{}, err
	}
	byInode := make(map[uint32]connection, len(all))
	for _, c := range all {
		byInode[c.inode] = c
	}
	var p peers
	for inode := range after {
		if _, listed := byInode[inode]; before[inode] && !listed { // it was there all the time
			p.unseen++
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ours.prune(mine, byInode)
	inner := s.k.innerPath(s.rec.ID)
	for _, c := range all {
		switch {
		case strings.TrimRight(c.name, "\x00") != inner:
		case c.state == diagListens && before[c.inode]:
			p.waiting += int(c.queue)
		case c.state != diagEstablished, c.peer == 0, mine[c.peer], s.ours.has(c.peer): // of before, or made meanwhile
		default:
			other, ok := byInode[c.peer]
			if !ok {
				other = connection{inode: c.peer, uid: ^uint32(0)}
			}
			p.others = append(p.others, other)
		}
	}
	return p, nil
}

// ourInodes gives the connections of ours that are known.
func (s *server) ourInodes() map[uint32]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.ours.known)
}

// sockets gives the inodes of the sockets that the server has open.
func (s *server) sockets(end time.Time) (map[uint32]bool, error) {
	out := map[uint32]bool{}
	err := eachSocket(s.rec.PID, end, func(inode uint32) { out[inode] = true })
	if err == nil && time.Now().After(end) {
		err = errors.New("it takes too long")
	}
	if err != nil {
		return nil, fmt.Errorf("what the server has open: %w", err)
	}
	return out, nil
}

// eachSocket calls do with the sockets that a process has open, until the time is over. No
// descriptor is touched: reading where it leads to does not go there.
func eachSocket(pid int, end time.Time, do func(inode uint32)) error {
	dir, err := os.Open(procFile(pid, "fd"))
	if err != nil {
		return err
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(256)
		for _, n := range names {
			link, _ := os.Readlink(dir.Name() + "/" + n) // closed by now is fine
			num, is := strings.CutPrefix(strings.TrimSuffix(link, "]"), "socket:[")
			if inode, err := strconv.ParseUint(num, 10, 32); is && err == nil {
				do(uint32(inode))
			}
		}
		switch {
		case errors.Is(err, io.EOF), err == nil && time.Now().After(end):
			return nil
		case err != nil:
			return err
		}
	}
}

// holdersOf finds processes that have these open, as far as that can be seen in time.
func holdersOf(others []connection, end time.Time) map[uint32]int {
	out := map[uint32]int{}
	if len(others) == 0 {
		return out
	}
	pids, _ := processes() // it is a report, and so is the rest
	for _, pid := range pids {
		_ = eachSocket(pid, end, func(inode uint32) {
			if slices.ContainsFunc(others, func(c connection) bool { return c.inode == inode }) {
				out[inode] = pid
			}
		})
		if len(out) == len(others) || time.Now().After(end) {
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
		i.prune(i.known, there)
	}
	i.known[uint32(st.Ino)] = true
	return nil
}

// prune forgets those of these that are not there any more.
func (i *inodes) prune(these map[uint32]bool, there map[uint32]connection) {
	for inode := range these {
		if _, is := there[inode]; !is {
			delete(i.known, inode)
		}
	}
	i.most = max(fewInodes, 2*len(i.known))
}
