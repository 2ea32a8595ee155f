package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/guard"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/keyboard"
	"github.com/muxward/muxward/internal/passed"
	"github.com/muxward/muxward/internal/settle"
	"github.com/muxward/muxward/internal/tmux"
)

const (
	// maxComplaint bounds one thing that the administrator is told, in bytes.
	maxComplaint = 8 << 10
	lookEvery    = 4 * time.Second // at what nothing tells us about
	settleTime   = 50 * time.Millisecond
	shoutEvery   = time.Minute // about a policy that is broken
)

// watch keeps an eye on the policy directory, the accounts, the log and the
// control socket.
func (d *daemon) watch() {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		d.complain("changes of the policy are noticed late: " + err.Error())
		w = &fsnotify.Watcher{} // its nil channels never fire
	} else {
		defer w.Close()
		_ = w.Add(d.config.Policy) // it was read a moment ago; the ticker looks too
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var shouted time.Time
	for {
		changed := d.log.Changed()
		select {
		case <-d.ctx.Done():
			return
		case <-w.Events:
			drainEvents(d.ctx, w)
			d.reloadChanged(d.ctx)
		case <-w.Errors:
		case <-changed:
			d.logChanged()
		case <-tick.C:
			if w.Events != nil {
				_ = w.Add(d.config.Policy) // a directory that was replaced
			}
			d.reloadChanged(d.ctx)
			d.ssh.reloadChanged(d.ctx, d)
			d.mindAway(d.ctx)
			d.openDoors(d.ctx)
			d.ctl.look(d.complain)
			if time.Since(shouted) > shoutEvery {
				if d.retry(d.ctx) {
					d.ssh.reload(d.ctx, d)
				}
				if d.shout() {
					shouted = time.Now()
				}
			}
		}
	}
}

// sshBroken is said of lists that are not in force as they are.
const sshBroken = "lists of the ssh door are broken, what was read last of them stays in force"

// shout tells of what keeps something old in force, and whether there was any.
func (d *daemon) shout() (any bool) {
	if err := d.policy.Broken(); err != nil {
		any = true
		d.event(access.EventAlarm, "the policy files are broken; the last good policy is in force: "+err.Error())
	}
	if err := d.given.Wrong(); err != nil {
		any = true
		d.event(access.EventAlarm, "grants: "+err.Error())
	}
	if err := d.profiles.wrong(); err != nil {
		any = true
		d.event(access.EventAlarm, profilesBroken+": "+err.Error())
	}
	if err := d.ssh.wrong(); err != nil {
		any = true
		d.event(access.EventAlarm, sshBroken+": "+err.Error())
	}
	return any
}

// drainEvents waits until a series of changes is over: editors and git write
// more than one file.
func drainEvents(ctx context.Context, w *fsnotify.Watcher) {
	quiet := time.NewTimer(settleTime)
	defer quiet.Stop()
	for {
		select {
		case <-w.Events:
			quiet.Reset(settleTime)
		case <-quiet.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// reloadChanged puts the policy files in force if they are not what was read last.
func (d *daemon) reloadChanged(ctx context.Context) {
	if d.reload(ctx, false) {
		d.ssh.reload(ctx, d)
		d.openDoors(ctx)
	}
}

// reloadAll has the policy and the profiles of files that were changed together in force.
func (d *daemon) reloadAll(ctx context.Context) {
	d.reloadAsked(ctx)
	d.rereadProfiles(ctx)
}

// reloadAsked is reloadChanged for who asks for it: what was broken is read once more, what
// was not confirmed is decided once more, and the rest is looked at in any case.
func (d *daemon) reloadAsked(ctx context.Context) {
	if !d.reload(ctx, true) && d.policy.Broken() == nil {
		d.event(access.EventReload, "the policy is in force as it is")
	}
	d.ssh.reload(ctx, d)
	d.openDoors(ctx)
}

// reload puts the policy files in force, and with them everything that is under way. A
// broken policy changes nothing but the alarm. What is in force already is left alone:
// whoever asks for a change, and who finds it by themselves, come right behind each other,
// and what was asked for in between would be refused as from before the second.
func (d *daemon) reload(ctx context.Context, again bool) (loaded bool) {
	d.loading.Lock()
	defer d.loading.Unlock()
	switch same := d.policy.DigestNow(d.config.Policy) == d.policy.Digest(); {
	case !same || again && d.policy.Broken() != nil:
		return d.load(ctx, nil)
	case again && d.unsure:
		d.reloaded(ctx, "the policy was in force")
		return true
	}
	return false
}

// retry reads a broken policy once more: what was wrong with it need not have been in the
// files.
func (d *daemon) retry(ctx context.Context) (loaded bool) {
	d.loading.Lock()
	defer d.loading.Unlock()
	known := d.policy.Broken()
	return known != nil && d.load(ctx, known)
}

// load reads the policy files, and the profiles with them if they are right only so; d.loading is held. That
// they are broken in the way that is known is not said again.
func (d *daemon) load(ctx context.Context, known error) bool {
	if d.loadBoth(ctx) {
		return true
	}
	if err := d.policy.Reload(d.config.Policy); err != nil {
		if known != nil && known.Error() == err.Error() {
			return false
		}
		d.event(access.EventReload, "refused, the last good policy stays in force: "+err.Error())
		fmt.Fprintf(os.Stderr, "muxward: the policy was NOT loaded, the last good one stays in force:\n%v\n", err)
		return false
	}
	d.reloaded(ctx, "the policy was loaded")
	return true
}

// reloaded has all that is under way decided by the policy in force, and says what was done.
func (d *daemon) reloaded(ctx context.Context, what string) {
	rep := d.reconsider(ctx)
	d.unsure = len(rep.Unconfirmed) > 0
	d.event(access.EventReload, fmt.Sprintf("%s; %d permits in use were decided anew", what, rep.Touched))
	for _, u := range rep.Unconfirmed {
		d.complain("after the reload, not confirmed: " + u)
	}
	if err := d.keyboards.VoidSuggestions(ctx, keyboard.VoidTime); err != nil {
		d.unsure = true
		d.complain("after the reload: " + err.Error())
	}
}

// reconsider has all that is under way decided anew. The time for that is its own: what
// the doors are to end is not to come too late for it.
func (d *daemon) reconsider(ctx context.Context) gateway.Report {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	d.lookAway(ctx) // people.yaml says whose an account is, too
	return d.gateway.Reconsider(ctx, "", "the policy has changed")
}

func (d *daemon) logChanged() {
	h := d.log.Health()
	switch {
	case !h.OK:
		fmt.Fprintln(os.Stderr, "muxward: the log cannot be written, so nothing new is done and nothing is typed:", h.Reason)
	case h.Slow:
		fmt.Fprintln(os.Stderr, "muxward: the log's disk is slow:", h.Reason)
	default:
		fmt.Fprintln(os.Stderr, "muxward: the log can be written again")
	}
}

// openDoors opens a door for each account that may have one and has none.
func (d *daemon) openDoors(ctx context.Context) {
	uids := d.doorUIDs()
	d.mu.Lock()
	maps.DeleteFunc(d.shut, func(uid uint32, _ string) bool { return !slices.Contains(uids, uid) })
	d.mu.Unlock()
	for _, uid := range uids {
		d.mu.Lock()
		open := d.doors[uid]
		d.mu.Unlock()
		if open {
			continue
		}
		if err := d.openDoor(ctx, uid); err != nil && d.staysShut(uid, err.Error()) {
			d.complain(fmt.Sprintf("the door of uid %d was not opened: %v", uid, err))
		}
	}
}

// staysShut keeps why a door was not opened, for who asks how muxward is, and reports whether that
// is news: it is tried again and again.
func (d *daemon) staysShut(uid uint32, why string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.shut[uid] == why
	d.shut[uid] = why
	return !known
}

// shutDoors tells of doors that are not open and should be: somebody else's server may listen there.
func (d *daemon) shutDoors() (list []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, uid := range slices.Sorted(maps.Keys(d.shut)) {
		list = append(list, fmt.Sprintf("the door of uid %d is not open, and tried again: %s", uid, d.shut[uid]))
	}
	return list
}

func (d *daemon) openDoor(ctx context.Context, uid uint32) error {
	known := d.files // doors of others, which the directory may keep waiting, are apart (directory.go)
	if !d.config.Root() {
		known = d.accounts // there is one's own alone
	}
	account, err := known.ByUID(ctx, uid)
	if errors.Is(err, identity.ErrNoAccount) {
		account, err = identity.Account{Name: strconv.Itoa(int(uid)), UID: uid, GID: noGroup}, nil
	}
	if err != nil {
		return err
	}
	return d.openDoorOf(account)
}

func (d *daemon) openDoorOf(account identity.Account) error {
	uid := account.UID
	door, err := d.guard.OpenDoor(account)
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.doors[uid] = true
	delete(d.shut, uid) // whoever has opened it
	d.mu.Unlock()
	d.wg.Go(func() {
		if err := d.tmuxDoor.Serve(d.ctx, door, ""); err != nil {
			d.complain(fmt.Sprintf("the door of uid %d: %v", uid, err))
		}
	})
	return nil
}

// unread tells once why the accounts cannot be read, however often that is
// tried.
func (d *daemon) unread(err error) {
	why := ""
	if err != nil {
		why = "read the accounts: " + err.Error()
	}
	d.mu.Lock()
	told := d.accountless
	d.accountless = why
	d.mu.Unlock()
	if why != "" && why != told {
		d.complain(why)
	}
}

// doorUIDs lists who gets a door: in user mode oneself; as root every account
// that may log in, those that the configuration names or lends to people, and root.
func (d *daemon) doorUIDs() []uint32 {
	if !d.config.Root() {
		return []uint32{uint32(os.Geteuid())}
	}
	var uids []uint32
	if !d.config.Separated { // else muxward-helper serves those of the configuration
		uids = append([]uint32{0}, d.policy.Set().UIDs()...)
	}
	data, err := os.ReadFile("/etc/passwd")
	d.unread(err)
	if err != nil {
		return uids
	}
	members := accounts.System().Members()
	for line := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) != 7 {
			continue
		}
		uid, err := strconv.ParseUint(f[2], 10, 32)
		gid, errGID := strconv.ParseUint(f[3], 10, 32)
		in := func(group string) bool { return members(group, f[0], uint32(gid)) }
		if err == nil && errGID == nil && d.config.Serves(f[0], uint32(uid), f[6], in) {
			uids = append(uids, uint32(uid))
		}
	}
	slices.Sort(uids)
	return slices.Compact(uids)
}

// serveInner serves the door that a server's own panes see.
func (d *daemon) serveInner(s *guard.Server) {
	d.holdHalted(s) // before anybody is let in
	if wrong := d.lentServer(s.Owner(), s.Account()); wrong != "" {
		d.complain(wrong)
	}
	d.wg.Go(func() {
		if err := d.tmuxDoor.Serve(d.ctx, s.InnerDoor(), s.Owner()); err != nil {
			d.complain(fmt.Sprintf("the inner door of %s: %v", s.Owner(), err))
		}
	})
}

// ourClient tells the displays of our people from clients that nobody let in.
func (d *daemon) ourClient(s *guard.Server, pid int, name string) bool {
	return pid == os.Getpid() || d.gateway.ClientPerson(s.Owner(), name) != ""
}

// notice writes what the guard tells, and lets go of people whose server
// ended.
func (d *daemon) notice(n guard.Notice) {
	go func() { // the guard does not wait; the log refuses once it is closed
		ctx, cancel := context.WithTimeout(context.WithoutCancel(d.ctx), settle.Record)
		defer cancel()
		if _, err := d.log.Append(ctx, access.BestEffortClass, n.Event()); err != nil || n.Kind == access.EventAlarm {
			fmt.Fprintln(os.Stderr, "muxward:", tmux.Clean(n.Text))
		}
	}()
}

// event writes something about muxward itself.
func (d *daemon) event(kind access.EventKind, note string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(d.ctx), settle.Record)
	defer cancel()
	if _, err := d.log.Append(ctx, access.MustRecordClass, access.Event{Kind: kind, Note: note}); err != nil {
		fmt.Fprintf(os.Stderr, "muxward: %s (not recorded: %v)\n", note, err)
	}
}

// complain tells the administrator, on standard error and in the log.
func (d *daemon) complain(what string) {
	if more := len(what) - maxComplaint; more > 0 {
		what = fmt.Sprintf("%s ... and %d bytes more", what[:maxComplaint], more)
	}
	fmt.Fprintln(os.Stderr, "muxward:", tmux.Clean(what))
	go d.event(access.EventAlarm, what)
}

// makeRun makes the directories of the doors and of the guarded servers. Whose they are, and what is above
// them, is looked at, and their modes are put right, by who opens them (keep.New): here nothing is changed
// that is there already, as others may have put a link to something else of ours in their place.
func makeRun(c config.Config) error {
	for _, p := range []string{c.Doors, c.Run()} {
		if err := os.Mkdir(p, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		info, err := os.Lstat(p)
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || !ok || st.Uid != uint32(os.Geteuid()) {
			return fmt.Errorf("%s is no directory of ours; take it away, or name another with --doors", p)
		}
	}
	return nil
}

// ctlListener is the control socket, put back if somebody takes it away.
type ctlListener struct {
	path string
	mode fs.FileMode
	make func() (*net.UnixListener, error)

	mu     sync.Mutex
	l      *net.UnixListener
	ino    uint64
	closed bool
}

func listenCtl(path string, root bool) (*ctlListener, error) {
	c := &ctlListener{path: path, mode: 0o600}
	if root {
		c.mode = 0o666 // everybody may ask; what they get is decided
	}
	c.make = c.bind
	return c, c.listen()
}

func (c *ctlListener) listen() error {
	l, err := c.make()
	if err != nil {
		return fmt.Errorf("open the control socket: %w", err)
	}
	c.l, c.ino = l, inode(c.path)
	return nil
}

// bind makes the socket where the directory is ours.
func (c *ctlListener) bind() (*net.UnixListener, error) {
	// Our directory is ours alone and locked: what is there is an old one.
	if err := os.Remove(c.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := passed.Listen(c.path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(c.path, c.mode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func inode(path string) uint64 {
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil {
		return 0
	}
	return st.Ino
}

// Accept waits for the next connection.
func (c *ctlListener) Accept() (*net.UnixConn, error) {
	for {
		c.mu.Lock()
		l, closed := c.l, c.closed
		c.mu.Unlock()
		if closed {
			return nil, net.ErrClosed
		}
		conn, err := l.AcceptUnix()
		if err == nil || !errors.Is(err, net.ErrClosed) {
			return conn, err
		}
	}
}

// Close stops listening.
func (c *ctlListener) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	return c.l.Close()
}

// look puts the socket back if it was removed, replaced or changed.
func (c *ctlListener) look(tell func(string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	info, err := os.Lstat(c.path)
	if c.closed || err == nil && inode(c.path) == c.ino && info.Mode().Perm() == c.mode {
		return
	}
	old := c.l
	old.SetUnlinkOnClose(false)
	if err := c.listen(); err != nil {
		tell(err.Error())
		return
	}
	_ = old.Close()
	tell("the control socket had been removed or changed, and was put back")
}
