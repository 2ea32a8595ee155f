package host

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// AsManager makes a command be started as a service manager starts one (sd_listen_fds(3)): with
// these files from descriptor 3 on, and the variables that tell of them.
func AsManager(files ...*os.File) func(*exec.Cmd) {
	return func(cmd *exec.Cmd) {
		script := `LISTEN_PID=$$ LISTEN_FDNAMES=muxward.socket; export LISTEN_PID LISTEN_FDNAMES LISTEN_FDS; exec "$@"`
		argv := append([]string{"sh", "-c", script, "sh", cmd.Path}, cmd.Args[1:]...)
		cmd.Path, cmd.Args, cmd.ExtraFiles = "/bin/sh", argv, files
		cmd.Env = append(cmd.Env, "LISTEN_FDS="+strconv.Itoa(len(files)))
	}
}

// ManagersSocket is a listening socket as systemd makes one, which stays while muxward comes and goes.
func ManagersSocket(t testing.TB, at string) (file *os.File, addr string) {
	t.Helper()
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // as Go does by itself, and systemd does not
	l, err := lc.Listen(context.Background(), "tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		t.Fatalf("%T", l)
	}
	if file, err = tcp.File(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file, l.Addr().String()
}
