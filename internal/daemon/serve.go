package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/activation"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/privsep"
)

// drainTime is how long people have to go when muxward is told to end.
const drainTime = 8 * time.Second

// serve runs until ctx ends. Everything is started in the order in which it
// depends on each other, and ended in reverse.
func serve(ctx context.Context, version string, c config.Config, helper *privsep.Client, sockets []activation.Socket) error {
	leaveTerminal()
	d, err := assemble(ctx, version, c, helper, sockets)
	if err != nil {
		return err
	}
	defer d.close()
	if err := d.confine(); err != nil {
		return err
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	d.start(ctx)
	if err := d.saveServing(ctx); err != nil {
		return fmt.Errorf("say where we serve: %w", err)
	}
	d.ssh.announce()
	fmt.Printf("muxward %s is ready: export TMUX_TMPDIR=%s\n", version, c.Doors)
	d.notifyManager("READY=1")
	for {
		select {
		case <-hup:
			d.notifyManager("RELOADING=1")
			d.ssh.rereadPAM(d)
			d.reloadAll(ctx)
			d.notifyManager("READY=1")
		case err := <-d.failed:
			return err
		case <-ctx.Done():
			d.ssh.leave(d) // first: the helper is asked to tell the manager, and may take its time
			d.notifyManager("STOPPING=1")
			return d.drain()
		}
	}
}

// leaveTerminal gives up the terminal that we were started from: as one of its
// background jobs we would be stopped as soon as we read from it, which we do
// when somebody attaches there. Its interrupt key still reaches us.
func leaveTerminal() {
	if sid, err := unix.Getsid(0); err != nil || sid == os.Getpid() {
		return // a session of our own: its end would be ours
	}
	fd, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return // there is none
	}
	defer unix.Close(fd)
	_ = unix.IoctlSetInt(fd, unix.TIOCNOTTY, 0) // it stays ours then, as before
}

// notifyManager tells a service manager how we are (sd_notify(3)); without one
// it does nothing.
func notifyManager(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	if path[0] == '@' {
		path = "\x00" + path[1:]
	}
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer syscall.Close(fd)
	_ = syscall.Sendto(fd, []byte(state), syscall.MSG_NOSIGNAL, &syscall.SockaddrUnix{Name: path})
}

var errDraining = errors.New("muxward is ending; attach anew when it has started again")
