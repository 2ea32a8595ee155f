package sockets

import (
	"fmt"
	"slices"
	"strings"
)

// Severity says how much a finding matters.
type Severity int

// Severities, from what one may like to know to what others may use already.
const (
	Info Severity = iota
	Warning
	Serious
)

// String is the severity's name.
func (s Severity) String() string {
	switch s {
	case Info:
		return "info"
	case Warning:
		return "warning"
	}
	return "serious"
}

// MarshalText gives the name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// ParseSeverity reads a name.
func ParseSeverity(name string) (Severity, error) {
	for _, s := range []Severity{Info, Warning, Serious} {
		if s.String() == name {
			return s, nil
		}
	}
	return 0, fmt.Errorf("%q is no severity; take info, warning or serious", name)
}

// Finding is one thing that is wrong.
type Finding struct {
	ID       string   `json:"id"`
	Severity Severity `json:"severity"`
	// Path is what it is about; PID the process, if it is about one.
	Path Path   `json:"path,omitempty"`
	PID  int    `json:"pid,omitempty"`
	UID  uint32 `json:"uid"` // whose it is
	// Evidence is what was seen.
	Evidence string `json:"evidence"`
	// Fix is what to do, in a line.
	Fix string `json:"fix"`
	// Auto: muxward sockets fix does it.
	Auto bool `json:"auto"`

	act *act
}

// Rule is what a kind of finding means. Its id never changes and is not used
// for anything else later.
type Rule struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	// Why it matters, Fix how it is mended, and Auto what `fix` does of it;
	// Auto is empty if that is for people to do.
	Why  string `json:"why"`
	Fix  string `json:"fix"`
	Auto string `json:"auto,omitempty"`
}

// The ids, by name, for the rules' code.
const (
	deadSocket     = "MW-S001"
	socketGone     = "MW-S002"
	pathTaken      = "MW-S003"
	socketOpen     = "MW-S004"
	dirOpen        = "MW-S005"
	aboveOpen      = "MW-S006"
	squatted       = "MW-S007"
	foreignThing   = "MW-S008"
	notASocket     = "MW-S009"
	lockHeld       = "MW-S010"
	linkedTwice    = "MW-S011"
	notAccepting   = "MW-S012"
	noAccount      = "MW-S013"
	leftRunning    = "MW-S014"
	rootLeft       = "MW-S015"
	foreignClient  = "MW-S016"
	besideMuxward  = "MW-S017"
	manyServers    = "MW-S018"
	secretsInside  = "MW-S019"
	programRemoved = "MW-S020"
	cannotTell     = "MW-S021"
	letsIn         = "MW-S022"
	noAccessList   = "MW-S023"
	knownDefects   = "MW-S024"
	passesThrough  = "MW-S025"
	clipboardOpen  = "MW-S026"
	takesOver      = "MW-S027"
	runsPrograms   = "MW-S028"
	otherShell     = "MW-S029"
	placeEmptied   = "MW-S030"
	lockLate       = "MW-S031"
	lockWeak       = "MW-S032"
	lockShell      = "MW-S033"
	lockStarts     = "MW-S034"
)

// Rules lists everything that is looked for, in the order of the ids.
func Rules() []Rule { return slices.Concat(seenRules(), askedRules(), lockRules()) }

// seenRules are those for what is seen from outside.
func seenRules() []Rule {
	return []Rule{
		{deadSocket, "nobody listens at this socket",
			"A tmux server that is killed, and with some versions any that ends, leaves its socket behind. Clients then say that no server runs, scripts that look for sockets take it for one, and whoever may write to the directory can put a server of their own in its place.",
			"Move it away.",
			"moves the socket into " + quarantine + " in its directory, looks again whether somebody listens, and puts it back if so. It is never deleted. Only a socket in a tmux-UID directory of its own account is moved."},
		{socketGone, "a server lives, and its socket is gone",
			"Something removed the socket, often a cleaner of /tmp. The sessions run and nobody can attach; a new server would start beside it at the same path.",
			"Send the server SIGUSR1: tmux makes its socket anew, with mode 0600.",
			"sends that signal to exactly this process, if the path is still free and nobody is about to start a server there, and waits for the socket."},
		{pathTaken, "a server lives, and something else is at its path",
			"Two servers were started at one path. The older one is out of reach; a new socket of its own would put the newer one out of reach.",
			"Ask the owner which one to keep: move the other's socket aside by hand, then send SIGUSR1 to this process.", ""},
		{socketOpen, "others may connect to this socket",
			"Whoever may write to a tmux socket and reach it can ask to control the server: see what it shows, type, and run commands as its account.",
			"Take the rights of others away: chmod go-rwx. Let people in by muxward instead.",
			"does that, to exactly this socket. Those who are connected stay."},
		{dirOpen, "others may look or write into this directory of sockets",
			"The directory is what keeps others away from the sockets in it. Who may write there can replace them.",
			"chmod 0700.",
			"does that, to exactly this directory, if it is a tmux-UID directory of its own account."},
		{aboveOpen, "others may replace this directory or socket",
			"The directory above is writable for others without the sticky bit, so they can move what is in it away and put theirs in its place.",
			"chmod +t on the directory above, or keep sockets elsewhere.", ""},
		{squatted, "the place of an account's sockets is taken by somebody else",
			"The name speaks of one account and the directory is another's, who decides what is in it. The account has no place for its sockets.",
			"Root asks its holder, or moves it away with mv -T -n.", ""},
		{foreignThing, "something in an account's directory belongs to another account",
			"It was put there by somebody who could write there, or linked there. A client that takes it for a socket talks to that account.",
			"The owner of the directory looks at it and removes it. Its mode and owner are its owner's matter: do not change them.", ""},
		{notASocket, "something in a directory of sockets is no socket",
			"tmux keeps sockets and short-lived lock files there. What is there instead was put there by mistake, or by somebody who hopes that it is taken for one.",
			"The owner looks at it and moves it elsewhere.", ""},
		{lockHeld, "another account holds the lock of a socket",
			"It is taken while a server starts at this path, and nobody but the account itself has a reason to hold it.",
			"End the process that holds it, or ask its owner to.", ""},
		{linkedTwice, "this socket has a second name",
			"It can be connected to at another path, where other permissions on directories hold.",
			"Find the other name (find -xdev -inum) and remove it.", ""},
		{notAccepting, "a server does not accept connections",
			"It is stopped or overloaded. Clients of it wait, and so do scripts that ask it.",
			"If it is stopped and should not be, its owner continues it: kill -CONT.", ""},
		{noAccount, "a server runs for an account that does not exist",
			"The account was deleted while its sessions ran. Whoever gets that number next owns them.",
			"Root looks what runs in it and ends it.", ""},
		{leftRunning, "a server runs for an account that is logged out",
			"Its sessions go on without anybody at them. Where this is wanted, lingering says so.",
			"loginctl enable-linger for that account, or ask its owner to end the server.", ""},
		{rootLeft, "an old server of root has nobody connected",
			"Detached shells of root wait for whoever gets at root's socket, and nobody remembers them.",
			"Attach, look, and end it.", ""},
		{foreignClient, "another account is connected to a server",
			"Who is connected can see and type as far as tmux lets them.",
			"If this is not wanted: detach them with tmux detach-client, and see MW-S004 and MW-S005 for how they got in.", ""},
		{besideMuxward, "a server runs beside muxward",
			"This account has a door of muxward, and a tmux server that muxward does not guard: what is done there is neither decided nor written down.",
			"End it, and start sessions through the door: unset TMUX and export TMUX_TMPDIR as muxward env prints.", ""},
		{manyServers, "many servers whose names begin alike",
			"Programs that start a server for each job and do not end them fill the process table and the memory.",
			"Look what starts them; end those that are not used.", ""},
		{secretsInside, "a server was started with secrets in its environment",
			"Every session of the server inherits them, and they stay after the shell that held them has ended. Names are shown, never values.",
			"Start tmux from a clean environment, or take them away with tmux set-environment -gu NAME.", ""},
		{programRemoved, "a server runs a program that was removed or replaced",
			"tmux was upgraded and this server still runs the old one, without its corrections; clients of another version may not get along with it.",
			"Restart it when its sessions can end.", ""},
		{cannotTell, "nobody can tell from here whether this socket is dead",
			"On a shared file system or in a container's layer, the server may be on another host or in the container. Nothing is done to it.",
			"Look at it from where its server would run, or keep sockets on a local file system.", ""},
	}
}

// askedRules are those for what servers say of themselves, and MW-S030.
func askedRules() []Rule {
	return []Rule{
		{letsIn, "a server's own list lets other accounts in",
			"Who is on tmux's list and can reach the socket sees what the server shows, and with (W) types and runs commands as its account. The list alone keeps nobody out who is on it; the directory may.",
			"tmux server-access -d NAME. Let people in by muxward instead.", ""},
		{noAccessList, "a server's version has no list of accounts",
			"tmux before 3.3 has no server-access: whoever can connect to the socket has all of the server. The mode of its directory is all there is.",
			"Use tmux 3.3 or newer, and keep the directory at 0700.", ""},
		{knownDefects, "a server's version has published defects",
			"It is told by the version that the server names. Distributions mend defects without another version: compare with your distribution's tracker.",
			"Upgrade tmux, and restart the server when its sessions can end.", ""},
		{passesThrough, "programs in panes may write to terminals past tmux",
			"allow-passthrough hands what a program writes to the terminals of all who are attached, as it is. What they do with it is theirs alone.",
			"tmux set -g allow-passthrough off, and for the panes that are named.", ""},
		{clipboardOpen, "programs in panes may set the clipboard of who is attached",
			"With set-clipboard on, what a program prints may replace what people paste next, wherever that is.",
			"tmux set -s set-clipboard external.", ""},
		{takesOver, "sessions take over variables that look like secrets or agents",
			"update-environment copies these from whoever attaches into the session: every new pane has them, and everybody in it.",
			"Take the names from update-environment.", ""},
		{runsPrograms, "hooks or formats of a server run programs",
			"They run as its account whenever what they wait for happens, or every few seconds, with nobody typing. Whoever wrote into the configuration wrote these.",
			"Look at each: tmux show-hooks -g, tmux show-options -g.", ""},
		{otherShell, "a server starts a command of its own in new panes",
			"default-command runs in place of a login shell, also for who does not know.",
			"tmux set -gu default-command, if that is not wanted.", ""},
		{placeEmptied, "a live server's socket is where somebody removes it",
			"When it goes nobody can attach any more (MW-S002), and another server may be started in its place.",
			"Keep the socket elsewhere, or let the account linger.", ""},
	}
}

// lockRules are those for what benchmarks want of session locks.
func lockRules() []Rule {
	return []Rule{
		{lockLate, "a benchmark: tmux does not lock terminals in time",
			lockWorth + "RHEL-08-020070, RHEL-09-412025: set -g lock-after-time 900. At 0, which is the default, nothing is ever locked.",
			"set -g lock-after-time 900 in /etc/tmux.conf, and in servers that run.", ""},
		{lockWeak, "a benchmark: tmux's lock has neither vlock nor a key",
			lockWorth + "RHEL-08-020040, RHEL-09-412020: set -g lock-command vlock, and bind X lock-session; by their text it is a finding where neither is so. Where the default command, lock, is not installed, a lock ends at once.",
			"set -g lock-command vlock, and bind X lock-session, in /etc/tmux.conf and in servers that run.", ""},
		{lockShell, "a benchmark: tmux is among the login shells",
			lockWorth + "RHEL-08-020042, RHEL-09-412030: /etc/shells does not name tmux.",
			"Take the line from /etc/shells.", ""},
		{lockStarts, "a benchmark: shells do not start tmux",
			lockWorth + "RHEL-08-020041, RHEL-09-412015: interactive shells of sshd and login start tmux. Who is in a shell ends or leaves tmux as they like.",
			"Start tmux from /etc/bashrc or /etc/profile.d, as the benchmark has it.", ""},
	}
}

// lockWorth is what session locks of tmux, and these findings, are worth.
const lockWorth = "DISA has withdrawn these items, in V2R1 of the STIG for RHEL 8 and in V2R2 of that for RHEL 9: this is for who is held to an older release. tmux's lock is a program on one terminal. It covers a terminal that was left alone; it keeps nobody out who can reach the socket, as they attach at another terminal or give commands, and each account sets it as it likes in its own servers. "

// RuleByID finds a rule.
func RuleByID(id string) (Rule, bool) {
	for _, r := range Rules() {
		if strings.EqualFold(r.ID, id) {
			return r, true
		}
	}
	return Rule{}, false
}
