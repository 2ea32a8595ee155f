// Package config turns files and defaults into plain values: where muxward
// keeps its things and which tmux it uses.
//
// It is strict (an unknown key is an error with its place) and knows nothing
// of policy, which has a directory of its own. Start reading at [Load].
package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// maxFile bounds a configuration file.
const maxFile = 1 << 20

// Config is what `muxward serve` runs with. Paths are absolute once Fill has
// run.
type Config struct {
	// File is the file that it was read from, "" if from none.
	File string `yaml:"-"`
	// State holds the log, the keys and the revocations.
	State string `yaml:"state"`
	// Policy is the policy directory.
	Policy string `yaml:"policy"`
	// Doors is what people export as TMUX_TMPDIR.
	Doors string `yaml:"doors"`
	// Tmux is the tmux program; by default the one in PATH.
	Tmux string `yaml:"tmux"`
	// TmuxConfig lists configuration files for every server; by default tmux
	// reads those it always reads.
	TmuxConfig []string `yaml:"tmux_config"`
	// Accounts get a door each when muxward runs as root, besides those the
	// policy names; by default every account that may log in. @NAME are the accounts of a
	// group of the host that may.
	Accounts []string `yaml:"accounts"`
	// AccountsFrom says where accounts are known from: files (/etc/passwd and /etc/group), and with
	// [files, nss] the name service switch for those that no file has. By default files alone.
	AccountsFrom []string `yaml:"accounts_from"`
	// Account is the account that muxward runs as, without any rights of root's: those are
	// muxward-helper's. By default it is whoever starts muxward.
	Account string `yaml:"account"`
	// WithoutLandlock has muxward run as that account also on a kernel without Landlock, where it
	// can write wherever its account can. By default it does not start there.
	WithoutLandlock bool `yaml:"without_landlock"`
	// Namespaces are accounts whose processes may also come from a pid or user namespace that
	// is not muxward's: containers of theirs that have the doors' directory. By default none.
	Namespaces []string `yaml:"namespaces"`
	// Separated is set where muxward runs as an account of its own, beside muxward-helper.
	Separated bool `yaml:"-"`
	// User makes even root run muxward for its own account only.
	User bool `yaml:"user"`
	// PasteLimit is the largest paste of a guest in bytes; by default 256 KiB. Text of
	// which much has to be quoted may be too large before that.
	PasteLimit int `yaml:"paste_limit"`
	// PasteConfirmLines is how many lines a guest pastes without being asked; by
	// default any number.
	PasteConfirmLines int `yaml:"paste_confirm_lines"`
	// Presence has muxward set options of tmux that tell who is attached to a
	// session and who is typing there, for status lines.
	Presence bool `yaml:"presence"`
	// AnswerKey has people answer requests by a key in their displays; by default they
	// are told there of the command.
	AnswerKey bool `yaml:"answer_key"`
	// PanicKey has whoever holds lock lock down at once, by this key in their display,
	// the server that they are at: F6 to F12. There is none by default: it stops
	// everybody, a program may use the key, and it is soon hit.
	PanicKey string `yaml:"panic_key"`
	// RequestKey has who does not hold every verb ask others for a right on the pane that they are
	// at, by this key in their display: F6 to F12. There is none by default: a program may
	// use the key.
	RequestKey string `yaml:"request_key"`
	// Webhook is told what is asked for; by default nobody is.
	Webhook Webhook `yaml:"webhook"`
	// SSH is the door for people who come by ssh; it is closed by default.
	SSH SSH `yaml:"ssh"`
	// Isolated are tmux servers that are nobody's, by their names, which people.yaml
	// has among its servers.
	Isolated map[string]Isolated `yaml:"isolated"`
	// Profiles is a file of named sessions; there are none by default.
	Profiles string `yaml:"profiles"`
}

// Webhook is an address that is told of requests. The path is absolute once Fill has run.
type Webhook struct {
	// URL is an https address, or an http one of this host.
	URL string `yaml:"url"`
	// Secret is a file with the secret that messages are signed by.
	Secret string `yaml:"secret"`
}

// SSH is the SSH door. Paths are absolute once Fill has run.
type SSH struct {
	// Listen is the address, such as :2222. Without one the door is closed.
	Listen string `yaml:"listen"`
	// Keys is a directory of NAME.keys: more public keys of people.
	Keys string `yaml:"keys"`
	// AccountKeys has the authorized_keys of people's own accounts taken.
	AccountKeys bool `yaml:"account_keys"`
	// Authorities is a file of public keys whose certificates are taken.
	Authorities string `yaml:"authorities"`
	// HostCertificate is a file with a certificate of the host key.
	HostCertificate string `yaml:"host_certificate"`
	// Revoked is a file of keys and certificates that are not taken any more.
	Revoked string `yaml:"revoked"`
	// KeysUser is the account as which an sshd of the host asks `muxward keys`: its
	// AuthorizedKeysCommandUser. Without one it is given no tickets.
	KeysUser string `yaml:"keys_user"`
	// KeysAccounts are the accounts that tickets are for. People are lent them: whoever
	// comes as one of them is nobody without a ticket.
	KeysAccounts []string `yaml:"keys_accounts"`
	// TOTP is a file of people's secrets for codes, which are asked for beside the key.
	TOTP string `yaml:"totp"`
	// PAM has people come by the passwords of their accounts: true, or the PAM service that
	// is asked in the place of muxward. PAMRoot takes root's, too. PAMMFA says that the
	// service takes two factors.
	PAM     string `yaml:"pam"`
	PAMRoot bool   `yaml:"pam_root"`
	PAMMFA  bool   `yaml:"pam_mfa"`
	// PAMBehindKeys are people who prove the password of their account behind each key, and
	// come by none without a key: true for everybody.
	PAMBehindKeys Themselves `yaml:"pam_behind_keys"`
	// PAMWait is how long PAM may take to say something; by default half a minute.
	PAMWait time.Duration `yaml:"pam_wait"`
	// Idle is how long somebody may be on a terminal and type nothing; 0 is without end.
	Idle time.Duration `yaml:"idle"`
	// Subsystems are programs, with their arguments, by the names of the subsystems that
	// they are; sftp is the system's if it is not among them. Who may run which says
	// ssh.yaml of the policy.
	Subsystems map[string][]string `yaml:"subsystems"`
}

// PAMService is the PAM service that is asked about passwords, "" if none are taken.
func (s *SSH) PAMService() string {
	switch strings.ToLower(s.PAM) {
	case "", "false", "no", "off": // who is in a hurry may write any of them
		return ""
	case "true":
		return "muxward"
	}
	return s.PAM
}

// maxPaste is the largest paste_limit: a paste is one command line to tmux, which holds
// 1 MiB.
const maxPaste = 1<<20 - 8<<10

// maxPAMWait is the longest pam_wait: a login may take no longer in all.
const maxPAMWait = 2 * time.Minute

// Load reads a configuration file; "" is an empty one.
func Load(path string) (Config, error) {
	var c Config
	if path == "" {
		return c, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return c, fmt.Errorf("the configuration cannot be read: %w; name another file with --config", err)
	}
	if info.Size() > maxFile {
		return c, fmt.Errorf("%s: larger than %d bytes; this cannot be a muxward configuration", path, maxFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return c, err
	}
	if c.File, err = filepath.Abs(path); err != nil {
		return c, err
	}
	return c, decode(path, data, &c)
}

// unknownKey is what the library says of a key that there is not: it names a type of ours.
var unknownKey = regexp.MustCompile(`field (\S+) not found in type \S+`)

// told gives the words of an error of the library for whoever wrote the file.
func told(err error) string {
	said := unknownKey.ReplaceAllString(err.Error(), "there is no key $1")
	if said == err.Error() {
		return said
	}
	return said + "; the keys are " + keys(reflect.TypeFor[Config]())
}

func decode(path string, data []byte, c *Config) error {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	loader := yaml.NewDecoder(bytes.NewReader(data))
	loader.KnownFields(true)
	if err := loader.Decode(c); err != nil {
		return fmt.Errorf("%s: %s", path, told(err))
	}
	if err := c.checkIsolated(); err != nil {
		return fmt.Errorf("%s: isolated: %w", path, err)
	}
	for name, argv := range c.SSH.Subsystems {
		if len(argv) == 0 || !filepath.IsAbs(argv[0]) {
			return fmt.Errorf("%s: ssh: subsystems: %s: give the program with its absolute path, and its arguments, as in %s: [/usr/libexec/%s]", path, name, name, name)
		}
	}
	if f := c.AccountsFrom; f != nil && !slices.Equal(f, []string{"files"}) && !slices.Equal(f, []string{"files", "nss"}) {
		return fmt.Errorf("%s: accounts_from is %q; give [files], or [files, nss] for those, too, that only a directory service has", path, f)
	}
	switch {
	case c.PanicKey != "" && !slices.Contains(PanicKeys(), c.PanicKey):
		return fmt.Errorf("%s: panic_key is %q; give one of %s, or leave it out", path, c.PanicKey, strings.Join(PanicKeys(), ", "))
	case c.RequestKey != "" && !slices.Contains(PanicKeys(), c.RequestKey):
		return fmt.Errorf("%s: request_key is %q; give one of %s, or leave it out", path, c.RequestKey, strings.Join(PanicKeys(), ", "))
	case c.RequestKey != "" && c.RequestKey == c.PanicKey:
		return fmt.Errorf("%s: panic_key and request_key are both %s; give each a key of its own", path, c.RequestKey)
	case (c.Webhook.URL == "") != (c.Webhook.Secret == ""):
		return fmt.Errorf("%s: webhook: url and secret go together: where to, and the file with the secret that messages are signed by", path)
	case c.Account != "" && c.User:
		return fmt.Errorf("%s: account and user contradict each other: account has muxward serve all accounts without root's rights, user its own", path)
	case c.PasteLimit < 0 || c.PasteLimit > maxPaste:
		return fmt.Errorf("%s: paste_limit is %d; give 1 to %d bytes, or leave it out", path, c.PasteLimit, maxPaste)
	case c.PasteConfirmLines < 0:
		return fmt.Errorf("%s: paste_confirm_lines is %d; give 1 or more, or leave it out", path, c.PasteConfirmLines)
	case c.SSH.PAMService() == "" && (c.SSH.PAMRoot || c.SSH.PAMMFA || c.SSH.PAMBehindKeys.Any() || c.SSH.PAMWait != 0):
		return fmt.Errorf("%s: ssh: pam_root, pam_mfa, pam_behind_keys and pam_wait say more of pam, which is off: pam: true, or leave them out", path)
	case c.SSH.PAMWait != 0 && (c.SSH.PAMWait < time.Second || c.SSH.PAMWait > maxPAMWait):
		return fmt.Errorf("%s: ssh: pam_wait is %s; give 1s to %s, or leave it out", path, c.SSH.PAMWait, maxPAMWait)
	case c.SSH.Idle != 0 && c.SSH.Idle < time.Second:
		return fmt.Errorf("%s: ssh: idle is %s; give 1s or more, as 30m, or leave it out", path, c.SSH.Idle)
	case (c.SSH.KeysUser == "") != (len(c.SSH.KeysAccounts) == 0):
		return fmt.Errorf("%s: ssh: keys_user and keys_accounts go together: the account that sshd asks as, and those that people log in to", path)
	case slices.Contains(c.SSH.KeysAccounts, c.SSH.KeysUser) && c.SSH.KeysUser != "":
		return fmt.Errorf("%s: ssh: keys_accounts has %s, which is keys_user: nobody is to log in to that", path, c.SSH.KeysUser)
	}
	return nil
}

// PanicKeys are the keys that can be the panic key, or the one that asks for a right: nearly every terminal sends them alike.
func PanicKeys() []string { return []string{"F6", "F7", "F8", "F9", "F10", "F11", "F12"} }

// Root reports whether muxward runs servers for all accounts.
func (c *Config) Root() bool { return c.Separated || os.Geteuid() == 0 && !c.User }

// Directory reports whether the name service switch is asked about accounts that no file has.
func (c *Config) Directory() bool { return slices.Contains(c.AccountsFrom, "nss") }

// Groups are those of the host that accounts lists, by their names.
func (c *Config) Groups() (out []string) {
	for _, listed := range c.Accounts {
		if group, ok := strings.CutPrefix(listed, "@"); ok && group != "" {
			out = append(out, group)
		}
	}
	return out
}

// Override lets what the command line says win over the file.
func (c *Config) Override(flags Config) {
	for _, p := range []struct{ to, from *string }{
		{&c.State, &flags.State}, {&c.Policy, &flags.Policy},
		{&c.Doors, &flags.Doors}, {&c.Tmux, &flags.Tmux},
		{&c.SSH.Listen, &flags.SSH.Listen},
	} {
		if *p.from != "" {
			*p.to = *p.from
		}
	}
	c.User = c.User || flags.User
}

// Fill puts defaults where nothing was said, and makes paths absolute.
func (c *Config) Fill() error {
	state, policy, doors, err := defaults(c.Root())
	if err != nil && (c.State == "" || c.Policy == "" || c.Doors == "") {
		return err
	}
	for _, p := range []struct {
		path     *string
		fallback string
	}{{&c.State, state}, {&c.Policy, policy}, {&c.Doors, doors}} {
		if *p.path == "" {
			*p.path = p.fallback
		}
		if *p.path, err = filepath.Abs(*p.path); err != nil {
			return err
		}
	}
	if err := c.fillIsolated(); err != nil {
		return err
	}
	for _, p := range []*string{&c.SSH.Keys, &c.SSH.Authorities, &c.SSH.Revoked, &c.SSH.HostCertificate, &c.SSH.TOTP, &c.Webhook.Secret, &c.Profiles} {
		if *p == "" {
			continue
		}
		if *p, err = filepath.Abs(*p); err != nil {
			return err
		}
	}
	return nil
}

// System gives the places of a muxward that serves a whole host.
func System() (state, policy, doors string) {
	return "/var/lib/muxward", "/etc/muxward/policy", "/run/muxward/doors"
}

// Parse reads a configuration from a text; file names it in errors.
func Parse(file string, data []byte) (Config, error) {
	var c Config
	err := decode(file, data, &c)
	return c, err
}

// Serves reports whether an account gets a tmux server and a door where muxward runs for
// all: those that are listed or lent; if none are listed every account that may log in. Where
// muxward runs as an account, that has none, and root only if it is listed; nor has the
// account of an isolated server, which nobody logs in to.
//
// Directory services give uids beyond those of accounts of the host (Active Directory by its
// identifiers): with accounts_from: [files, nss] those may log in, too.
//
// in tells whether it is in a group of the host, which is asked about groups that are
// listed. Root is in none.
func (c *Config) Serves(name string, uid uint32, shell string, in func(group string) bool) bool {
	switch {
	case c.Account != "" && name == c.Account, c.isolates(name):
		return false
	case slices.Contains(c.Accounts, name), slices.Contains(c.SSH.KeysAccounts, name):
		return true
	case c.Account != "" && uid == 0:
		return false
	}
	base := filepath.Base(shell)
	if uid < 1000 || uid >= 65534 && (uid <= 65535 || !c.Directory()) || shell == "" || base == "nologin" || base == "false" {
		return false
	}
	return len(c.Accounts) == 0 || slices.ContainsFunc(c.Accounts, func(listed string) bool {
		group, ok := strings.CutPrefix(listed, "@")
		return ok && group != "" && in != nil && in(group)
	})
}

// Run is where the guarded servers' sockets and the control socket are.
func (c *Config) Run() string { return filepath.Join(c.Doors, "run") }

func defaults(root bool) (state, policy, doors string, err error) {
	if root {
		state, policy, doors = System()
		return state, policy, doors, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", "", "", fmt.Errorf("%w; set HOME, or give --state, --policy and --doors", err)
	}
	env := func(name, fallback string) string {
		if v := os.Getenv(name); filepath.IsAbs(v) {
			return v
		}
		return fallback
	}
	state = filepath.Join(env("XDG_STATE_HOME", filepath.Join(home, ".local", "state")), "muxward")
	policy = filepath.Join(env("XDG_CONFIG_HOME", filepath.Join(home, ".config")), "muxward", "policy")
	return state, policy, filepath.Join(env("XDG_RUNTIME_DIR", state), "muxward"), nil
}

// StateDir is the state directory that a command looks at: what was given,
// else MUXWARD_STATE, else the default.
func StateDir(given string) (string, error) {
	if given == "" {
		given = os.Getenv("MUXWARD_STATE")
	}
	if given != "" {
		return filepath.Abs(given)
	}
	state, _, _, err := defaults(os.Geteuid() == 0)
	return state, err
}
