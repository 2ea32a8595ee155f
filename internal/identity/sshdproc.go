package identity

import (
	"errors"

	"github.com/muxward/muxward/internal/procfs"
)

// processOf gives a peer's process, for good.
func processOf(p *Peer) (process, error) {
	st, err := procfs.ReadStat(p.pid)
	if err != nil || !p.Alive() {
		return process{}, ErrPeerGone
	}
	return process{p.pid, st.Start}, nil
}

// sshdAbove gives the parent of a process, if that is an sshd of root's.
func sshdAbove(p *Peer, isSSHD func(pid int) error) (process, error) {
	st, err := procfs.ReadStat(p.pid)
	if err != nil || !p.Alive() {
		return process{}, ErrPeerGone
	}
	up, same := parent(p.pid, st)
	if !same || st.PPID <= 1 {
		return process{}, errors.New("whoever asked for it has ended")
	}
	if err := isSSHD(st.PPID); err != nil {
		return process{}, err
	}
	again, err := procfs.ReadStat(p.pid)
	if err != nil || again.PPID != st.PPID || !p.Alive() {
		return process{}, errors.New("whoever asked for it has ended")
	}
	return process{st.PPID, up.Start}, nil
}

// descends reports why a process is not below another.
func descends(p *Peer, from process) error {
	errElse := errors.New("the ticket is for another connection")
	st, err := procfs.ReadStat(p.pid)
	if err != nil || !p.Alive() {
		return ErrPeerGone
	}
	held, pid := st, p.pid
	for range maxAncestry {
		if (process{pid, st.Start}) == from {
			if !p.Alive() {
				return ErrPeerGone
			}
			return nil
		}
		if st.PPID <= 1 {
			return errElse
		}
		up, same := parent(pid, st)
		if same {
			pid, st = st.PPID, up
			continue
		}
		// The parent ended meanwhile: begin again, as find does.
		pid = p.pid
		if st, err = procfs.ReadStat(pid); err != nil || st.Start != held.Start {
			return ErrPeerGone
		}
	}
	return errElse
}
