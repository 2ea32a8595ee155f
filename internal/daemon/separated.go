package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/activation"
	"github.com/muxward/muxward/internal/audit"
	"github.com/muxward/muxward/internal/authkeys"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/guard"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/privsep"
	"github.com/muxward/muxward/internal/privsep/holder"
	profilefile "github.com/muxward/muxward/internal/profiles"
	"github.com/muxward/muxward/internal/sandbox"
	"github.com/muxward/muxward/internal/server/sshd"
	"github.com/muxward/muxward/internal/siblings"
	"github.com/muxward/muxward/internal/trusted"
)

// helperTime is how long muxward-helper may take for what is asked of it as muxward
// begins or ends.
const helperTime = 10 * time.Second

// Start is what serve is started with besides its configuration.
type Start struct {
	// Version is that of the program, as it is told and as muxward-helper has to have it.
	Version string
	// Line is the descriptor of the line to muxward-helper, which has started us then; else 0.
	Line int
	// Passed is how many listening sockets follow that descriptor.
	Passed int
}

// ConfigError is that of a configuration which cannot be served as it is: a mistake in a
// file, not a failure.
type ConfigError struct{ error }

// Unwrap gives what is wrong.
func (e ConfigError) Unwrap() error { return e.error }

// Serve serves as the configuration says until ctx ends: by itself, or as an account of its own with
// muxward-helper beside it, which from.Line leads to. Started as root for such an account it becomes
// muxward-helper, and does not return. The configuration has been filled (config.Fill).
func Serve(ctx context.Context, c config.Config, from Start) error {
	switch {
	case from.Line != 0:
		helper, err := openHelper(ctx, from.Version, from.Line)
		if err != nil {
			return err
		}
		defer helper.Close()
		sockets, err := activation.At(from.Line+1, from.Passed)
		if err != nil {
			return err
		}
		return servePassed(ctx, from.Version, c, helper, sockets)
	case c.Account != "" && c.Root():
		return becomeHelper(c)
	case c.Account != "" && !c.User:
		return ConfigError{fmt.Errorf("%s has account: %s, which is for muxward started as root: it then runs as that account; leave account out to serve your own account only", c.File, c.Account)}
	}
	if c.Root() {
		if err := errors.Join(sandbox.NewKeyring(), sandbox.NoInheritable()); err != nil {
			return err
		}
		fmt.Fprintln(os.Stderr, "muxward: this process has all of root's rights; with account: NAME in the configuration only muxward-helper has them")
	}
	sockets, err := activation.Take()
	if err != nil {
		return err
	}
	return servePassed(ctx, from.Version, c, nil, sockets)
}

// servePassed serves with the sockets that were passed, if any were: there the ssh door is.
func servePassed(ctx context.Context, version string, c config.Config, helper *privsep.Client, sockets []activation.Socket) error {
	defer activation.Close(sockets)
	if len(sockets) > 0 {
		var err error
		if c.SSH.Listen, err = activation.Agree(c.SSH.Listen, sockets); err != nil {
			return ConfigError{err}
		}
	}
	return serve(ctx, version, c, helper, sockets)
}

// becomeHelper has muxward-helper take the place of this process.
func becomeHelper(c config.Config) error {
	program, err := siblings.Find(privsep.HelperProgram)
	if err != nil {
		return err
	}
	argv := []string{program, "--config", c.File, "--state", c.State, "--policy", c.Policy, "--doors", c.Doors}
	for flag, value := range map[string]string{"--tmux": c.Tmux, "--ssh": c.SSH.Listen} {
		if value != "" {
			argv = append(argv, flag, value)
		}
	}
	if err := syscall.Exec(program, argv, os.Environ()); err != nil {
		return fmt.Errorf("run %s: %w", program, err)
	}
	return nil
}

// openHelper greets the helper, after making sure that this process has none of the
// rights that it is to have none of.
func openHelper(ctx context.Context, version string, line int) (*privsep.Client, error) {
	l, err := privsep.OpenLine(line, 0)
	if err != nil {
		return nil, err
	}
	if err := rightless(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if err := sandbox.Undumpable(); err != nil { // people's passwords come through here
		return nil, errors.Join(err, l.Close())
	}
	ctx, cancel := context.WithTimeout(ctx, helperTime)
	defer cancel()
	return privsep.Connect(ctx, l, version)
}

// mindHelper ends muxward with its helper: nothing that needs rights could be done.
func (d *daemon) mindHelper() {
	if d.helper == nil {
		return
	}
	d.wg.Go(func() {
		select {
		case <-d.helper.Gone():
			d.fail(privsep.ErrHelperGone)
		case <-d.ctx.Done():
		}
	})
}

// openCtl opens the control socket.
func (d *daemon) openCtl() (*ctlListener, error) {
	path := filepath.Join(d.config.Run(), "ctl")
	if d.helper == nil {
		return listenCtl(path, d.config.Root())
	}
	c := &ctlListener{path: path, mode: 0o666, make: d.helpersCtl}
	return c, c.listen()
}

func (d *daemon) helpersCtl() (*net.UnixListener, error) {
	ctx, cancel := context.WithTimeout(d.ctx, helperTime)
	defer cancel()
	f, err := d.helper.Ctl(ctx)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	unixListener, ok := l.(*net.UnixListener)
	if !ok {
		return nil, errors.Join(errors.New("what muxward-helper gave is no unix socket"), l.Close())
	}
	return unixListener, nil
}

// saveServing says where we serve: in the state directory, and where that is not root's
// alone by the helper in RUN, as nobody else believes what stands in ours.
func (d *daemon) saveServing(ctx context.Context) error {
	at := config.Serving{PID: os.Getpid(), Ctl: filepath.Join(d.config.Run(), "ctl"), Doors: d.config.Doors, Policy: d.config.Policy,
		State: d.config.State, File: d.config.File, Tmux: d.tmux, SSH: d.ssh.serving()}
	if d.helper != nil {
		at.Account = d.config.Account
		addr := ""
		if at.SSH != nil {
			addr = at.SSH.Addr
		}
		ctx, cancel := context.WithTimeout(ctx, helperTime)
		defer cancel()
		if err := d.helper.Serving(ctx, addr); err != nil {
			return err
		}
	}
	return at.Save(d.config.State)
}

// forced tells whether a process came in by `muxward attach`. Only root may see that of
// other accounts' processes, so the helper is asked. Who would lock down has less time: ctx says.
func (d *daemon) forced(ctx context.Context, pid int, uid uint32) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, helperTime)
	defer cancel()
	return d.helper.Forced(ctx, pid, uid)
}

// isSSHD says why a process is no sshd of root's for one connection.
func (d *daemon) isSSHD(pid int) error {
	ctx, cancel := context.WithTimeout(d.ctx, helperTime)
	defer cancel()
	return d.helper.SSHD(ctx, pid)
}

// readAccountKeys reads an account's authorized_keys.
func (d *daemon) readAccountKeys(a identity.Account) ([]byte, error) {
	if d.helper == nil {
		return authkeys.Read(a)
	}
	ctx, cancel := context.WithTimeout(d.ctx, accountKeysTime)
	defer cancel()
	return d.helper.AuthKeys(ctx, a.Name, authkeys.MaxFile)
}

// notifyManager tells the service manager how we are: it listens to the helper, if there
// is one.
func (d *daemon) notifyManager(state privsep.State) {
	if d.helper == nil {
		notifyManager(string(state))
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(d.ctx), helperTime)
	defer cancel()
	if err := d.helper.Notify(ctx, state); err != nil {
		fmt.Fprintln(os.Stderr, "muxward: tell muxward-helper:", err)
	}
}

// unserved refuses what does not work without root's rights, rather than have it work
// by halves.
func (d *daemon) unserved() error {
	if d.helper == nil {
		return nil
	}
	if err := unix.Access(d.config.State, unix.W_OK); err != nil {
		return fmt.Errorf("the state directory %s is not %s's to write: %w; muxward-helper hands it over as it starts", d.config.State, d.config.Account, err)
	}
	return nil
}

// ownState refuses a state directory that others can change: who can take away what was revoked, or put another
// log there, is not to. One that is an account's, such as one that was handed over to what muxward ran as, is not root's.
func (d *daemon) ownState() error {
	if d.helper != nil { // which has looked
		return nil
	}
	var st unix.Stat_t
	if err := unix.Stat(d.config.State, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: d.config.State, Err: err}
	}
	root := os.Geteuid() == 0
	if root && st.Uid != 0 {
		return fmt.Errorf("the state directory %s is uid %d's, and root writes nothing there: put account: NAME into the configuration again; "+
			"to have muxward run as root, muxward setup --separated=false takes it out and has the state given back first", d.config.State, st.Uid)
	}
	if err := noOthers(d.config.State, accounts.System()); err != nil {
		return fmt.Errorf("the state directory %s: %w; another one, by --state, knows nothing of what was revoked", d.config.State, err)
	}
	if !root {
		return nil
	}
	return holder.KeysBack(d.config.State)
}

// noOthers refuses a directory that others than root and we can change, or put another one in the place of. A group
// may write there that is one account's alone, ours or root's: many accounts have one, and a umask by that.
func noOthers(dir string, files accounts.Files) error {
	real, err := trusted.Us().Groups(files).Way(dir, trusted.Itself)
	if err == nil {
		var st unix.Stat_t
		if err := unix.Lstat(real, &st); err != nil || st.Uid != uint32(os.Geteuid()) {
			return cmp.Or(err, fmt.Errorf("%s is another account's", real)) // root's, that is
		}
	}
	return trusted.Said(err, func(f *trusted.Fault) error {
		switch f.Why {
		case trusted.Owner, trusted.Link:
			return fmt.Errorf("%s is another account's", f.At)
		case trusted.Everybody:
			return fmt.Errorf("%s may be written by others (mode %04o): look at what is in it, and chmod go-w %[1]s", f.At, f.Bits())
		}
		return nil
	})
}

// nobodysAccount refuses to run beside a helper as somebody's account: they would be muxward.
func (d *daemon) nobodysAccount() error {
	if d.helper == nil {
		return nil
	}
	if person := d.policy.Set().Owner(uint32(os.Geteuid()), d.config.Account); person != "" {
		return fmt.Errorf("account: %s is that of %s in people.yaml, who would have all of muxward: give it an account of its own", d.config.Account, person)
	}
	return nil
}

// rightless refuses to run as an account with any of root's rights left.
func rightless() error {
	r, err := sandbox.OwnRights()
	if err != nil {
		return err
	}
	if left := r.Left(); len(left) > 0 {
		return fmt.Errorf("muxward was started with rights that it is to have none of: %s", strings.Join(left, "; "))
	}
	return nil
}

// openHands gives what needs the accounts' rights: the helper's, else our own.
func (d *daemon) openHands(tmuxPath string) (guard.Hands, error) {
	if d.helper != nil {
		d.profiles.hands = d.helper
		return d.helper.Hands(), nil
	}
	if err := os.MkdirAll(filepath.Dir(d.config.Doors), 0o755); err != nil {
		return nil, fmt.Errorf("make the directory above the doors: %w", err)
	}
	if err := makeRun(d.config); err != nil {
		return nil, err
	}
	k, err := keep.New(keep.Options{
		Profiles: d.readProfiles(), Isolated: d.config.Isolated, Run: d.config.Run(), Doors: d.config.Doors, Tmux: tmuxPath, Root: d.config.Root(),
		Config: d.config.TmuxConfig, Account: d.account, Program: ownProgram(), Now: failpoint.Now,
	})
	if err != nil {
		return nil, err
	}
	d.profiles.hands = k
	return k, nil
}

// readProfiles reads the file of profiles, nil if there is none.
func (d *daemon) readProfiles() func() (map[string]config.Profile, error) {
	file := d.config.Profiles
	if file == "" {
		return nil
	}
	return func() (map[string]config.Profile, error) { return profilefile.Read(file) }
}

// openKeys has what is held by muxward-helper sign for us: the ssh host key and the key of
// the log. Their public halves are beside the log, as everywhere.
func (d *daemon) openKeys(ctx context.Context) error {
	if d.helper == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, helperTime)
	defer cancel()
	k, err := d.helper.Keys(ctx)
	if err != nil {
		return err
	}
	d.logKey = &audit.HeldKey{Verifier: k.Checkpoint, New: k.CheckpointNew, Signed: d.helper.Signed,
		Signature: func(text []byte, proof []tlog.Hash) ([]byte, error) {
			s := privsep.Sign{Key: privsep.CheckpointKey, Data: text}
			for _, h := range proof {
				s.Proof = append(s.Proof, h[:])
			}
			return d.helper.Sign(s)
		}}
	if d.hostKey, err = sshd.NewHostKey(d.helper.Signer(k.Host)); err != nil {
		return err
	}
	d.hostKey.New = k.HostNew
	return d.hostKey.SavePublic(d.config.State)
}
