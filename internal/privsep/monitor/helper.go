package monitor

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
	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/privsep"
	"github.com/muxward/muxward/internal/sandbox"
	"github.com/muxward/muxward/internal/teeth"
)

// LineFD is the descriptor of the line in the daemon.
const LineFD = 3

// endTime is how long the daemon may take to end once it has let go of the line.
const endTime = 10 * time.Second

// Run is the whole of muxward-helper: it starts the daemon, serves its requests
// until it ends, and gives its exit code.
func Run(given config.Config, file string) (code int, err error) {
	taken := os.Getenv("STATE_DIRECTORY") // by systemd (systemd.exec(5))
	service, sockets, err := begin()
	if err != nil {
		return 1, err
	}
	defer activation.Close(sockets)
	set, err := settings(given, file)
	if err == nil {
		err = set.listenAt(sockets)
	}
	if err != nil {
		return 2, err
	}
	if err := set.untaken(taken); err != nil {
		return 2, err
	}
	if why := set.homeInState(); why != "" {
		complain(why)
	}
	// First the lock: where another muxward runs nothing is touched.
	hands, err := keep.New(set.hands())
	if err != nil {
		return 1, err
	}
	defer hands.Close()
	if err := prepare(set); err != nil {
		return 1, err
	}
	keys, keyHolder, err := startHolder(set)
	if err != nil {
		return 1, err
	}
	defer keyHolder.kill()
	defer keys.Close()
	line, theirs, err := privsep.NewPair()
	if err != nil {
		return 1, err
	}
	defer line.Close()
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	daemon, err := startChild(set.daemon(theirs, sockets))
	_ = theirs.Close()        // the daemon has it, and its end is to be seen
	activation.Close(sockets) // nothing listens here once the daemon does not
	if err != nil {
		return 1, err
	}
	defer daemon.kill()
	m := New(line, Parts{Directory: set.asked(), Hands: hands, Notify: service.notify, Complain: complain, Ctl: set.ctl, Keys: held{keys}, PAM: set.pam, Profiles: hands,
		Serving: func(ctx context.Context, addr string) error {
			return set.saveServing(ctx, daemon.cmd.Process.Pid, held{keys}, addr)
		}})
	return mind(m, daemon, keys.Gone(), signals)
}

// asked is what is asked about accounts that no file has, nil if that is nothing.
func (s *setting) asked() directory {
	if s.directory == nil {
		return nil
	}
	return s.directory
}

// mind serves the daemon and passes signals on to it until it ends.
func mind(m *Monitor, daemon *child, keyless <-chan struct{}, signals <-chan os.Signal) (int, error) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	served := make(chan error, 1)
	go func() { served <- m.Serve(ctx) }()
	for {
		select {
		case sig := <-signals:
			daemon.signal(sig)
		case <-daemon.ended:
			return daemon.code(), nil
		case <-keyless:
			return 1, errors.New("the holder of the keys has ended, and nothing can be signed; start muxward-helper again")
		case <-m.Broken():
			daemon.kill() // first: what is under way may hang
			select {
			case <-served:
			case <-time.After(endTime):
			}
			return 1, broken(m.Why())
		case err := <-served:
			if err != nil {
				return 1, broken(err)
			}
			return wait(daemon, signals)
		}
	}
}

func broken(why error) error {
	return fmt.Errorf("muxward does what it never does, and is ended: %w", why)
}

// wait waits for a daemon that has let go of the line.
func wait(daemon *child, signals <-chan os.Signal) (int, error) {
	limit := time.After(endTime)
	for {
		select {
		case sig := <-signals:
			daemon.signal(sig)
		case <-daemon.ended:
			return daemon.code(), nil
		case <-limit:
			return 1, errors.New("muxward has let go of its line and does not end; it is killed")
		}
	}
}

// begin makes this process what it is to be, whoever has started it: nothing of
// their descriptors, environment and ignored signals reaches what we start, but for the sockets
// that a service manager has passed, which are for the daemon.
func begin() (*manager, []activation.Socket, error) {
	if os.Geteuid() != 0 || os.Getuid() != 0 {
		return nil, nil, errors.New("muxward-helper has root's rights so that muxward needs none: start it as root")
	}
	if err := sandbox.NewKeyring(); err != nil {
		return nil, nil, err
	}
	if err := sandbox.NoInheritable(); err != nil {
		return nil, nil, err
	}
	sockets, err := activation.Take()
	if err != nil {
		return nil, nil, err
	}
	service := &manager{path: os.Getenv("NOTIFY_SOCKET")}
	keepEnviron()
	unix.Umask(0o022)
	if err := sealDescriptors(); err != nil {
		return nil, nil, err
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return nil, nil, fmt.Errorf("keep debuggers out: %w", err)
	}
	return service, sockets, attendSignals()
}

// path is where programs are found.
const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// keepEnviron leaves of the environment the language and the time zone, which
// servers are given, and what tests set.
func keepEnviron() {
	kept := []string{"PATH=" + path}
	for _, name := range append([]string{"TZ", "LANG", "LC_ALL", "LC_CTYPE", "LC_TIME", "LC_MESSAGES", "LC_COLLATE"}, teeth.Variables()...) {
		if v, ok := os.LookupEnv(name); ok {
			kept = append(kept, name+"="+v)
		}
	}
	os.Clearenv()
	for _, kv := range kept {
		for i := range kv {
			if kv[i] == '=' {
				_ = os.Setenv(kv[:i], kv[i+1:]) // a name is never empty
				break
			}
		}
	}
}

// attendSignals has no signal stay ignored because whoever started us ignores
// it: what we start would ignore it, too.
func attendSignals() error {
	ignored, err := ignoredSignals()
	if err != nil {
		return err
	}
	for _, sig := range ignored {
		signal.Notify(make(chan os.Signal, 1), sig) // handled, which a new program takes back
	}
	return nil
}

func complain(what string) { fmt.Fprintln(os.Stderr, "muxward-helper:", what) }

// manager is the service manager, if there is one (sd_notify(3)).
type manager struct{ path string }

func (s *manager) notify(state privsep.State) {
	if s.path == "" {
		return
	}
	path := s.path
	if path[0] == '@' {
		path = "\x00" + path[1:]
	}
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer syscall.Close(fd)
	_ = syscall.Sendto(fd, []byte(state), syscall.MSG_NOSIGNAL, &syscall.SockaddrUnix{Name: path}) // it may be gone
}
