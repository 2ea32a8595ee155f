package monitor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/activation"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/nss"
	"github.com/muxward/muxward/internal/pam"
	"github.com/muxward/muxward/internal/profiles"
	"github.com/muxward/muxward/internal/siblings"
)

// setting is what the helper goes by: root's configuration, and nothing that
// the daemon says.
type setting struct {
	config  config.Config
	account accounts.Account
	tmux    string // the program
	muxward string // the program
	pam     PAM
	// directory has the accounts that no file has; nil where none is asked.
	directory *nss.Switch
	step      func(string) // for tests: is told of each change of the state directory before it
}

// settings reads the configuration. The file, and the programs that are started,
// have to be root's: what stands there is done as root, and tmux is run as everybody.
// Programs are found where ours are, and in a PATH of our own (begin).
func settings(given config.Config, file string) (*setting, error) {
	if file == "" {
		return nil, errors.New("give the configuration: muxward-helper --config FILE, which has account: NAME")
	}
	file, err := filepath.Abs(file)
	if err == nil {
		file, err = siblings.Real(file)
	}
	if err != nil {
		return nil, fmt.Errorf("the configuration: %w", err)
	}
	c, err := config.Load(file)
	if err != nil {
		return nil, err
	}
	c.Override(given)
	if c.Account == "" {
		c.Account = given.Account // of giving back alone
	}
	if c.Account == "" {
		return nil, fmt.Errorf("%s: there is no account: say as which account muxward is to run, such as account: muxward, or start muxward serve", file)
	}
	if c.User {
		return nil, errors.New("muxward-helper is for all accounts: leave out user")
	}
	if err := c.Fill(); err != nil {
		return nil, err
	}
	s := &setting{config: c}
	if s.account, err = accountOf(accounts.System(), c.Account); err != nil {
		return nil, fmt.Errorf("%s: account: %w", file, err)
	}
	for _, listed := range slices.Concat(c.Accounts, c.SSH.KeysAccounts, []string{c.SSH.KeysUser}) {
		if uid, err := accounts.System().UIDOf(listed); err == nil && uid == s.account.UID {
			return nil, fmt.Errorf("%s: account: %s is uid %d, and so is %s, which people use: give an account of its own", file, c.Account, uid, listed)
		}
	}
	if s.muxward, err = siblings.Find("muxward"); err != nil {
		return nil, err
	}
	s.pam.May = s.password
	if s.pam.Service = c.SSH.PAMService(); s.pam.Service != "" {
		if s.pam.Program, err = pam.FindProgram(); err != nil {
			return nil, err
		}
	}
	if c.Directory() {
		o := nss.System()
		if o.Getent, err = nss.Getent(); err != nil {
			return nil, err
		}
		o.Groups, o.Now = c.Groups(), failpoint.Now
		s.directory = nss.New(o)
	}
	tmux := c.Tmux
	if tmux == "" {
		tmux = "tmux"
	}
	if s.tmux, err = exec.LookPath(tmux); err != nil {
		return nil, fmt.Errorf("%w; install tmux 3.2a or newer, or name it with --tmux", err)
	}
	if s.tmux, err = filepath.Abs(s.tmux); err != nil {
		return nil, err
	}
	if _, err := siblings.RealProgram(s.tmux); err != nil {
		return nil, fmt.Errorf("tmux, which every account is to run: %w", err)
	}
	return s, nil
}

// accountOf gives the account that muxward is to run as: one without root's rights, that
// nobody logs in as, with a group of its own. Whoever else has that account has muxward.
func accountOf(all accounts.Files, name string) (accounts.Account, error) {
	const makeIt = "make one with: useradd --system --user-group --home-dir /nonexistent --shell /usr/sbin/nologin"
	uid, err := all.UIDOf(name)
	if err != nil {
		return accounts.Account{}, fmt.Errorf("%w; %s %s", err, makeIt, name)
	}
	a, err := all.Named(name, uid)
	if err != nil {
		return accounts.Account{}, err
	}
	group, members, err := all.GroupOf(a.GID)
	shell := filepath.Base(a.Shell)
	switch {
	case err != nil:
		return accounts.Account{}, err
	case a.UID == 0 || a.GID == 0:
		err = fmt.Errorf("%q is root's, or of root's group: give an account of its own", name)
	case shell != "nologin" && shell != "false":
		err = fmt.Errorf("%q may log in (its shell is %q): whoever has it would have muxward; %s muxward", name, a.Shell, makeIt)
	case group != name || len(members) > 0:
		err = fmt.Errorf("the group of %q is %q, which others may be in: its files would be theirs, and theirs its; %s muxward", name, group, makeIt)
	}
	return a, err
}

// untaken refuses a start by a unit with StateDirectory=, by which systemd has given the state to root, and
// with it what the account has put there: the hand-over would take that for root's. dirs are the
// directories that systemd has made, with colons between them.
func (s *setting) untaken(dirs string) error {
	for dir := range strings.SplitSeq(dirs, ":") {
		if dir != "" && (s.config.State == dir || strings.HasPrefix(s.config.State, dir+"/")) {
			return fmt.Errorf("the unit that starts muxward has StateDirectory=, by which systemd gives %s to root at every start, and what an account has put there, too: "+
				"muxward setup brings a new unit, or take the line out; nothing was handed over", dir)
		}
	}
	return nil
}

// homeInState says so if the account's home is where muxward writes: whoever has taken muxward over could
// put keys and programs there that sshd and others obey, outside of its sandbox.
func (s *setting) homeInState() string {
	home := filepath.Clean(s.account.Home)
	if home != s.config.State && !strings.HasPrefix(home, s.config.State+"/") {
		return ""
	}
	return fmt.Sprintf("the home of %s, %s, is in the state directory, which muxward writes: whoever has taken it over can leave an .ssh there; "+
		"stop muxward, usermod --home /nonexistent %s, and start it (muxward setup does that, too)", s.account.Name, home, s.account.Name)
}

// hands are the options of the hands.
func (s *setting) hands() keep.Options {
	o := keep.Options{Run: s.config.Run(), Doors: s.config.Doors, Tmux: s.tmux, Root: true,
		Config: s.config.TmuxConfig, Umask: 0o022, Account: s.serves, Program: s.muxward, Isolated: s.config.Isolated, Self: s.account.UID}
	if file := s.config.Profiles; file != "" {
		o.Profiles = func() (map[string]config.Profile, error) { return profiles.Read(file) }
	}
	return o
}

// serves gives an account that is to have a server and a door. The daemon can
// do in a server what its account can, so root's is not among them unless the
// configuration names it.
func (s *setting) serves(ctx context.Context, name string, uid uint32) (accounts.Account, error) {
	a, err := keep.Listed(ctx, name, uid)
	if s.directory != nil && errors.Is(err, accounts.ErrNoAccount) {
		if a, err = s.directory.ByUID(ctx, uid); err == nil && a.Name != name {
			err = fmt.Errorf("the uid %d is that of the account %q, not of %q: %w", uid, a.Name, name, accounts.ErrNoAccount)
		}
	}
	if err == nil && a.UID == s.account.UID {
		err = keep.ErrRefused.WithText(fmt.Sprintf("the account %s is what muxward runs as", a.Name))
	}
	in := accounts.System().Member(a)
	if err == nil && !s.config.Serves(a.Name, a.UID, a.Shell, in) {
		err = keep.ErrRefused.WithText(fmt.Sprintf("the account %s gets no tmux server and no door here: list it under accounts in the configuration", a.Name))
	}
	if err != nil {
		return accounts.Account{}, err
	}
	return a, nil
}

// password gives an account whose password people may come by.
func (s *setting) password(name string) (uint32, error) {
	if err := pam.CheckName(name); err != nil {
		return 0, err
	}
	uid, err := accounts.System().UIDOf(name)
	switch {
	case err != nil:
		return 0, err
	case uid == 0 && !s.config.SSH.PAMRoot:
		return 0, errors.New("root does not come by a password (ssh: pam_root, and muxward-helper is to be started anew)")
	case uid == s.account.UID:
		return 0, errors.New("it is what muxward runs as")
	case slices.Contains(s.config.SSH.KeysAccounts, name):
		return 0, errors.New("it is lent (ssh: keys_accounts)")
	}
	return uid, nil
}

// listenAt has the ssh door be at the sockets that were passed, if any were.
func (s *setting) listenAt(sockets []activation.Socket) (err error) {
	if len(sockets) > 0 {
		s.config.SSH.Listen, err = activation.Agree(s.config.SSH.Listen, sockets)
	}
	return err
}

// daemon is how muxward is started: as its account with no other group, and with the line, and
// behind it the sockets that were passed, as its only descriptors beside the standard streams.
func (s *setting) daemon(line *os.File, sockets []activation.Socket) order {
	argv := []string{s.muxward, "serve", "--line", strconv.Itoa(LineFD), "--config", s.config.File,
		"--state", s.config.State, "--policy", s.config.Policy, "--doors", s.config.Doors, "--tmux", s.tmux}
	if s.config.SSH.Listen != "" {
		argv = append(argv, "--ssh", s.config.SSH.Listen)
	}
	if len(sockets) > 0 {
		argv = append(argv, "--passed", strconv.Itoa(len(sockets)))
	}
	return order{argv: argv, env: append(os.Environ(), "HOME=/", "USER="+s.account.Name, "LOGNAME="+s.account.Name),
		as:    &syscall.Credential{Uid: s.account.UID, Gid: s.account.GID, Groups: []uint32{}},
		files: append([]*os.File{line}, activation.Files(sockets)...), out: os.Stderr}
}
