package keep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/pane"
	"github.com/muxward/muxward/internal/procfs"
	"github.com/muxward/muxward/internal/siblings"
	"github.com/muxward/muxward/internal/teeth"
)

// This file is about the sessions of panes: what PAM has to say of them, and how many
// there are. They are counted by the name of their server: they can outlive one.

// counted gives how many sessions the panes of a name have: those that others have opened
// are counted first, once.
func (k *Keep) counted(ctx context.Context, owner string) (*atomic.Int32, error) {
	k.mu.Lock()
	n := k.sessions[owner]
	k.mu.Unlock()
	if n != nil {
		return n, nil
	}
	n = new(atomic.Int32)
	if err := k.countLeft(ctx, owner, n); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.sessions == nil {
		k.sessions = map[string]*atomic.Int32{}
	}
	k.sessions[owner] = n // an owner has one server at a time
	return n, nil
}

// mindSession has a process of its own open a session and mind it.
func (s *server) mindSession(a *pane.Asking, tty *os.File, session *pane.Session) error {
	n := s.sessions
	if n == nil {
		return errors.New("the sessions of its panes are not counted")
	}
	if n.Add(1) > maxPanes {
		n.Add(-1)
		return fmt.Errorf("its panes have %d sessions, and no more are opened", maxPanes)
	}
	server, err := s.proc.held()
	if err != nil {
		n.Add(-1)
		return err
	}
	defer server.Close()
	child, why, err := pane.Start(s.k.opt.Launcher, session, a, tty, server)
	if err != nil {
		n.Add(-1)
		return fmt.Errorf("run %s: %w", s.k.opt.Launcher, err)
	}
	pid := child.Pid
	s.k.wg.Go(func() {
		_ = child.Release() // it is waited for by pidfd
		s.k.count(s.rec.Owner, pid, n, why)
	})
	return nil
}

// count counts a session less when the process that minds it has ended: that outlives us. What
// it has to say of that is read from why, if it is ours.
func (k *Keep) count(owner string, pid int, n *atomic.Int32, why *os.File) {
	if why != nil {
		defer why.Close()
	}
	p, _, err := holdPID(pid)
	if err != nil { // of ours it has ended then, or there are no descriptors
		k.reap(owner, pid, why)
		n.Add(-1)
		return
	}
	stop := context.AfterFunc(k.ctx, p.close)
	defer stop()
	if p.wait() {
		k.reap(owner, pid, why)
		p.close()
		n.Add(-1)
	}
}

// reapTime is how long a process is waited for that cannot be held.
const reapTime = 10 * time.Second

// reap waits for the process that minded a session, if it is ours, and tells what people
// have to know.
func (k *Keep) reap(owner string, pid int, why *os.File) {
	var ws unix.WaitStatus
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(reapTime); ; {
		if !time.Now().Before(end) {
			return // it lives: of how it ends nothing is known
		}
		got, err := unix.Wait4(pid, &ws, unix.WNOHANG, nil)
		if err != nil && err != unix.EINTR {
			return // an earlier muxward's
		}
		if got == pid {
			break
		}
		select {
		case <-tick.C:
		case <-k.ctx.Done():
			return
		}
	}
	switch {
	case ws.Exited() && ws.ExitStatus() == 0 && why != nil:
		// What has not said anything had nothing to say: others may hold the pipe still.
		if text := saidBy(why); text != "" && text != unsaid {
			k.events.put(Event{Kind: EventNotice, Level: LevelServer, Owner: owner, Text: "a pane of " + owner + " has no program: " + text})
		}
	case ws.Exited() && ws.ExitStatus() == pane.RefusedCode:
		k.events.put(Event{Kind: EventNotice, Level: LevelServer, Owner: owner, Text: "a pane of " + owner + " has no session: " + cmp.Or(saidBy(why), unsaid)})
	case ws.Exited() && ws.ExitStatus() == pane.UnclosedCode:
		k.events.put(Event{Kind: EventNotice, Level: LevelAlarm, Owner: owner, Text: "a session of a pane of " + owner + " was not closed as it has to be: " + cmp.Or(saidBy(why), unsaid)})
	case ws.Signaled():
		k.events.put(Event{Kind: EventNotice, Level: LevelAlarm, Owner: owner, Text: fmt.Sprintf("what minded a session of a pane of %s was killed by signal %d", owner, ws.Signal())})
	}
}

// sayTime is how long what a process had to say is waited for when it has ended.
const sayTime = time.Second

// unsaid is said for it where it has said nothing.
const unsaid = "it did not come to say why"

// saidBy is what the process that minded a session had to say of its end, as one line; "" is
// nothing.
func saidBy(why *os.File) string {
	if why == nil {
		return "an earlier muxward was told why"
	}
	buf := make([]byte, MaxText)
	_ = why.SetReadDeadline(time.Now().Add(sayTime)) // a read fails if it does
	n, err := why.Read(buf)
	switch {
	case errors.Is(err, io.EOF):
		return ""
	case err != nil:
		return unsaid
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, string(buf[:n]))
}

// countLeft counts the sessions that others have opened. The arguments of a
// process are in its own memory, and to read them may take as long as it likes
// (proc_pid_cmdline(5)): it is done of root's processes alone, and aside.
func (k *Keep) countLeft(ctx context.Context, owner string, n *atomic.Int32) error {
	pids, err := processes()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, countTime)
	defer cancel()
	found := make(chan int)
	go func() {
		defer close(found)
		for _, pid := range pids {
			if !k.minds(owner, "", pid) {
				continue
			}
			select {
			case found <- pid:
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case pid, ok := <-found:
			if !ok {
				return nil
			}
			n.Add(1)
			k.wg.Go(func() { k.count(owner, pid, n, nil) })
		case <-ctx.Done():
			return fmt.Errorf("count the sessions of %s's panes: a process of root's does not answer: %w", owner, ctx.Err())
		}
	}
}

// countTime is how long that may take.
const countTime = 10 * time.Second

// minds reports whether a process minds a session of a server of that name, and, unless it is "",
// of that id. One that a muxward before this release has left says no id, and counts.
func (k *Keep) minds(owner, id string, pid int) bool {
	var st unix.Stat_t
	if unix.Stat(procFile(pid, ""), &st) != nil || st.Uid != 0 {
		return false
	}
	if uid, err := procfs.RealUID(pid); err != nil || uid != 0 { // somebody's who may run it by set-user-ID
		return false
	}
	exe, err := os.Readlink(procFile(pid, "exe"))
	if errors.Is(err, os.ErrPermission) {
		exe, err = k.opt.Launcher, nil // it has no dumps, and we may not trace: its arguments tell
	}
	if err != nil || filepath.Base(strings.TrimSuffix(exe, " (deleted)")) != filepath.Base(k.opt.Launcher) {
		return false
	}
	cmd, err := k.memory.Read(pid, "cmdline", 4096)
	if errors.Is(err, procfs.ErrHung) {
		return true // it may be: there are rather too few places than too many sessions
	}
	argv := strings.Split(string(cmd), "\x00")
	if err != nil || len(argv) < 3 || argv[1] != pane.SuperviseArg || argv[2] != owner {
		return false
	}
	return id == "" || len(argv) < 4 || argv[3] == "" || argv[3] == id
}

// servicePath is where a service of PAM is.
const servicePath = "/etc/pam.d/"

// pamProgram is what asks PAM.
const pamProgram = "muxward-pam"

// settlePAM finds out which servers' panes PAM has a word in. It is done once: what goes away
// while we run is missed then, and not done without. Profiles say nothing of it, so there it is
// where this host has the service. Where a host has it and it cannot be asked, people are told:
// whoever relies on it asks for it (pam: required).
func (o *Options) settlePAM() error {
	o.pam, o.unasked = map[string]*pane.Rules{}, nil
	tell := func(panes string, err error) {
		if !errors.Is(err, errOff) {
			o.unasked = append(o.unasked, fmt.Sprintf("panes of %s have no PAM sessions: %v; mend that and start muxward again", panes, err))
		}
	}
	if o.Profiles != nil {
		rules, err := rulesFor(config.Isolated{})
		if err == nil {
			o.profilesPAM = rules
		} else {
			tell("session profiles", err)
		}
	}
	for name, iso := range o.Isolated {
		rules, err := rulesFor(iso)
		if err != nil && iso.PAM == config.PAMRequired {
			return fmt.Errorf("the isolated server %s: pam: required, and %w", name, err)
		}
		if err == nil {
			o.pam[name] = rules
		} else {
			tell(name, err)
		}
	}
	return nil
}

// errOff is within each error by which it is meant that PAM is not asked: that is configured, or
// this host does not have the service.
var errOff = errors.New("PAM is not asked")

func rulesFor(iso config.Isolated) (*pane.Rules, error) {
	if iso.PAM == config.PAMOff {
		return nil, fmt.Errorf("%w: that is turned off (pam: off)", errOff)
	}
	service := iso.PAMService
	if service == "" {
		service = pane.PAMService
	}
	_, err := os.Stat(servicePath + service)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: it has no service %s: %w", errOff, service, err)
	}
	if err != nil {
		return nil, fmt.Errorf("look for PAM's service %s: %w", service, err)
	}
	program, err := siblings.Find(pamProgram)
	if err != nil {
		return nil, err
	}
	return &pane.Rules{Program: program, Service: service, Wait: iso.PAMWait}, nil
}

// serviceOf names the service by which panes of a server have PAM sessions, "" if they have none.
func (k *Keep) serviceOf(r record) string {
	if rules := k.settled(r.Owner); rules != nil && r.Isolated {
		return rules.Service
	}
	return ""
}

// settled gives what was found out of a server.
func (k *Keep) settled(owner string) *pane.Rules {
	if _, named := k.opt.Isolated[owner]; named {
		return k.opt.pam[owner]
	}
	return k.opt.profilesPAM
}

// rulesOf gives what was found out of a server, if what it rests on is there still.
func (k *Keep) rulesOf(owner string) (*pane.Rules, error) {
	rules := k.settled(owner)
	if rules == nil {
		return nil, nil
	}
	if _, err := os.Stat(servicePath + rules.Service); err != nil { // else it would be "other"
		return nil, fmt.Errorf("PAM's service %s has gone: %w", rules.Service, err)
	}
	if err := siblings.CheckProgram(rules.Program); err != nil {
		return nil, err
	}
	return rules, nil
}

// usualProcesses is how many processes a pane may have unless something else is said.
const usualProcesses = 4096

func boundsOf(iso config.Isolated) pane.Bounds {
	if teeth.Out(teeth.Bounds) {
		return pane.Bounds{}
	}
	b := pane.Bounds{Processes: iso.PaneProcesses, Memory: iso.PaneMemory, Asked: iso.PaneProcesses > 0}
	if b.Processes == 0 {
		b.Processes = usualProcesses
	}
	return b
}

// tellBounds clears what is left of cgroups, and tells where panes of a server are not bounded as
// they are to be.
func (k *Keep) tellBounds(s *server) {
	k.bounding.Lock()
	defer k.bounding.Unlock()
	pane.Sweep()
	iso, ok := k.isolated(s.rec.Owner)
	if missing := pane.Missing(boundsOf(iso)); ok && len(missing) > 0 {
		k.tell(LevelServer, s, fmt.Sprintf("panes of %s are not bounded by %s: no cgroup with that controller can be written here", s.rec.Owner, strings.Join(missing, " and ")))
	}
}

// serverGroups gives the groups of all isolated servers' accounts, as far as they can be looked up:
// a server whose account cannot is not started.
func (k *Keep) serverGroups() (gids []uint32) {
	for _, iso := range k.inForce() {
		if a, err := accountByName(iso.Account); err == nil {
			gids = append(gids, a.GID)
		}
	}
	return gids
}
