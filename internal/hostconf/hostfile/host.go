package hostfile

import "github.com/muxward/muxward/internal/config"

// Schema is the version of the files' form that this muxward reads.
const Schema = 1

// Host is what the files say of one host. What is not said is not managed: it stays as it
// is on the host, and what an earlier apply has made of it is taken back.
type Host struct {
	// Schema is the version of this form: 1. It stands in host.yaml.
	Schema int `yaml:"schema"`
	// Groups are the groups that the host is in, each a file groups/NAME.yaml: a later one
	// wins over an earlier one. They stand in hosts/NAME.yaml.
	Groups []string `yaml:"groups"`
	// Serve is muxward's own configuration, /etc/muxward/muxward.yaml.
	Serve config.Config `yaml:"serve"`
	// Policy is who may do what.
	Policy Policy `yaml:"policy"`
	// Attach declares who may attach, beside the policy's own grants.
	Attach []Attach `yaml:"attach"`
	// Environment is what logins have in their environment.
	Environment Environment `yaml:"environment"`
	// Tmux is the configuration of the host's tmux servers.
	Tmux Tmux `yaml:"tmux"`
	// SSHD is about an sshd that the host has already.
	SSHD SSHD `yaml:"sshd"`
	// PAM has a PAM service of the name muxward, /etc/pam.d/muxward.
	PAM bool `yaml:"pam"`
	// Units are units of systemd.
	Units Units `yaml:"units"`
	// Tmpfiles has systemd-tmpfiles make /run/muxward at each start of the machine, and
	// leave it alone otherwise.
	Tmpfiles bool `yaml:"tmpfiles"`
	// Logrotate has logrotate keep the journal of muxward sockets short.
	Logrotate bool `yaml:"logrotate"`
	// Sockets is about tmux's sockets that lie elsewhere than at muxward's doors.
	Sockets Sockets `yaml:"sockets"`
	// Linger says which accounts' processes outlive their last login.
	Linger Linger `yaml:"linger"`
	// Profiles are named sessions: what runs in them, as whom, and for whom. Each may have a
	// file of its own instead, profiles/NAME.yaml. They lie on the host in /etc/muxward/profiles.yaml, and the accounts of their tmux are made.
	Profiles map[string]config.Profile `yaml:"profiles"`
}

// Policy is who may do what.
type Policy struct {
	// Directory has the policy's files, beside this one: people.yaml, grants.yaml, *.cedar
	// and its tests, *.test.yaml. All of it, and nothing else, is the host's policy.
	Directory string `yaml:"directory"`
}

// Attach is one declaration: a grant of the policy.
type Attach struct {
	// Who is a person, or a @group.
	Who string `yaml:"who"`
	// Role is viewer, typist, operator, owner or admin.
	Role string `yaml:"role"`
	// On is what they may attach to, such as alice/work.
	On string `yaml:"on"`
	// When is the hours in which it counts, such as Mon-Fri 08:00-18:00 UTC.
	When string `yaml:"when"`
	// Until is its end, such as 2027-01-31T18:00:00Z.
	Until string `yaml:"until"`
	// Reason says why.
	Reason string `yaml:"reason"`
}

// Environment is what logins have in their environment. TMUX_TMPDIR is the doors, so that
// a plain tmux comes through muxward.
type Environment struct {
	// Profile has it in login shells: /etc/profile.d/muxward.sh.
	Profile bool `yaml:"profile_d"`
	// Managers has it in what the user managers of systemd start: a file in
	// /etc/environment.d.
	Managers bool `yaml:"environment_d"`
	// PAM has it in every session that PAM opens with pam_env (sshd, su, cron): lines in
	// /etc/environment.
	PAM bool `yaml:"pam_env"`
	// Set are more names: those of muxward, and languages and time zones.
	Set map[string]string `yaml:"set"`
}

// Tmux is the configuration of the host's tmux servers. It is read from /etc/tmux.conf;
// what an account has in its own file comes later and counts for its own servers.
type Tmux struct {
	// Clipboard says whether programs in panes may set the clipboard of who is attached.
	Clipboard Clipboard `yaml:"clipboard"`
	// Passthrough says whether programs in panes may write to terminals past tmux.
	Passthrough Passthrough `yaml:"passthrough"`
	// Update are the names, and no others, that a session takes over from who attaches.
	Update []string `yaml:"update_environment"`
	// Lock is about terminals that are left alone.
	Lock Lock `yaml:"lock"`
	// Files are more files of configuration, beside this one, such as tmux/site.conf.
	Files []string `yaml:"files"`
	// Isolated are files of configuration for isolated servers, which read no other: serve.isolated names
	// them as tmux_config: [/etc/muxward/tmux/NAME.conf].
	Isolated []string `yaml:"isolated"`
}

// Clipboard is a value of tmux's set-clipboard.
type Clipboard string

// Words are its values.
func (Clipboard) Words() []string { return []string{"off", "external", "on"} }

// Passthrough is a value of tmux's allow-passthrough.
type Passthrough string

// Words are its values.
func (Passthrough) Words() []string { return []string{"off", "on", "all"} }

// Lock is tmux's lock of terminals. It covers a terminal; it keeps nobody from a session.
type Lock struct {
	// After is after how many seconds without a key, 1 to 86400.
	After int `yaml:"after"`
	// Command is what asks for a password, such as vlock.
	Command string `yaml:"command"`
	// Key is bound, behind the prefix, to locking at once, such as X.
	Key string `yaml:"key"`
}

// SSHD is about an sshd that the host has already.
type SSHD struct {
	// Lend has sshd ask muxward whose a key is, for the accounts of serve: ssh:
	// keys_accounts: a file in /etc/ssh/sshd_config.d.
	Lend bool `yaml:"lend"`
	// Attach are accounts whose logins come out in muxward, and nowhere else.
	Attach []string `yaml:"attach"`
}

// Units are units of systemd, each enabled and running.
type Units struct {
	// Serve is muxward itself: muxward.service.
	Serve bool `yaml:"serve"`
	// Scan looks at the host's tmux sockets once a day.
	Scan bool `yaml:"sockets_scan"`
	// Watch looks at them all the time.
	Watch bool `yaml:"sockets_watch"`
	// Mend are the findings that the watch mends by itself, such as MW-S001.
	Mend []string `yaml:"sockets_mend"`
}

// Sockets is about tmux's sockets that lie elsewhere than at muxward's doors, as muxward sockets
// sees them.
type Sockets struct {
	// Mend are the findings that plan counts as differences, and apply mends: MW-S001 (dead),
	// MW-S004 (a socket is open for others), MW-S005 (a directory of sockets is).
	Mend []string `yaml:"mend"`
}

// Linger says which accounts' processes outlive their last login, as loginctl
// enable-linger does.
type Linger struct {
	// Allow are accounts that linger.
	Allow []string `yaml:"allow"`
	// Deny are accounts that do not.
	Deny []string `yaml:"deny"`
}
