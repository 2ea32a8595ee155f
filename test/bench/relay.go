package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/attach"
)

// relayProgram runs a command on a terminal of its own and copies between that
// and ours, as plainly as Go can.
func relayProgram(argv []string) {
	if err := relay(argv); err != nil {
		fmt.Fprintln(os.Stderr, "relay:", err)
		os.Exit(1)
	}
}

func relay(argv []string) error {
	t, err := unix.IoctlGetTermios(0, unix.TCGETS)
	if err != nil {
		return err
	}
	raw := *t
	raw.Iflag &^= unix.ICRNL | unix.IXON
	raw.Oflag &^= unix.OPOST
	raw.Lflag &^= unix.ICANON | unix.ECHO | unix.ISIG | unix.IEXTEN
	if err := unix.IoctlSetTermios(0, unix.TCSETS, &raw); err != nil {
		return err
	}
	pty, err := attach.OpenPty(attach.Size{Cols: 200, Rows: 50})
	if err != nil {
		return err
	}
	peer, err := pty.Peer()
	if err != nil {
		return err
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = peer, peer, peer
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	_ = peer.Close()
	if err := unix.SetNonblock(0, true); err != nil {
		return err
	}
	in := os.NewFile(0, "terminal")
	go func() { _, _ = io.Copy(plainWriter{pty}, in) }()
	_, _ = io.Copy(in, plainReader{pty}) // until the client has ended
	return cmd.Wait()
}

type plainReader struct{ pty *attach.Pty }

func (r plainReader) Read(p []byte) (int, error) { return r.pty.Read(p, nil) }

type plainWriter struct{ pty *attach.Pty }

func (w plainWriter) Write(p []byte) (int, error) { return w.pty.TryWrite(p) }
