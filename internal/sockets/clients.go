package sockets

import (
	"context"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/procfs"
)

// helper is what keeps root's rights where muxward runs as an account of its own.
const helper = "muxward-helper"

// ours reports whether a process is a muxward that guards an account's servers:
// root's, the one that root's muxward-helper has started as another account, or its own.
// Others may call a program as they like.
func (w *world) ours(pid int, uid uint32) bool {
	p := w.byPID[pid]
	return p.program == "muxward" && p.uid == uid || p.roots() || w.helped(p)
}

// roots reports whether a process is root's muxward, or its helper: by what runs it, and
// by a file that root alone can have put there. Nobody gets root's number by that file.
func (p process) roots() bool { return p.program == "muxward" && p.uid == 0 && p.firm }

// helped reports whether a process is the muxward for which root's muxward-helper works.
// The helper is also the parent of servers, and what those run is their accounts' choice.
// So there has to be the line as well: a pair of sockets without a name, of which the
// helper has the other end. It gives that to nobody else.
func (w *world) helped(p process) bool {
	by := w.byPID[p.parent]
	if p.program != "muxward" || !p.firm || !by.roots() || filepath.Base(by.exe) != helper {
		return false
	}
	return slices.ContainsFunc(p.inodes, func(ino uint64) bool {
		e := w.l.list.get(ino)
		if e == nil || !e.line() {
			return false
		}
		other := w.l.list.get(e.peer)
		return other != nil && other.line() && slices.Contains(by.inodes, other.inode)
	})
}

// line reports whether a socket is one as those of such a pair are.
func (e *entry) line() bool {
	return e.typ == unix.SOCK_SEQPACKET && e.state == stateEstablished && e.name == "" && e.peer != 0
}

// clients gives the accounts of those connected to a server at one of its sockets,
// but for muxward; unknown says that there may be more. Each connection is one of
// the server's own descriptors. The kernel's list knows the other end of those from
// our network namespace; of all others the descriptor itself does.
func (w *world) clients(ctx context.Context, p process, at *entry) (out []uint32, unknown bool) {
	list := w.l.list
	if slices.Contains(p.apart, "net") {
		list = nil
	}
	var ask []int
	for i, ino := range p.inodes {
		e := list.get(ino)
		if e != nil && (e.state != stateEstablished || e.name != at.name) {
			continue
		}
		if e != nil {
			if peer := list.get(e.peer); peer != nil && peer.hasUID {
				if !w.ours(w.holds[peer.inode], p.uid) {
					out = append(out, peer.uid)
				}
				continue
			}
		}
		ask = append(ask, p.fds[i])
	}
	if len(ask) > 0 {
		creds, err := w.l.connected(ctx, p, ask, at.name)
		unknown = err != nil
		for _, c := range creds {
			if !w.ours(int(c.Pid), p.uid) {
				out = append(out, c.Uid)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out), unknown
}

// connected asks descriptors of a process who is at their other end, if they are
// connections that were accepted at a path. To let go of a descriptor may take as
// long as its owner likes, if it is the last to have it: that is not waited for.
func (l *looker) connected(ctx context.Context, p process, fds []int, path string) ([]*unix.Ucred, error) {
	type answer struct {
		creds []*unix.Ucred
		err   error
	}
	answers := make(chan answer, 1)
	ctx, cancel := context.WithTimeout(ctx, l.opt.Patience)
	defer cancel()
	go func() {
		var a answer
		a.creds, a.err = l.askPeers(ctx, p, fds, path)
		answers <- a
	}()
	select {
	case a := <-answers:
		return a.creds, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *looker) askPeers(ctx context.Context, p process, fds []int, path string) (all []*unix.Ucred, err error) {
	pidfd, err := unix.PidfdOpen(p.pid, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(pidfd)
	if st, err := readStat(l.proc + "/" + strconv.Itoa(p.pid)); err != nil || st.Start != p.start {
		return nil, errChanged
	}
	for _, num := range fds {
		if err := ctx.Err(); err != nil {
			return all, err
		}
		fd, err := unix.PidfdGetfd(pidfd, num, 0)
		if err == unix.EBADF {
			continue // closed meanwhile
		}
		if err != nil {
			return all, err
		}
		if cred := procfs.Accepted(fd, path); cred != nil {
			all = append(all, cred)
		}
		_ = unix.Close(fd)
	}
	return all, nil
}
