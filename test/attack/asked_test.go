package attack

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// asked has the kernel ask the test before certain system calls of a muxward and of
// what it starts (seccomp(2), user notification), so that these fail and nothing else
// does, and only while the test wants it.
type asked struct {
	t     *testing.T
	calls []int
	// fails gives the error that a call is to have, 0 for none.
	fails func(q *question) unix.Errno
	on    atomic.Bool
	met   atomic.Int64 // how many have failed
}

// askedVar lists the calls where this program is to become a muxward that is asked about.
const askedVar = "MUXWARD_TEST_ASKED"

// change is for host.Config.
func (r *asked) change(cmd *exec.Cmd) {
	r.t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "theirs")
	cmd.Args = append([]string{cmd.Path}, cmd.Args...)
	cmd.Path, cmd.ExtraFiles = "/proc/self/exe", []*os.File{theirs}
	cmd.Env = append(cmd.Env, askedVar+"="+strings.Trim(fmt.Sprint(r.calls), "[]"))
	go func() {
		defer unix.Close(pair[0])
		listener, err := receive(pair[0])
		if err != nil {
			r.t.Errorf("nothing is asked: %v", err)
			return
		}
		defer unix.Close(listener)
		r.answer(listener)
	}()
}

// receive takes the descriptor that becomeAsked sends.
func receive(from int) (int, error) {
	oob := make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := unix.Recvmsg(from, make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil || n == 0 {
		return -1, fmt.Errorf("%d bytes: %w", n, err)
	}
	all, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(all) != 1 {
		return -1, fmt.Errorf("%d messages: %w", len(all), err)
	}
	fds, err := unix.ParseUnixRights(&all[0])
	if err != nil || len(fds) != 1 {
		return -1, fmt.Errorf("%d descriptors: %w", len(fds), err)
	}
	return fds[0], nil
}

// question and reply are struct seccomp_notif and seccomp_notif_resp.
type question struct {
	id         uint64
	pid, flags uint32
	nr         int32
	arch       uint32
	at         uint64
	args       [6]uint64
}

type reply struct {
	id    uint64
	value int64
	err   int32
	flags uint32
}

// answer goes on until nobody is left who could ask.
func (r *asked) answer(listener int) {
	for {
		ready := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(ready, -1); err != nil && err != unix.EINTR {
			r.t.Errorf("wait to be asked: %v", err)
			return
		}
		if ready[0].Revents&unix.POLLIN == 0 {
			if ready[0].Revents != 0 {
				return
			}
			continue
		}
		var q question
		if !ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&q)) {
			continue // whoever asked was killed
		}
		a := reply{id: q.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
		if r.on.Load() {
			if errno := r.fails(&q); errno != 0 {
				r.met.Add(1)
				a.flags, a.err = 0, -int32(errno)
			}
		}
		ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&a)) // as above
	}
}

func ioctl(fd int, op uintptr, arg unsafe.Pointer) bool {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), op, uintptr(arg))
	return errno == 0
}

// becomeAsked is the other side: it has itself asked about, hands over who asks, and
// becomes the program that it was given. It comes back in any other process.
func becomeAsked() {
	calls := strings.Fields(os.Getenv(askedVar))
	if len(calls) == 0 {
		return
	}
	os.Unsetenv(askedVar)
	runtime.LockOSThread() // the filter is this thread's, and with it the program's
	const number = 0       // where struct seccomp_data has the system call
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number}}
	for i, call := range calls {
		n, err := strconv.ParseUint(call, 10, 32)
		if err != nil {
			panic(err) // it is the test's own
		}
		filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(n), Jt: uint8(len(calls) - i)})
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF})
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	listener, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		fmt.Fprintln(os.Stderr, "seccomp:", errno)
		os.Exit(2)
	}
	unix.CloseOnExec(3)
	err := unix.Sendmsg(3, []byte{0}, unix.UnixRights(int(listener)), nil, 0)
	if err == nil {
		err = unix.Exec(os.Args[1], os.Args[1:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, "become asked about:", err)
	os.Exit(2)
}
