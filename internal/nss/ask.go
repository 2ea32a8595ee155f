package nss

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/sandbox"
	"github.com/muxward/muxward/internal/siblings"
	"github.com/muxward/muxward/internal/teeth"
)

const (
	// Nobody is the uid and gid that asking is done as where we are root: of those that systemd's
	// list of uids has as unused (65520 to 65533), so that no other process can signal or trace it.
	Nobody = 65533

	maxAnswer = 64 << 10 // bytes, of an account and of its groups
	maxMember = 1 << 20  // of a group, with all of its members
	memory    = 1 << 30  // of a process that asks, in bytes
	processor = 5        // seconds of it
	endTime   = time.Second
)

// Getent gives the program that asks, which nobody but root may change.
func Getent() (string, error) {
	for _, p := range []string{"/usr/bin/getent", "/bin/getent"} {
		real, err := siblings.Real(p)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("what asks the name service switch: %w", err)
		}
		return real, nil
	}
	return "", errors.New("accounts_from has nss, and there is no getent here, which asks it; install it (libc-bin), or leave nss out")
}

// errNone is the error of what the switch does not have, as far as it says.
var errNone = errors.New("the name service switch has none such")

// bounded is what a process prints, up to a limit, at which it is ended. It has no ReadFrom, as a
// bytes.Buffer has, which would take what comes without end.
type bounded struct {
	buf  bytes.Buffer
	most int
	over bool
	stop context.CancelFunc
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.buf.Len()+len(p) > b.most {
		b.over = true
		b.stop()
		return 0, errAnswer
	}
	return b.buf.Write(p)
}

// getent has a process ask, and gives what it prints.
func (s *Switch) getent(ctx context.Context, most int, args ...string) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := &bounded{most: most, stop: cancel}
	cmd := exec.CommandContext(ctx, s.opt.Getent, args...)
	cmd.Dir, cmd.Stdout = "/", out
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: Nobody, Gid: Nobody, Groups: []uint32{}}
	}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) } // and what it has started
	cmd.WaitDelay = endTime
	done := make(chan error, 1)
	go func() { // of a thread of its own, on which everything is given up, and with which the process ends
		runtime.LockOSThread()
		done <- run(cmd)
	}()
	err := <-done
	code := -1
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	}
	switch {
	case out.over:
		return nil, fmt.Errorf("%w: it has more than %d bytes", errAnswer, most)
	case ctx.Err() != nil:
		return nil, fmt.Errorf("the name service switch does not answer: %w", ctx.Err())
	case code == 2: // getent(1): one or more keys were not found
		return nil, errNone
	case err != nil:
		return nil, fmt.Errorf("ask the name service switch: %s %s: %w", s.opt.Getent, args[0], err)
	}
	return out.buf.Bytes(), nil
}

// run runs a process without rights from this thread, which is not to be used again.
func run(cmd *exec.Cmd) error {
	var err error
	if os.Geteuid() == 0 {
		err = sandbox.GiveUp()
	} else {
		err = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	}
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	for limit, most := range map[int]uint64{unix.RLIMIT_AS: memory, unix.RLIMIT_CPU: processor, unix.RLIMIT_CORE: 0} {
		_ = unix.Prlimit(cmd.Process.Pid, limit, &unix.Rlimit{Cur: most, Max: most}, nil) // it may have ended
	}
	return cmd.Wait()
}

// look asks about an account: what is asked for, the same by the other of name and number, and its groups.
// With an error it gives what was said first, if that was an account.
func (s *Switch) look(ctx context.Context, k key) (accounts.Account, error) {
	first, second := k.word(), k.name
	a, err := s.entry(ctx, first)
	if err != nil {
		return accounts.Account{}, err
	}
	if teeth.Out(teeth.Believed) {
		return a, nil
	}
	switch {
	case k.name == "" && a.UID != k.uid, k.name != "" && a.Name != k.name:
		return a, fmt.Errorf("%w: asked about %s it names %.80q, uid %d", errAnswer, first, a.Name, a.UID)
	case k.name == "":
		second = a.Name
	default:
		second = key{uid: a.UID}.word()
	}
	if err := s.ours(a); err != nil { // before anything more is asked about it
		return a, err
	}
	whole, err := s.grouped(ctx, a)
	if err != nil {
		return a, err
	}
	// Last, as getent says of groups that there are none, too, when the directory cannot be reached any more.
	again, err := s.entry(ctx, second)
	if err != nil {
		return a, fmt.Errorf("the directory has %s, and not %.80q, which it says is the same: %w", first, second, err)
	}
	if again.Name != a.Name || again.UID != a.UID || again.GID != a.GID || again.Home != a.Home || again.Shell != a.Shell {
		return a, fmt.Errorf("%w: %s and %.80q are not the same account by it", errAnswer, first, second)
	}
	return whole, nil
}

func (s *Switch) entry(ctx context.Context, word string) (accounts.Account, error) {
	out, err := s.getent(ctx, maxAnswer, "passwd", word)
	if err != nil {
		return accounts.Account{}, err
	}
	return parsePasswd(out)
}

// grouped gives an account with its groups. Those of the group file are that file's to say; of what is
// nobody's here the directory says it.
func (s *Switch) grouped(ctx context.Context, a accounts.Account) (accounts.Account, error) {
	gids, names, of, err := s.opt.Files.Groups(a.Name)
	if err != nil {
		return accounts.Account{}, err
	}
	subs, err := ranges(s.opt.Subgid)
	if err != nil {
		return accounts.Account{}, err
	}
	if err := mayBePrimary(a.GID, gids, of, subs); err != nil {
		return accounts.Account{}, err
	}
	out, err := s.getent(ctx, maxAnswer, "initgroups", a.Name)
	if err != nil {
		return accounts.Account{}, fmt.Errorf("the groups of %s: %w", a.Name, err)
	}
	told, err := parseInitgroups(out, a.Name)
	if err != nil {
		return accounts.Account{}, fmt.Errorf("the groups of %s: %w", a.Name, err)
	}
	a.Groups = of
	has := map[uint32]bool{a.GID: true}
	for _, gid := range told {
		if validGID(gid) && !gids[gid] && !subs.has(gid) && !has[gid] {
			has[gid] = true
			a.Groups = append(a.Groups, gid)
		}
	}
	for _, group := range s.opt.Groups {
		if names[group] || !validGroup(group) {
			continue
		}
		out, err := s.getent(ctx, maxMember, "group", group)
		if errors.Is(err, errNone) {
			continue
		}
		var gid uint32
		if err == nil {
			gid, err = parseGroup(out, group)
		}
		if err != nil {
			return accounts.Account{}, fmt.Errorf("the group %.80q: %w", group, err)
		}
		if !gids[gid] && has[gid] {
			a.In = append(a.In, group)
		}
	}
	return a, a.Usable()
}
