package keep

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/pane"
	"github.com/muxward/muxward/internal/sandbox"
)

// startTime is how long a server may take until it listens.
const startTime = 10 * time.Second

// account looks up an account that a caller has named.
func (k *Keep) account(ctx context.Context, named Account) (accounts.Account, error) {
	if !validAccountName(named.Name) {
		return accounts.Account{}, fmt.Errorf("%.80q is no name of an account: %w", named.Name, ErrRefused)
	}
	if !k.opt.Root && named.UID != uint32(os.Geteuid()) {
		return accounts.Account{}, fmt.Errorf("uid %d: only root can do that for another account: %w", named.UID, ErrRefused)
	}
	if named.UID == accounts.NoID {
		return accounts.Account{}, fmt.Errorf("uid %d is nobody's: %w", named.UID, ErrRefused)
	}
	a, err := k.opt.Account(ctx, named.Name, named.UID)
	if err == nil && a.UID != named.UID {
		err = fmt.Errorf("it has the uid %d", a.UID)
	}
	if err == nil {
		err = fits(a)
	}
	if err != nil {
		return accounts.Account{}, fmt.Errorf("the account %q, uid %d: %w (%w)", named.Name, named.UID, err, ErrRefused)
	}
	return a, nil
}

// fits refuses an account that nothing can run as, or of which there is more than a line
// carries.
func fits(a accounts.Account) error {
	if err := a.Usable(); err != nil {
		return err
	}
	if len(a.Home) > MaxPath || len(a.Shell) > MaxPath || len(a.Groups) > MaxGroups {
		return errors.New("its home directory, its shell or its list of groups is too long")
	}
	return nil
}

// validAccountName: whatever can stand in the account files, but for control characters.
func validAccountName(s string) bool {
	return s != "" && len(s) <= MaxAccountName && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// valid checks what a caller has ordered.
func (o Order) valid() error {
	size := 0
	for _, kv := range o.Environ {
		size += len(kv) + 1 // with its end, so that empty ones are not without number
	}
	switch {
	case !validOwner(o.Owner):
		return fmt.Errorf("start a tmux server for %.80q, which is no person's name: %w", o.Owner, ErrRefused)
	case size > MaxEnviron:
		return fmt.Errorf("start the tmux server of %s: %d bytes of variables are too many: %w", o.Owner, size, ErrRefused)
	}
	return nil
}

// Start starts a server for a person and returns when it has its socket.
func (k *Keep) Start(ctx context.Context, o Order) (Held, error) {
	ctx, end, err := k.begin(ctx)
	if err != nil {
		return Held{}, err
	}
	defer end()
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := errors.Join(o.valid(), k.beginOurs()); err != nil {
		return Held{}, err
	}
	s, err := k.start(ctx, o)
	if err != nil {
		return Held{}, fmt.Errorf("start the tmux server of %s: %w", o.Owner, err)
	}
	return s.as(), nil
}

// start starts a server and moves its socket to where only we look.
func (k *Keep) start(ctx context.Context, o Order) (*server, error) {
	a, isolated, err := k.accountFor(ctx, o.Owner, o.Account)
	if err != nil {
		return nil, err
	}
	switch {
	case o.Isolated && !isolated: // such as a profile that has gone meanwhile
		return nil, fmt.Errorf("there is no isolated server, and no session profile, of that name: %w", ErrRefused)
	case isolated && !o.Isolated:
		return nil, fmt.Errorf("that is the name of an isolated server, and nobody's: %w", ErrRefused)
	case isolated:
		if err := k.leftOf(o.Owner); err != nil {
			return nil, err
		}
	case a.Directory:
		if err := k.notYetOf(o.Owner, a); err != nil {
			return nil, err
		}
	}
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	taken := Taken(o.Environ)
	iso, _ := k.isolated(o.Owner)
	if isolated {
		taken = atStart(iso) // nobody's client counts there
	}
	rec := record{ID: randomHex(IDLen), Mark: randomHex(markLen), Owner: o.Owner, Account: a, Isolated: isolated, Profile: iso.Program != nil,
		Sessions: k.sessionsOf(o.Owner), Boot: boot}
	if isolated && (iso.Account != a.Name || rec.Profile != (rec.Sessions != "")) { // or it would be out of force to nobody, and taken up by none
		return nil, fmt.Errorf("the session profiles were put in force anew just then; try it again: %w", ErrRefused)
	}
	if at := k.launchPath(rec.ID); isolated && len(at) > maxSocketPath { // else no pane could ask
		return nil, fmt.Errorf("the socket path %s is longer than %d bytes; use a shorter run directory", at, maxSocketPath)
	}
	if inner := k.innerPath(rec.ID); len(inner) > maxSocketPath {
		return nil, fmt.Errorf("the socket path %s is longer than %d bytes; use a shorter doors directory", inner, maxSocketPath)
	}
	if err := k.doors.mayReplace(a.UID); err != nil {
		return nil, err
	}
	if err := k.reserve(o.Owner); err != nil {
		return nil, err
	}
	s := newServer(k, rec)
	if err = k.launch(ctx, s, taken); err == nil {
		if err = s.takeSocket(ctx); err != nil {
			err = fmt.Errorf("%w%s", err, k.logTail(rec.ID))
		}
	}
	switch {
	case err == nil:
	case s.proc == nil: // it did not come to run
		s.close()
		if !errors.Is(err, errStays) {
			k.forget(rec.ID)
		}
		k.settle(o.Owner, nil)
		return nil, err
	default:
		s.given = true
		k.settle(o.Owner, s)
		return nil, errors.Join(err, s.end(context.WithoutCancel(ctx)))
	}
	k.settle(o.Owner, s)
	return s, nil
}

func randomHex(n int) string {
	b := make([]byte, n/2)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

func (k *Keep) innerPath(id string) string { return k.doors.path + "/" + innerName(id) + "/s" }

// launch makes the directories and runs tmux.
func (k *Keep) launch(ctx context.Context, s *server, taken []string) error {
	rec := &s.rec
	conf, err := k.configurationOf(rec)
	if err != nil {
		return err
	}
	if err := writeAt(k.servers, rec.ID+".conf", []byte(conf), 0o400); err != nil {
		return err
	}
	if a := rec.Account; a.UID != uint32(os.Geteuid()) { // it has the server's mark, which is nobody else's to read
		if err := unix.Fchownat(int(k.servers.Fd()), rec.ID+".conf", int(a.UID), int(a.GID), unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return fmt.Errorf("give the server's configuration to its account: %w", err)
		}
	}
	for _, d := range []struct {
		parent *os.File
		name   string
	}{{k.servers, rec.ID}, {k.doors.dir, innerName(rec.ID)}} {
		if err := makeFor(d.parent, d.name, rec.Account); err != nil {
			return err
		}
	}
	if s.dir, err = openDirAt(int(k.servers.Fd()), rec.ID); err != nil {
		return err
	}
	if err := rec.save(k.servers); err != nil { // before it runs: it must never be lost
		return err
	}
	if rec.Isolated { // before tmux runs: its first pane asks at once
		if err := s.openLaunch(ctx); err != nil {
			return err
		}
	}
	if s.proc, err = k.exec(s, taken); err != nil {
		return fmt.Errorf("run %s: %w", k.opt.Tmux, err)
	}
	rec.PID, rec.Start = s.proc.pid, s.proc.start
	s.serveLaunch()
	return rec.save(k.servers)
}

// configurationOf is what the server reads first.
func (k *Keep) configurationOf(rec *record) (string, error) {
	if !rec.Isolated {
		return configuration(rec.Mark, k.configFiles(rec.Account))
	}
	iso, _ := k.isolated(rec.Owner)
	return isolatedConfiguration(rec.Mark, k.opt.Launcher, iso.TmuxConfig)
}

// makeFor makes a fresh directory that only the account can use.
func makeFor(parent *os.File, name string, a accounts.Account) error {
	at := int(parent.Fd())
	if err := unix.Mkdirat(at, name, 0o700); err != nil {
		return fmt.Errorf("make %s/%s: %w", parent.Name(), name, err)
	}
	err := unix.Fchmodat(at, name, 0o700, 0) // whatever our umask is
	if err == nil && a.UID != uint32(os.Geteuid()) {
		err = unix.Fchownat(at, name, int(a.UID), int(a.GID), unix.AT_SYMLINK_NOFOLLOW)
	}
	if err != nil {
		return fmt.Errorf("make %s/%s: %w", parent.Name(), name, err)
	}
	return nil
}

// launcher sets what only the process itself can set, and becomes tmux. The
// limit is raised only: tmux gives up below some dozens of descriptors.
// It goes to the account's home, too: a home that does not answer then holds up the
// account's own process, which can be killed, and not the fork, during which all of ours
// stands still. One that is not there or not to be entered is no reason to refuse.
const launcher = `umask "$1"; shift
cd -- "$HOME" 2>/dev/null || cd /
unset PWD OLDPWD
n=$(ulimit -S -n); [ "$n" = unlimited ] || [ "$n" -ge 1024 ] || ulimit -S -n 1024 2>/dev/null
exec "$@"`

// exec runs tmux in a session of its own and does not wait for it: it has to
// outlive us.
func (k *Keep) exec(s *server, taken []string) (*process, error) {
	rec := s.rec
	log, err := k.createLog(rec.ID)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	conf := k.opt.Run + "/servers/" + rec.ID + ".conf"
	cmd := exec.Command("/bin/sh", "-c", launcher, "sh", fmt.Sprintf("%04o", k.opt.Umask),
		k.opt.Tmux, "-D", "-S", k.innerPath(rec.ID), "-f", conf)
	cmd.Env = with(k.environment(rec.Account), taken)
	if rec.Isolated {
		cmd.Env = with(cmd.Env, []string{"HOME=/", "SHELL=/bin/sh", pane.SocketVariable + "=" + k.launchPath(rec.ID)})
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if a := rec.Account; k.opt.Root {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: a.UID, Gid: a.GID, Groups: a.Groups}
	}
	cmd.Dir = "/"
	start := (*exec.Cmd).Start
	if k.opt.Root { // keys are for whoever has the keyring, whatever their uid
		start = sandbox.StartAlone
	}
	if err := start(cmd); err != nil {
		return nil, err
	}
	pid := cmd.Process.Pid
	_ = cmd.Process.Release() // we wait for it by pidfd
	return holdChild(pid)
}

func (k *Keep) createLog(id string) (*os.File, error) {
	fd, err := unix.Openat(int(k.servers.Fd()), id+".log", unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_APPEND|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create the server's log: %w", err)
	}
	return os.NewFile(uintptr(fd), id+".log"), nil
}

// maxLog is how long a server's log may become, in bytes. Its account can write there as much
// as it likes, on our disk.
const maxLog = 1 << 20

// boundLog empties a log that has become too long, and says so.
func (k *Keep) boundLog(id string) []string {
	if st, err := statAt(k.servers, id+".log"); err != nil || st.Size <= maxLog {
		return nil
	}
	fd, err := unix.Openat(int(k.servers.Fd()), id+".log", unix.O_WRONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil // it is on its way out
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || unix.Ftruncate(fd, 0) != nil {
		return nil // or it is tried again
	}
	return []string{fmt.Sprintf("it had %d bytes", st.Size)}
}

// logTail is what tmux said before it gave up.
func (k *Keep) logTail(id string) string {
	data, err := readAt(k.servers, id+".log", 4096)
	text := strings.TrimSpace(string(data))
	if err != nil || text == "" {
		return ""
	}
	return fmt.Sprintf(" (tmux says: %.500q)", text)
}

// takeSocket waits until the server has bound its socket and moves it away
// from where the server believes it to be.
func (s *server) takeSocket(ctx context.Context) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	from, err := openDirAt(int(s.k.doors.dir.Fd()), innerName(s.rec.ID))
	if err != nil {
		return err
	}
	defer from.Close()
	for {
		st, err := statAt(from, "s")
		if err == nil && st.Mode&unix.S_IFMT == unix.S_IFSOCK {
			if err := s.adoptSocket(from); err != nil {
				return err
			}
			return s.knowProgram()
		}
		if begun, state, err := startOf(s.rec.PID); err != nil || begun != s.rec.Start || state == 'Z' {
			return errors.New("tmux ended at once: " + s.proc.ending())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("tmux does not listen: %w", ctx.Err())
		}
	}
}

// knowProgram writes down which program it is, now that it is one that listens.
func (s *server) knowProgram() (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, s.rec.Exe, err = s.proc.runsAs(); err != nil {
		return fmt.Errorf("tmux ended at once: %w", err)
	}
	return s.rec.save(s.k.servers)
}
