package passed

import (
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// What is passed comes out as it was, in its order, closed to programs that are started later.
func TestPassed(t *testing.T) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ends[0])
	defer unix.Close(ends[1])
	var give []*os.File
	for _, text := range []string{"one", "two"} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.WriteString(text)
		_ = w.Close()
		give = append(give, r)
	}
	if Rights(nil) != nil {
		t.Error("there is a message for no files")
	}
	if err := unix.Sendmsg(ends[0], []byte("x"), Rights(give), nil, 0); err != nil {
		t.Fatal(err)
	}
	Close(give)
	control := make([]byte, unix.CmsgSpace(4*4))
	_, n, _, _, err := unix.Recvmsg(ends[1], make([]byte, 8), control, 0)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Files(control[:n], "passed")
	if err != nil || len(got) != 2 {
		t.Fatalf("%d files, %v", len(got), err)
	}
	defer Close(got)
	for i, want := range []string{"one", "two"} {
		text, err := io.ReadAll(got[i])
		if err != nil || string(text) != want || got[i].Name() != "passed" {
			t.Errorf("%s: %q, %v", got[i].Name(), text, err)
		}
		if flags, err := unix.FcntlInt(got[i].Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("a program that is started would have it: %x, %v", flags, err)
		}
	}
}

// Something else beside a packet is an error, and so is a message that says it is longer.
func TestOddControl(t *testing.T) {
	longer := unix.UnixRights(0)
	longer[0] = 200
	for name, control := range map[string][]byte{
		"credentials": unix.UnixCredentials(&unix.Ucred{Pid: 1}), "longer": longer,
	} {
		if files, err := Files(control, "x"); err == nil || len(files) > 0 {
			t.Errorf("%s: %d files, %v", name, len(files), err)
		}
	}
	if files, err := Files(nil, "x"); err != nil || len(files) > 0 {
		t.Errorf("nothing: %v, %v", files, err)
	}
}

// What cannot be looked at may have something in it. Where nothing was sent out of band there is nothing, whatever kind of
// socket it is and however its look fails otherwise.
func TestLiesWhereNobodyCanLook(t *testing.T) {
	of := func(fds [2]int, err error) [2]int {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = unix.Close(fds[0]), unix.Close(fds[1]) })
		return fds
	}
	one := func(domain int) int {
		t.Helper()
		fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
		return fd
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	quiet, ended, oob := of(unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)), of(unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)), of(unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0))
	_ = unix.Shutdown(ended[0], unix.SHUT_RDWR)
	if err := unix.Sendto(oob[1], []byte("x"), unix.MSG_OOB, nil); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		fd           int
		lies, urgent bool
	}{
		"nothing was sent": {quiet[0], false, false}, "it has ended": {ended[0], false, false}, "out of band": {oob[0], true, true},
		"it is not connected": {one(unix.AF_UNIX), true, false}, "TCP that is not connected": {one(unix.AF_INET), true, false},
		"it is none": {int(r.Fd()), true, true}, "it is closed": {-1, true, true},
	} {
		if got := lies(c.fd); got != c.lies {
			t.Errorf("%s: something lies there: %t", what, got)
		}
		if got := urgent(c.fd); got != c.urgent {
			t.Errorf("%s: something urgent does: %t", what, got)
		}
	}
}
