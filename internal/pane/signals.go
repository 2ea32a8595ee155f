package pane

import (
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

const lastSignal = 64

// ignoreSignals has nothing that is sent to a pane's foreground end us.
func ignoreSignals() {
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGPIPE)
}

// restoreSignals has the program that this one becomes begin with every signal as by
// default, and none held back, whatever muxward was started with: what a handler was
// there for is the default after execve(2). The thread stays locked.
func restoreSignals() {
	caught := make(chan os.Signal, 1)
	for n := 1; n <= lastSignal; n++ {
		signal.Notify(caught, syscall.Signal(n)) // also what was ignored
	}
	runtime.LockOSThread()
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, nil) // cannot fail with these
}
