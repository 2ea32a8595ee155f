package sockets

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxQuarantine = 1000 // things in one
	maxName       = 240  // bytes of a socket's name that still takes a suffix
)

// Outcome says what became of a step.
type Outcome string

// Outcomes. What was left alone had changed since it was found, or was not
// certain.
const (
	Mended Outcome = "mended"
	Left   Outcome = "left alone"
	Failed Outcome = "failed"
)

// Done is what became of a step.
type Done struct {
	Time    time.Time `json:"time"`
	ID      string    `json:"id"`
	Path    Path      `json:"path"`
	PID     int       `json:"pid,omitempty"`
	UID     uint32    `json:"uid"`
	Outcome Outcome   `json:"outcome"`
	// To is where a socket was moved to.
	To Path `json:"to,omitempty"`
	// Mode is what a mode was before it was changed.
	Mode   *Mode  `json:"modeBefore,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Silent: who acts for the account has not answered. It may do so with its next step, too.
	Silent bool `json:"-"`
}

// Mend does a step, or says why not. Everything is looked at again first. It takes
// a few seconds more than ten at most, and is not broken off.
func (m Mender) Mend(ctx context.Context, s Step) Done {
	f, a := s.Finding, s.Finding.act
	d := Done{Time: time.Now(), ID: f.ID, Path: f.Path, PID: f.PID, UID: f.UID, Outcome: Mended}
	if a == nil {
		d.Outcome, d.Reason = Left, "this is for people to mend"
		return d
	}
	e := errand{Do: a.do, UID: f.UID, Path: f.Path, Dir: a.dir, Name: Path(a.name), Settle: a.settle, File: a.file, PID: a.server.PID}
	var signal func() error
	sent := false
	if a.do == revive {
		signal = func() error {
			err := a.signal()
			sent = err == nil
			return err
		}
	}
	r, err := m.run(ctx, e, signal)
	d.Mode = r.Mode
	switch {
	case err != nil:
		d.To = s.To // it may have come that far
	case r.Error != "":
		err = errors.New(r.Error)
		if r.Left {
			err = leftAlone{err}
		}
	}
	if r.Away || a.do == putBack && err == nil {
		d.To = s.To
	}
	if err != nil && sent {
		err = fmt.Errorf("%w; the signal is with process %d: start no server at this path until it has been handled", err, a.server.PID)
	}
	if err != nil {
		d.Outcome, d.Reason, d.Silent = Failed, escape(err.Error()), errors.Is(err, errSilent)
		if isLeft(err) {
			d.Outcome = Left
		}
	}
	return d
}

// do is what the process does that has the account's rights. signalled asks for a
// signal to the server, and waits until it is sent.
func (e errand) do(r *reply, signalled func() error) error {
	switch e.Do {
	case moveAway:
		return e.moveAway(r)
	case closeSocket:
		return e.closeSocket(r)
	case closeDir:
		return e.closeDir(r)
	case revive:
		return e.revive(signalled)
	case putBack:
		return e.putBack()
	}
	return errors.ErrUnsupported
}

// openOwn opens a directory of sockets, which has to be its account's.
func openOwn(path Path, uid uint32) (*os.File, error) {
	dir, err := openDir(string(path), unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	if f, err := statFD(int(dir.Fd())); err != nil || f.UID != uid {
		_ = dir.Close()
		return nil, errors.Join(err, errChanged)
	}
	return dir, nil
}

// closeDir takes the rights of others from a directory.
func (e errand) closeDir(r *reply) error {
	dir, err := openDir(string(e.Path), unix.O_PATH)
	if err != nil {
		return err
	}
	defer dir.Close()
	now, err := statFD(int(dir.Fd()))
	if err == nil && (!same(now, e.File) || now.Mode != e.File.Mode) { // the plan named a mode
		err = errChanged
	}
	if err != nil {
		return err
	}
	r.Mode = &now.Mode
	return chmodHeld(dir, closed(now.Mode))
}

// closeSocket takes the rights of others from a socket. Those who are connected
// stay.
func (e errand) closeSocket(r *reply) error {
	dir, err := openOwn(e.Dir, e.UID)
	if err != nil {
		return err
	}
	defer dir.Close()
	pin, err := hold(dir, filepath.Base(string(e.Path)), e.File)
	if err != nil {
		return err
	}
	defer pin.Close()
	now, err := statFD(int(pin.Fd()))
	if err == nil && (now.Links != 1 || now.Mode != e.File.Mode) { // the plan named a mode
		err = errChanged
	}
	if err != nil {
		return err
	}
	r.Mode = &now.Mode
	return chmodHeld(pin, closed(now.Mode))
}

// moveAway moves a dead socket into the quarantine of its directory. It is
// looked at before, and once more where nobody finds it any more: a server that
// began to listen meanwhile has its socket back at once.
func (e errand) moveAway(r *reply) error {
	dir, err := openOwn(e.Dir, e.UID)
	if err != nil {
		return err
	}
	defer dir.Close()
	// Whoever may write into it takes a place that is free for the moment, and a live
	// socket that they put there could not go back.
	if f, err := statPinned(dir); err != nil || f.Mode&0o022 != 0 || gives(f.ACL, 'w') {
		return leftAlone{errors.Join(err, errors.New("others may write into its directory: mend "+dirOpen+" first"))}
	}
	name, to := filepath.Base(string(e.Path)), string(e.Name)
	if len(name) > maxName {
		return leftAlone{fmt.Errorf("its name is longer than %d bytes", maxName)}
	}
	lock, err := lockStart(dir, name)
	if err != nil {
		return err
	}
	defer lock.release()
	pin, err := hold(dir, name, e.File)
	if err != nil {
		return err
	}
	defer pin.Close()
	if err := stillDead(e.Path, pin, e.Settle); err != nil {
		return err
	}
	away, err := openQuarantine(dir, e.UID)
	if err != nil {
		return err
	}
	defer away.Close()
	if err := move(dir, name, away, to); err != nil {
		return err
	}
	wrong := moved(away, to, pin)
	if wrong == nil {
		wrong = stillDead(e.Path, pin, 0)
	}
	if wrong == nil {
		r.Away = true
		return nil
	}
	if err := move(away, to, dir, name); err != nil {
		r.Away = true
		return fmt.Errorf("%w, and it could not be put back: %w", wrong, err)
	}
	return leftAlone{fmt.Errorf("%w; it was put back", wrong)}
}

// moved makes sure that what was moved is what is held.
func moved(away *os.File, to string, pin *os.File) error {
	var at unix.Stat_t
	if err := unix.Fstatat(int(away.Fd()), to, &at, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	held, err := statFD(int(pin.Fd()))
	if err == nil && fileOf(at).id() != held.id() {
		err = errChanged
	}
	return err
}

// move renames and never replaces anything.
func move(from *os.File, name string, to *os.File, as string) error {
	err := unix.Renameat2(int(from.Fd()), name, int(to.Fd()), as, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EEXIST) {
		return errors.New("its place is taken")
	}
	return err
}

// stillDead asks anew, of the kernel and of the socket.
func stillDead(path Path, pin *os.File, settle time.Duration) error {
	l := newLooker(Options{Settle: settle})
	defer l.knockers.end()
	if err := l.readMounts(); err != nil {
		return err
	}
	l.listSockets()
	s := Socket{Path: path}
	f, err := statFD(int(pin.Fd()))
	if err != nil {
		return err
	}
	s.File = f
	l.life(&s, int(pin.Fd()), s.UID, nil)
	if s.Life != Dead {
		return leftAlone{fmt.Errorf("it is not certain any more that it is dead: %s", s.Why)}
	}
	return nil
}

// openQuarantine makes or opens the quarantine in a directory: it has to be the
// account's own, and closed.
func openQuarantine(dir *os.File, uid uint32) (*os.File, error) {
	at := int(dir.Fd())
	if err := unix.Mkdirat(at, quarantine, 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, fmt.Errorf("make %s: %w", quarantine, err)
	}
	fd, err := unix.Openat(at, quarantine, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, leftAlone{fmt.Errorf("%s is no directory that can be used: %w", quarantine, err)}
	}
	away := os.NewFile(uintptr(fd), quarantine)
	f, err := statFD(fd)
	switch {
	case err != nil:
	case f.UID != uid:
		err = leftAlone{fmt.Errorf("%s belongs to uid %d", quarantine, f.UID)}
	case f.Mode&0o077 != 0:
		err = leftAlone{fmt.Errorf("%s has mode %s; chmod it 0700", quarantine, f.Mode)}
	default:
		names, _ := away.Readdirnames(maxQuarantine) // an error shows when something is moved there
		if len(names) >= maxQuarantine {
			err = leftAlone{fmt.Errorf("%s is full: look at what is in it and remove it", quarantine)}
		}
	}
	if err != nil {
		_ = away.Close()
		return nil, err
	}
	return away, nil
}
