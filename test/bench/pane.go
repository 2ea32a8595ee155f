package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// paneProgram is what runs in the panes: an echo in raw mode, or something
// that draws full screens when told to, or one that writes what comes, and when, to a
// file.
func paneProgram(kind string, more ...string) {
	if t, err := unix.IoctlGetTermios(0, unix.TCGETS); err == nil {
		t.Lflag &^= unix.ICANON | unix.ECHO | unix.ISIG
		t.Iflag &^= unix.ICRNL
		_ = unix.IoctlSetTermios(0, unix.TCSETS, t)
	}
	var record *os.File
	if kind == "record" {
		var err error
		if record, err = os.OpenFile(more[0], os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
			return
		}
	}
	fmt.Print("PANE-READY")
	buf := make([]byte, 4096)
	for {
		n, err := os.Stdin.Read(buf)
		if err != nil {
			return
		}
		if bytes.IndexByte(buf[:n], 'C') >= 0 {
			fmt.Print("\x1b[H\x1b[JPANE-READY")
			continue
		}
		if kind == "draw" && bytes.ContainsAny(buf[:n], "gG") {
			draw(2000)
			continue
		}
		if kind == "record" {
			_, _ = os.Stdout.Write(buf[:n])
			_, _ = fmt.Fprintf(record, "%d %q\n", time.Now().UnixNano(), buf[:n])
			continue
		}
		if kind == "echo" {
			_, _ = os.Stdout.Write(buf[:n])
		}
	}
}

// draw redraws the whole screen n times in changing colours, and then says so.
func draw(n int) {
	w := bufio.NewWriterSize(os.Stdout, 64<<10)
	for i := range n {
		fmt.Fprint(w, "\x1b[H")
		for row := range 48 {
			fmt.Fprintf(w, "\x1b[%d;1H\x1b[3%dm", row+1, (i+row)%7+1)
			for col := range 199 {
				_ = w.WriteByte(byte('a' + (i+row+col)%26))
			}
		}
		_ = w.Flush()
	}
	fmt.Fprint(w, "\x1b[H\x1b[0mDRAWN-ALL")
	_ = w.Flush()
}
