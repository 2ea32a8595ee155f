package hostfile

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/profiles"
	"github.com/muxward/muxward/internal/teeth"
)

// The forms of names, none of which needs quotes in any of the files that are written.
var (
	accountName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,31}$`)
	variable    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)
	// plainValue means the same to a shell, to systemd and to pam_env, without quotes.
	plainValue  = regexp.MustCompile(`^[A-Za-z0-9_./:@+=,-]{1,256}$`)
	lockKey     = regexp.MustCompile(`^(C-|M-)?[A-Za-z0-9]$`)
	lockCommand = regexp.MustCompile(`^[A-Za-z0-9_./ =+-]{1,256}$`)
	findingID   = regexp.MustCompile(`^MW-S[0-9]{3}$`)
)

// check looks at what the files say together, and fills in what they leave to muxward.
func (f *Found) check(r *reader) {
	h := &f.Host
	if h.Schema != Schema {
		r.failAt("schema", "write schema: 1 at the top of host.yaml", "is %d; this muxward reads %d", h.Schema, Schema)
	}
	checkServe(r, &h.Serve)
	checkEnvironment(r, h.Environment)
	checkTmux(r, h.Tmux)
	checkSSHD(r, h)
	f.checkAttach(r)
	if len(h.Units.Mend) > 0 && !h.Units.Watch {
		r.failAt("units.sockets_mend", "", "says what the watch mends, which is off: sockets_watch: true")
	}
	for i, id := range h.Units.Mend {
		if !findingID.MatchString(id) {
			r.failAt(fmt.Sprintf("units.sockets_mend.%d", i), "muxward sockets explain lists them", "%q is no finding", clip(id))
		}
	}
	for i, id := range h.Sockets.Mend {
		if !slices.Contains([]string{"MW-S001", "MW-S004", "MW-S005"}, id) {
			r.failAt(fmt.Sprintf("sockets.mend.%d", i), "muxward sockets fix mends the others, or people do", "%q is none of MW-S001, MW-S004 and MW-S005", clip(id))
		}
	}
	checkAccounts(r, "linger.allow", h.Linger.Allow)
	checkAccounts(r, "linger.deny", h.Linger.Deny)
	for i, a := range h.Linger.Deny {
		if slices.Contains(h.Linger.Allow, a) {
			r.failAt(fmt.Sprintf("linger.deny.%d", i), "", "%s is allowed to, too", a)
		}
	}
	if len(h.Profiles) > 0 && h.Serve.Profiles != "" {
		r.failAt("serve.profiles", "leave it out", "is where profiles are written to from here")
	}
	if len(h.Profiles) > profiles.Most {
		r.failAt(profilesKey, "", "are more than %d", profiles.Most)
	}
	for _, name := range slices.Sorted(maps.Keys(h.Profiles)) {
		checkProfile(r, name, h.Profiles[name])
	}
	checkApart(r, h)
}

// checkApart refuses profiles with which muxward would not begin, as their tmux would not be apart.
func checkApart(r *reader, h *Host) {
	of := map[string]string{} // accounts that are one thing's alone
	if a := h.Serve.Account; a != "" {
		of[a] = "what muxward runs as"
	}
	for name, is := range h.Serve.Isolated {
		of[is.Account] = "that of the isolated server " + name
	}
	names := slices.Sorted(maps.Keys(h.Profiles))
	for _, name := range names {
		p := h.Profiles[name]
		if _, taken := h.Serve.Isolated[name]; taken {
			r.failAt("profiles."+name, "give it another name", "is the name of an isolated server, too")
		}
		if other := of[p.Account]; other != "" && p.Account != "" {
			r.failAt("profiles."+name+".account", "give each tmux an account of its own", "%s is %s", clip(p.Account), other)
			continue
		}
		of[p.Account] = "that of the profile " + name
	}
	for _, name := range names {
		p := h.Profiles[name]
		if other := of[p.As]; other != "" && p.As != "" && p.As != p.Account { // which is told
			r.failAt("profiles."+name+".run_as", "", "%s is %s", clip(p.As), other)
		}
	}
}

// refused reports whether what is bad for who logs in is refused.
func refused(bad bool) bool { return bad && !teeth.Out(teeth.Linted) }

// openPlaces are directories that everybody may write to.
func openPlaces() []string {
	return []string{"/tmp", "/var/tmp", "/dev/shm", "/run/lock", "/dev/mqueue"}
}

func checkServe(r *reader, c *config.Config) {
	if c.User {
		r.failAt("serve.user", "leave it out", "this is about a whole host")
	}
	state, dir, doors := config.System()
	for _, p := range []struct {
		key      string
		path     *string
		fallback string
	}{{"serve.state", &c.State, state}, {"serve.policy", &c.Policy, dir}, {"serve.doors", &c.Doors, doors}} {
		if *p.path == "" {
			*p.path = p.fallback
		}
		checkPath(r, p.key, *p.path)
		for _, open := range openPlaces() {
			if refused(*p.path == open || strings.HasPrefix(*p.path, open+"/")) {
				r.failAt(p.key, "", "everybody may write to %s, and cleaners remove what is there: choose a place below /run, /etc or /var/lib", open)
			}
		}
		if refused(!ownPlace(p.key, *p.path)) {
			r.failAt(p.key, "as in "+p.fallback, "%s may have things of others in it, which would be removed or given away: choose a directory below one called muxward", clip(*p.path))
		}
	}
	for key, p := range map[string]string{
		"serve.tmux": c.Tmux, "serve.webhook.secret": c.Webhook.Secret, "serve.ssh.keys": c.SSH.Keys,
		"serve.ssh.authorities": c.SSH.Authorities, "serve.ssh.revoked": c.SSH.Revoked,
		"serve.ssh.host_certificate": c.SSH.HostCertificate, "serve.ssh.totp": c.SSH.TOTP, "serve.profiles": c.Profiles,
	} {
		if p != "" {
			checkPath(r, key, p)
		}
	}
	for i, p := range c.TmuxConfig {
		checkPath(r, fmt.Sprintf("serve.tmux_config.%d", i), p)
	}
	checkAccounts(r, "serve.accounts", c.Accounts)
	checkAccounts(r, "serve.ssh.keys_accounts", c.SSH.KeysAccounts)
	if c.SSH.KeysUser != "" {
		checkAccounts(r, "serve.ssh.keys_user", []string{c.SSH.KeysUser})
	}
}

// ownPlace reports whether a directory is muxward's own by its name: an apply sets its mode, and
// removes what is in it and not of the policy; and cleaners are told to keep off what is above the
// doors.
func ownPlace(key, at string) bool {
	above, name := path.Base(path.Dir(at)), path.Base(at)
	own := strings.Contains(above, "muxward")
	if key == "serve.state" {
		return own || strings.Contains(name, "muxward")
	}
	return own
}

// plainPath is one that needs no quotes anywhere, and no specifier of systemd.
var plainPath = regexp.MustCompile(`^(/[A-Za-z0-9_@+:=,.-]+)+$`)

func checkPath(r *reader, key, p string) {
	if !plainPath.MatchString(p) || path.Clean(p) != p {
		r.failAt(key, "", "%q is no absolute path of plain letters, as in /run/muxward/doors", clip(p))
	}
}

func checkAccounts(r *reader, key string, names []string) {
	for i, n := range names {
		if !accountName.MatchString(n) {
			r.failAt(fmt.Sprintf("%s.%d", key, i), "", "%q is no name of an account", clip(n))
		}
	}
}

// ours are the variables that logins may be given. What a program runs by, or where it
// looks for code, is not among them: who may change these files would get to run things in
// everybody's shell.
func ours(name string) bool {
	switch name {
	case "MUXWARD_STATE", "MUXWARD_POLICY", "LANG", "LANGUAGE", "TZ":
		return true
	}
	return strings.HasPrefix(name, "LC_")
}

func checkEnvironment(r *reader, e Environment) {
	if len(e.Set) > 0 && !e.Profile && !e.Managers && !e.PAM {
		r.failAt("environment.set", "say profile_d: true, environment_d: true or pam_env: true", "has no place to be set in")
	}
	for _, name := range slices.Sorted(maps.Keys(e.Set)) {
		at, value := "environment.set."+name, e.Set[name]
		switch {
		case refused(name == "TMUX_TMPDIR"):
			r.failAt(at, "leave it out", "is always serve: doors: anywhere else no door is found")
		case refused(!variable.MatchString(name) || !ours(name)):
			r.failAt(at, "known: MUXWARD_STATE, MUXWARD_POLICY, LANG, LANGUAGE, LC_*, TZ", "is no name that logins are given from here")
		case !plainValue.MatchString(value):
			r.failAt(at, "", "the value is empty, too long, or has characters that shells, systemd and PAM read differently")
		}
	}
}

func checkTmux(r *reader, t Tmux) {
	for i, name := range t.Update {
		if !variable.MatchString(name) {
			r.failAt(fmt.Sprintf("tmux.update_environment.%d", i), "", "%q is no name of a variable", clip(name))
		}
	}
	if t.Lock.After < 0 || t.Lock.After > 86400 {
		r.failAt("tmux.lock.after", "", "is %d; give 1 to 86400 seconds", t.Lock.After)
	}
	if t.Lock.Command != "" && !lockCommand.MatchString(t.Lock.Command) {
		r.failAt("tmux.lock.command", "", "%q is no program with plain arguments", clip(t.Lock.Command))
	}
	if t.Lock.Key != "" && !lockKey.MatchString(t.Lock.Key) {
		r.failAt("tmux.lock.key", "", "%q is no key such as X, C-x or M-x", clip(t.Lock.Key))
	}
}

func checkSSHD(r *reader, h *Host) {
	ssh := h.Serve.SSH
	if h.SSHD.Lend && (ssh.KeysUser == "" || len(ssh.KeysAccounts) == 0) {
		r.failAt("sshd.lend", "", "needs serve: ssh: keys_user and keys_accounts")
	}
	checkAccounts(r, "sshd.attach", h.SSHD.Attach)
	for i, a := range h.SSHD.Attach {
		switch {
		case a == "root":
			r.failAt(fmt.Sprintf("sshd.attach.%d", i), "", "root would be locked out when muxward does not run")
		case slices.Contains(ssh.KeysAccounts, a):
			r.failAt(fmt.Sprintf("sshd.attach.%d", i), "", "%s is lent by muxward (keys_accounts), which sshd is told by the key", a)
		}
	}
}

// checkAttach looks at declarations as far as they can be seen without the policy, which
// they are a part of: it is loaded with them before anything lands.
func (f *Found) checkAttach(r *reader) {
	if len(f.Host.Attach) > 0 && f.Host.Policy.Directory == "" {
		r.failAt("attach", "", "needs policy: directory, of which it becomes a part")
	}
	if _, taken := f.Policy[attachFile]; taken {
		r.failAt("policy.directory", "", "has a file %s, which is what attach is written to: give it another name", attachFile)
	}
	for i, a := range f.Host.Attach {
		at := fmt.Sprintf("attach.%d", i)
		for _, must := range []struct{ key, value string }{{"who", a.Who}, {"role", a.Role}, {"on", a.On}, {"reason", a.Reason}} {
			if must.value == "" {
				r.failAt(at, "", "has no %q", must.key)
			}
		}
		if _, err := policy.ParseSelector(a.On); a.On != "" && err != nil {
			r.failAt(at+".on", "", "%v", err)
		}
	}
}

// secretsKey is where a profile says in which files its secrets are.
const secretsKey = "secrets"

func checkProfile(r *reader, name string, p config.Profile) {
	at := "profiles." + name
	profiles.Check(name, p, func(key, hint, format string, args ...any) {
		if secret, is := strings.CutPrefix(key, secretsKey+"."); is && !variable.MatchString(secret) {
			key = secretsKey // what stands where a name should may be the secret
		}
		r.failAt(strings.TrimSuffix(at+"."+key, "."), hint, format, args...)
	})
}
