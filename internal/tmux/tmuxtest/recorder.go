package tmuxtest

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Recorder is a program for a pane. It puts its terminal into raw mode and
// writes every byte it receives to a file, so that what reached a pane can be
// counted and compared. It ends when its terminal does.
type Recorder struct {
	t    testing.TB
	file string
}

// NewRecorder makes the file of a recorder that any account may run. Give
// [Recorder.Command] to tmux to start it.
func NewRecorder(t testing.TB) *Recorder {
	t.Helper()
	r := &Recorder{t: t, file: filepath.Join(Dir(t, Account{}), "bytes")}
	for _, name := range []string{r.file, r.file + ".ready"} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, 0o666); err != nil { // past the umask
			t.Fatal(err)
		}
	}
	return r
}

// Command is the shell command that runs the recorder.
func (r *Recorder) Command() string {
	r.t.Helper()
	path, err := helper()
	if err != nil {
		r.t.Fatalf("tmuxtest: %v", err)
	}
	return fmt.Sprintf("exec env %s=%s %s=%s %s", roleVar, roleRecord, fileVar, r.file, path)
}

// WaitReady waits until the recorder runs and its terminal is raw.
func (r *Recorder) WaitReady() {
	r.t.Helper()
	Eventually(r.t, func() bool {
		info, err := os.Stat(r.file + ".ready")
		return err == nil && info.Size() > 0
	}, "the recorder runs")
}

// Bytes returns what was received so far.
func (r *Recorder) Bytes() []byte {
	r.t.Helper()
	b, err := os.ReadFile(r.file)
	if err != nil {
		r.t.Fatal(err)
	}
	return b
}

// Reset forgets what was received so far. Let nothing be on its way.
func (r *Recorder) Reset() {
	r.t.Helper()
	if err := os.Truncate(r.file, 0); err != nil {
		r.t.Fatal(err)
	}
}

// Len returns how many bytes were received so far.
func (r *Recorder) Len() int {
	r.t.Helper()
	info, err := os.Stat(r.file)
	if err != nil {
		r.t.Fatal(err)
	}
	return int(info.Size())
}

// MD5 returns the digest, in hex, of what was received so far.
func (r *Recorder) MD5() string {
	r.t.Helper()
	sum := md5.Sum(r.Bytes())
	return hex.EncodeToString(sum[:])
}

// WaitLen waits until at least n bytes were received.
func (r *Recorder) WaitLen(n int) {
	r.t.Helper()
	if !poll(Patience, func() bool { return r.Len() >= n }) {
		r.t.Fatalf("%d bytes reached the recorder within %s, want %d", r.Len(), Patience, n)
	}
}

// record is the recorder's main function.
func record(file string) int {
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return complain(err)
	}
	if err := makeRaw(0); err != nil {
		return complain(err)
	}
	fmt.Print("recording\r\n")
	if err := os.WriteFile(file+".ready", []byte("1"), 0o666); err != nil {
		return complain(err)
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.Read(0, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return 0 // the terminal is gone
		}
		if _, err := out.Write(buf[:n]); err != nil {
			return complain(err)
		}
	}
}

// makeRaw does what cfmakeraw(3) does.
func makeRaw(fd int) error {
	tio, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return fmt.Errorf("terminal attributes: %w", err)
	}
	tio.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	tio.Oflag &^= unix.OPOST
	tio.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	tio.Cflag = tio.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	tio.Cc[unix.VMIN], tio.Cc[unix.VTIME] = 1, 0
	return unix.IoctlSetTermios(fd, unix.TCSETS, tio)
}
