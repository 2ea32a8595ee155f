package monitor

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/siblings"
)

// setting is what the helper goes by: root's configuration, and nothing that
// the daemon says.
type setting struct {
	config  config.Config
	account accounts.Account
	tmux    string // the program
	muxward string // the program
}

// settings reads the configuration. The file, and the programs that are
// started, have to be root's: what stands there is done as root.
func settings(given config.Config, file string) (*setting, error) {
	if file == "" {
		return nil, errors.New("give the configuration: muxward-helper --config FILE, which has account: NAME")
	}
	file, err := filepath.Abs(file)
	if err == nil {
		file, err = filepath.EvalSymlinks(file)
	}
	if err == nil {
		err = siblings.CheckPath(file)
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
		return nil, fmt.Errorf("%s: there is no account: say as which account muxward is to run, such as account: muxward, or start muxward serve", file)
	}
	if c.User {
		return nil, errors.New("muxward-helper is for all accounts: leave out user")
	}
	if err := c.Fill(); err != nil {
		return nil, err
	}
	s := &setting{config: c}
	if s.account, err = accountOf(c.Account); err != nil {
		return nil, fmt.Errorf("%s: account: %w", file, err)
	}
	if s.muxward, err = siblings.Find("muxward"); err != nil {
		return nil, err
	}
	tmux := c.Tmux
	if tmux == "" {
		tmux = "tmux"
	}
	if s.tmux, err = exec.LookPath(tmux); err != nil {
		return nil, fmt.Errorf("%w; install tmux 3.2a or newer, or name it with --tmux", err)
	}
	s.tmux, err = filepath.Abs(s.tmux)
	return s, err
}

// accountOf gives the account that muxward is to run as: one without root's
// rights.
func accountOf(name string) (accounts.Account, error) {
	uid, err := accounts.System().UIDOf(name)
	if err != nil {
		return accounts.Account{}, fmt.Errorf("%w; make it with: useradd --system --home-dir /nonexistent --shell /usr/sbin/nologin %s", err, name)
	}
	a, err := accounts.System().Named(name, uid)
	if err == nil && (a.UID == 0 || a.GID == 0) {
		err = fmt.Errorf("%q is root's, or of root's group: give an account of its own", name)
	}
	return a, err
}

// hands are the options of the hands.
func (s *setting) hands() keep.Options {
	return keep.Options{Run: s.config.Run(), Doors: s.config.Doors, Tmux: s.tmux, Root: true,
		Config: s.config.TmuxConfig, Umask: 0o022, Account: s.serves, Isolated: s.config.Isolated}
}

// serves gives an account that is to have a server and a door. The daemon can
// do in a server what its account can, so root's is not among them unless the
// configuration names it.
func (s *setting) serves(name string, uid uint32) (accounts.Account, error) {
	a, err := keep.Listed(name, uid)
	if err == nil && !s.config.Serves(a.Name, a.UID, a.Shell) {
		err = keep.ErrRefused.WithText(fmt.Sprintf("the account %s gets no tmux server and no door here: list it under accounts in the configuration", a.Name))
	}
	if err != nil {
		return accounts.Account{}, err
	}
	return a, nil
}

// daemon is how muxward is started: as its account with no other group, and
// with the line as its only descriptor beside the standard streams.
func (s *setting) daemon(line *os.File) order {
	argv := []string{s.muxward, "serve", "--line", strconv.Itoa(LineFD), "--config", s.config.File,
		"--state", s.config.State, "--policy", s.config.Policy, "--doors", s.config.Doors, "--tmux", s.tmux}
	if s.config.SSH.Listen != "" {
		argv = append(argv, "--ssh", s.config.SSH.Listen)
	}
	return order{argv: argv, env: append(os.Environ(), "HOME=/", "USER="+s.account.Name, "LOGNAME="+s.account.Name),
		as:    &syscall.Credential{Uid: s.account.UID, Gid: s.account.GID, Groups: []uint32{}},
		files: []*os.File{line}, out: os.Stderr}
}
