package reach

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/passed"
	"github.com/muxward/muxward/internal/procfs"
)

// sftpServers is where OpenSSH's sftp server is on the distributions of today.
func sftpServers() []string {
	return []string{"/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server",
		"/usr/libexec/sftp-server", "/usr/lib/sftp-server"}
}

// program is what a subsystem runs; nil: there is none, and sftp is served here.
func (p *process) program() []string {
	if len(p.ask.Argv) > 0 {
		return p.ask.Argv
	}
	for _, path := range p.servers {
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() {
			return []string{path}
		}
	}
	return nil
}

// streams makes what a subsystem is spoken with: both ends of its standard input and
// output, and of its standard error.
func streams() (ours, theirs, errs, w *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	ours, theirs = os.NewFile(uintptr(fds[0]), "streams"), os.NewFile(uintptr(fds[1]), "streams")
	if errs, w, err = os.Pipe(); err != nil {
		passed.Close([]*os.File{ours, theirs})
		return nil, nil, nil, nil, err
	}
	return ours, theirs, errs, w, nil
}

// ownSFTP serves sftp in this process, where the system has no server for it: it has the
// account's rights and is nobody else's. It ends with the process.
func (p *process) ownSFTP() ([]*os.File, error) {
	ours, theirs, errs, w, err := streams()
	if err != nil {
		return nil, err
	}
	home, err := os.Getwd()
	if err != nil {
		home = "/"
	}
	server, err := sftp.NewServer(theirs, sftp.WithServerWorkingDirectory(home))
	if err != nil {
		passed.Close([]*os.File{ours, theirs, errs, w})
		return nil, err
	}
	go func() {
		code := 0
		if err := server.Serve(); err != nil && !errors.Is(err, io.EOF) {
			code = 1
		}
		_ = server.Close() // and the streams with it
		_ = w.Close()
		_ = p.tell(ended{Code: code}) // who has gone hears nothing
	}()
	return []*os.File{ours, errs}, nil
}

// subsystem runs a program between two descriptors: its standard input and output, and its
// standard error. It is told when it has ended, and killed when the line ends before.
func (p *process) subsystem() ([]*os.File, error) {
	argv := p.program()
	if argv == nil {
		return p.ownSFTP()
	}
	// What it leaves behind becomes ours, and is found at the end.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, err
	}
	ours, theirs, errs, w, err := streams()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	defer w.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, w
	// The program ends with us, whoever kills us; what it has started does not by that.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	gone, started := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(gone)
		runtime.LockOSThread() // whose end that signal is about
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if started <- err; err != nil {
			return
		}
		_ = cmd.Wait()                                      // the state has its code
		_ = p.tell(ended{Code: exitCode(cmd.ProcessState)}) // who has gone hears nothing
	}()
	if err := <-started; err != nil {
		passed.Close([]*os.File{ours, errs})
		return nil, fmt.Errorf("run %s: %w", argv[0], err)
	}
	p.tidy = func() {
		_ = cmd.Process.Kill() // it may have ended
		<-gone
		sweep()
	}
	return []*os.File{ours, errs}, nil
}

func exitCode(st *os.ProcessState) int {
	ws, ok := st.Sys().(syscall.WaitStatus)
	if ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return st.ExitCode()
}

// sweep kills what is left below us, until there is nothing: orphans come to us. Whoever is
// the first of their PID namespace kills all of it at once: the numbers in /proc are others'.
func sweep() {
	for os.Getpid() == 1 {
		_ = unix.Kill(-1, unix.SIGKILL)
		if _, err := unix.Wait4(-1, nil, 0, nil); err != nil && err != unix.EINTR {
			return // there are none
		}
	}
	for {
		left := children()
		for _, pid := range left {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		for _, pid := range left {
			for {
				if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
					break
				}
			}
		}
		if len(left) > 0 {
			continue
		}
		// The list may leave out some while others end (proc(5)): it is wait(2) that knows.
		if _, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err == unix.ECHILD {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// children are the processes directly below us (proc(5), children). Not every kernel has that
// file (CONFIG_PROC_CHILDREN).
func children() (pids []int) {
	lists, _ := filepath.Glob("/proc/self/task/*/children") // the pattern is a good one
	if len(lists) == 0 {
		return childrenOfUs()
	}
	for _, list := range lists {
		data, _ := os.ReadFile(list) // a thread that has ended has none
		for _, word := range bytes.Fields(data) {
			if pid, err := strconv.Atoi(string(word)); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// childrenOfUs finds them among all processes.
func childrenOfUs() (pids []int) {
	entries, _ := os.ReadDir("/proc") // without it nobody is found, and wait(2) tells that there is somebody
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if st, err := procfs.ReadStat(pid); err == nil && st.PPID == os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}
