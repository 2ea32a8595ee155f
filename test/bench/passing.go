package main

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// passing stands in front of a tmux socket and hands on what comes, with its
// descriptors, as plainly as Go can. With flush it has the disk confirm one write before
// the first byte goes on, as whoever writes down a command before it is run has to.
type passing struct {
	l     *net.UnixListener
	to    string
	flush *os.File
	wg    sync.WaitGroup
}

func newPassing(b *bed, flush bool) (*passing, error) {
	p := &passing{to: b.socket}
	if flush {
		f, err := os.Create(filepath.Join(b.dir, "flushed"))
		if err != nil {
			return nil, err
		}
		p.flush = f
		// The blocks are there beforehand, as in muxward's log.
		if _, err := f.Write(make([]byte, 1<<20)); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if err := f.Sync(); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	path := filepath.Join(b.dir, "passing")
	_ = os.Remove(path)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	p.l = l
	p.wg.Go(p.accept)
	return p, nil
}

func (p *passing) close() {
	_ = p.l.Close()
	p.wg.Wait()
	if p.flush != nil {
		_ = p.flush.Close()
	}
}

func (p *passing) accept() {
	for {
		c, err := p.l.AcceptUnix()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.serve(c) })
	}
}

func (p *passing) serve(c *net.UnixConn) {
	defer c.Close()
	s, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: p.to, Net: "unix"})
	if err != nil {
		return
	}
	defer s.Close()
	var wg sync.WaitGroup
	wg.Go(func() { p.copy(s, c, p.flush) })
	p.copy(c, s, nil)
	_ = c.Close()
	wg.Wait()
}

func (p *passing) copy(to, from *net.UnixConn, flush *os.File) {
	defer to.CloseWrite() //nolint:errcheck // the other side may have gone
	data, oob := make([]byte, 16384), make([]byte, 1024)
	for {
		n, nOOB, _, _, err := from.ReadMsgUnix(data, oob)
		if err != nil || n == 0 {
			return
		}
		if flush != nil {
			if _, err := flush.WriteAt(data[:min(n, 400)], 0); err != nil || unix.Fdatasync(int(flush.Fd())) != nil {
				return
			}
			flush = nil
		}
		_, _, err = to.WriteMsgUnix(data[:n], oob[:nOOB], nil)
		closeAll(oob[:nOOB])
		if err != nil {
			return
		}
	}
}

// closeAll closes the descriptors that came with a message.
func closeAll(oob []byte) {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return
	}
	for _, m := range msgs {
		if fds, err := unix.ParseUnixRights(&m); err == nil {
			for _, fd := range fds {
				_ = unix.Close(fd)
			}
		}
	}
}

// commandPassing compares a command with one that only passes on its way: what standing
// between costs before anything is decided, and with flush, before it is written down.
func commandPassing(flush bool, args ...string) func(*bed, int) (string, error) {
	return func(b *bed, n int) (string, error) {
		p, err := newPassing(b, flush)
		if err != nil {
			return "", err
		}
		defer p.close()
		return b.oneShots(n, append([]string{"-S", p.l.Addr().String()}, args...), args)
	}
}
