package hostfile

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/hostconf"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/packaging"
)

// The ids of what a host is to have. They never change, and are not used for anything else
// later.
const (
	idAsIs      = "MW-H099" // of others: it is left as it is
	idServe     = "MW-H101"
	idPolicy    = "MW-H110"
	idAttach    = "MW-H111"
	idProfileD  = "MW-H120"
	idManagers  = "MW-H121"
	idPAMEnv    = "MW-H122"
	idTmux      = "MW-H130"
	idSSHD      = "MW-H140"
	idPAM       = "MW-H150"
	idUnits     = "MW-H160"
	idTmpfiles  = "MW-H170"
	idLogrotate = "MW-H180"
	idLinger    = "MW-H190"
	idProfiles  = "MW-H200"
)

// Where things lie on a host.
const (
	confDir     = "/etc/muxward"
	serveFile   = confDir + "/muxward.yaml"
	tmuxDir     = confDir + "/tmux"
	attachFile  = "host-attach.grants.yaml"
	environment = "/etc/environment"
	tmuxConf    = "/etc/tmux.conf"
)

// SSHDFile is the file that sshd reads, TmuxConf the one of all tmux servers.
const (
	SSHDFile = "/etc/ssh/sshd_config.d/10-muxward.conf"
	TmuxConf = tmuxConf
	TmuxDir  = tmuxDir
)

// Present is what has to be known of a host to say what it is to have.
type Present struct {
	// Files are those of [Shared] that there are.
	Files map[string]hostconf.Seen
	// Policy are the names of the files in the host's policy directory.
	Policy []string
	// Group is that of muxward's own account, if the host has one.
	Group string
	// Served is whether there is a configuration of muxward's, and Account as which account
	// it has muxward run; "" is root.
	Served  bool
	Account string
	// Accounts are those that muxward setup has made, and takes away again.
	Accounts []string
}

// Shared lists the files of which only a part is muxward's.
func Shared() []string { return []string{environment, tmuxConf} }

// state collects items.
type state struct {
	f     *Found
	p     Present
	pack  fs.FS
	items []hostconf.Item
	err   error
}

func (s *state) file(id, at, content, why string) {
	s.items = append(s.items, hostconf.Item{ID: id, Kind: hostconf.File, Path: at, Content: content, Mode: 0o644, Why: why})
}

func (s *state) dir(id, at, why string) {
	if !slices.ContainsFunc(s.items, func(i hostconf.Item) bool { return i.Path == at }) {
		s.items = append(s.items, hostconf.Item{ID: id, Kind: hostconf.Directory, Path: at, Mode: 0o755, Why: why})
	}
}

// packed gives a file of the package.
func (s *state) packed(name string) string {
	data, err := fs.ReadFile(s.pack, name)
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("this muxward lacks %s: %w", name, err)
	}
	return string(data)
}

// head is the first line of every file that is muxward's alone.
const head = "# Written by muxward host apply: change it in the directory of hosts, not here.\n"

// Set is the name of what is applied by these files.
const Set = "host"

// State is [Render] with the files of this muxward's package.
func (f *Found) State(p Present) (hostconf.State, error) { return Render(f, p, packaging.Files()) }

// Render makes of what the files say the state that the host is to be in. pack has the
// files of the package: units of systemd and the PAM service.
func Render(f *Found, p Present, pack fs.FS) (hostconf.State, error) {
	s := &state{f: f, p: p, pack: pack}
	for _, part := range []func(){s.serve, s.policy, s.logins, s.shared, s.tmux, s.sshd, s.system, s.units, s.linger, s.profiles} {
		part()
	}
	return hostconf.State{Set: Set, Takes: []string{"setup"}, Items: s.items}, s.err
}

// serve writes muxward's own configuration: what was said, and where its places are.
func (s *state) serve() {
	s.dir(idServe, confDir, "what muxward goes by is root's to say")
	c := s.f.Host.Serve
	n := yaml.Node{Kind: yaml.MappingNode}
	if s.f.serve != nil {
		n.Content = slices.Clone(s.f.serve.Content)
	}
	for _, add := range []struct{ key, value string }{{"state", c.State}, {"policy", c.Policy}, {"doors", c.Doors}, {"profiles", s.profilesAt()}} {
		if add.value != "" && !slices.ContainsFunc(n.Content, func(k *yaml.Node) bool { return k.Value == add.key }) {
			n.Content = append(n.Content, scalar(add.key), scalar(add.value))
		}
	}
	if a := s.account(); a != "" {
		if !slices.ContainsFunc(n.Content, func(k *yaml.Node) bool { return k.Value == "account" }) {
			n.Content = append(n.Content, scalar("account"), scalar(a))
		}
		if !slices.Contains(s.p.Accounts, a) {
			s.items = append(s.items, hostconf.Item{ID: idServe, Kind: hostconf.Account, Name: a, Comment: "muxward", State: c.State,
				Why: "muxward runs as an account that nobody logs in to, without root's rights; muxward-helper keeps them"})
		}
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	err := cmp.Or(enc.Encode(bare(&n)), enc.Close())
	if err == nil {
		_, err = config.Parse("serve", out.Bytes())
	}
	s.err = cmp.Or(s.err, err)
	s.file(idServe, serveFile, head+out.String(), "muxward's own configuration: where its doors and its log are, and who has a door")
}

// account is what muxward is to run as; "" is root. Where the files do not say it, it is what the host
// has already, and its own on a host that is new: nobody's muxward is changed over by the way.
func (s *state) account() string {
	c := s.f.Host.Serve
	switch {
	case s.f.From("serve.account") != "":
		return c.Account
	case s.p.Served:
		return s.p.Account
	}
	return account
}

// profilesAt is where muxward is to read profiles, "" if there are none.
func (s *state) profilesAt() string {
	if len(s.f.Host.Profiles) == 0 {
		return ""
	}
	return profilesFile
}

func scalar(v string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v} }

// bare copies a node without comments, which say things of the file they were in.
func bare(n *yaml.Node) *yaml.Node {
	out := &yaml.Node{Kind: n.Kind, Tag: n.Tag, Value: n.Value, Style: n.Style}
	for _, c := range n.Content {
		out.Content = append(out.Content, bare(c))
	}
	return out
}

// policy writes the policy, and removes what is in its place and not of it: a file of
// grants that is left there would be in force.
func (s *state) policy() {
	if s.f.Host.Policy.Directory == "" {
		return
	}
	at := s.f.Host.Serve.Policy
	s.dir(idPolicy, at, "who may do what is root's to say")
	first := len(s.items)
	files := maps.Clone(s.f.Policy)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		s.file(idPolicy, path.Join(at, name), files[name], "the policy: who may do what")
	}
	if len(s.f.Host.Attach) > 0 {
		files[attachFile] = attachments(s.f.Host.Attach)
		s.file(idAttach, path.Join(at, attachFile), files[attachFile], "who may attach, as host.yaml declares it")
	}
	for _, name := range s.p.Policy {
		if _, ours := files[name]; !ours && looksLikePolicy(name) {
			s.items = append(s.items, hostconf.Item{ID: idPolicy, Kind: hostconf.Absent, Path: path.Join(at, name), Final: true,
				Why: "what else is in the policy directory is in force, and nobody sees it in the directory of hosts"})
		}
	}
	group := cmp.Or(s.account(), s.p.Group)
	if group == "" {
		return
	}
	for i, it := range s.items { // for muxward's own account alone to read
		if it.Kind != hostconf.Absent && (it.Path == at || i >= first) {
			s.items[i].Group = group
			s.items[i].Mode &^= 0o007
		}
	}
}

// PolicyFiles are the names of the files of the policy that are written.
func (f *Found) PolicyFiles() map[string]string {
	files := maps.Clone(f.Policy)
	if files == nil {
		files = map[string]string{}
	}
	if len(f.Host.Attach) > 0 {
		files[attachFile] = ""
	}
	return files
}

// looksLikePolicy reports whether a file in a policy directory is in force, or keeps the policy from
// loading.
func looksLikePolicy(name string) bool {
	_, like := policy.FileName(name)
	return like
}

// attachments writes declarations as grants of the policy.
func attachments(list []Attach) string {
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for _, a := range list {
		m := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
		for _, e := range []struct{ key, value string }{
			{"who", a.Who}, {"role", a.Role}, {"on", a.On}, {"when", a.When}, {"until", a.Until}, {"reason", a.Reason},
		} {
			if e.value != "" {
				v := scalar(e.value)
				v.Style = yaml.DoubleQuotedStyle
				m.Content = append(m.Content, scalar(e.key), v)
			}
		}
		n.Content = append(n.Content, m)
	}
	data, err := yaml.Marshal(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{scalar("grants"), n}})
	if err != nil {
		return "" // no policy: it does not load
	}
	return head + string(data)
}

// variables are what logins have, sorted.
func (f *Found) variables() (out [][2]string) {
	c := f.Host.Serve
	all := map[string]string{"TMUX_TMPDIR": c.Doors, "MUXWARD_STATE": c.State}
	maps.Copy(all, f.Host.Environment.Set)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, [2]string{name, all[name]})
	}
	return out
}

// logins writes what shells and user managers have in their environment.
func (s *state) logins() {
	e := s.f.Host.Environment
	if e.Profile {
		var b strings.Builder
		b.WriteString(head + "# Whether or not muxward runs: a plain tmux that finds no door fails, and starts no\n# server of its own beside it.\n")
		for _, v := range s.f.variables() {
			fmt.Fprintf(&b, "export %s=%s\n", v[0], v[1])
		}
		s.file(idProfileD, "/etc/profile.d/muxward.sh", b.String(), "in a login shell a plain tmux comes through muxward")
	}
	if e.Managers {
		s.dir(idManagers, "/etc/environment.d", "what user managers start with is root's to say")
		s.file(idManagers, "/etc/environment.d/50-muxward.conf", head+s.f.assignments(), "what a user manager of systemd starts comes through muxward, too")
	}
}

func (f *Found) assignments() string {
	var b strings.Builder
	for _, v := range f.variables() {
		fmt.Fprintf(&b, "%s=%s\n", v[0], v[1])
	}
	return b.String()
}

// shared writes muxward's part of files that are others' as well.
func (s *state) shared() {
	env, tmux := "", ""
	if s.f.Host.Environment.PAM {
		env = s.f.assignments()
	}
	for _, name := range s.f.TmuxFiles() {
		tmux += "source-file " + path.Join(tmuxDir, name) + "\n"
	}
	tmux += s.f.Harden() // last, and here: benchmarks read this file, and follow no source-file
	s.part(idPAMEnv, environment, env, "sessions that PAM opens with pam_env (sshd, su, cron) come through muxward")
	s.part(idTmux, tmuxConf, tmux, "tmux servers read what is written here for them")
}

// part writes muxward's lines into a file. One that has none is in the state as it is: what
// others have changed in it is not put back with what muxward has.
func (s *state) part(id, at, lines, why string) {
	seen, there := s.p.Files[at]
	content, err := block(seen.Content, lines)
	if err != nil {
		s.err = cmp.Or(s.err, fmt.Errorf("%s: %w", at, err))
		return
	}
	if !there {
		if lines == "" {
			return
		}
		seen.Mode = 0o644
	}
	if lines == "" {
		id, why = idAsIs, "it is others', and has nothing of muxward's"
	}
	s.items = append(s.items, hostconf.Item{ID: id, Kind: hostconf.File, Path: at, Content: content,
		Owner: seen.Owner, Group: seen.Group, Mode: seen.Mode, Why: why})
}

const (
	blockBegin = "# >>> muxward host apply: change it in the directory of hosts, not here"
	blockEnd   = "# <<< muxward host apply"
)

// block puts lines into a text, at the place where they are already, else at its end.
func block(text, lines string) (string, error) {
	before, rest, found := strings.Cut(text, blockBegin+"\n")
	after := ""
	if found {
		_, after, found = strings.Cut(rest, blockEnd+"\n")
		if !found || before != "" && !strings.HasSuffix(before, "\n") || strings.Contains(after, blockBegin) {
			return "", fmt.Errorf("the lines that muxward has written there were changed: remove them, from %q to %q", blockBegin, blockEnd)
		}
	}
	if lines == "" {
		return before + after, nil
	}
	if before != "" && !strings.HasSuffix(before, "\n") {
		before += "\n"
	}
	return before + blockBegin + "\n" + lines + blockEnd + "\n" + after, nil
}

// TmuxFiles are the names of the files in [TmuxDir] that /etc/tmux.conf reads, in their
// order.
func (f *Found) TmuxFiles() (out []string) {
	for _, name := range f.Host.Tmux.Files {
		out = append(out, path.Base(name))
	}
	return out
}

// IsolatedFiles are the names of those in [TmuxDir] that only isolated servers read.
func (f *Found) IsolatedFiles() (out []string) {
	for _, name := range f.Host.Tmux.Isolated {
		out = append(out, path.Base(name))
	}
	return out
}

func (s *state) tmux() {
	for _, name := range s.f.IsolatedFiles() {
		s.dir(idTmux, tmuxDir, "what every tmux server reads is root's to say")
		s.file(idTmux, path.Join(tmuxDir, name), s.f.Tmux[name], "isolated tmux servers begin with it, where serve: isolated names it")
	}
	for _, name := range s.f.TmuxFiles() {
		s.dir(idTmux, tmuxDir, "what every tmux server reads is root's to say")
		s.file(idTmux, path.Join(tmuxDir, name), s.f.Tmux[name], "every tmux server of this host begins with it")
	}
}

// Harden gives the commands of tmux that host.yaml asks for, which are in /etc/tmux.conf.
func (f *Found) Harden() string {
	var b strings.Builder
	t := f.Host.Tmux
	if t.Clipboard != "" {
		fmt.Fprintf(&b, "# Whether programs in panes may set the clipboard of who is attached.\nset -s set-clipboard %s\n", t.Clipboard)
	}
	if t.Passthrough != "" {
		fmt.Fprintf(&b, "# Whether they may write to terminals past tmux (from 3.3 on).\nset -gq allow-passthrough %s\n", t.Passthrough)
	}
	if t.Update != nil {
		fmt.Fprintf(&b, "# What a session takes over from who attaches, and nothing else.\nset -g update-environment \"%s\"\n", strings.Join(t.Update, " "))
	}
	if t.Lock.After > 0 {
		fmt.Fprintf(&b, "# A terminal that is left alone is covered; sessions are not.\nset -g lock-after-time %d\n", t.Lock.After)
	}
	if t.Lock.Command != "" {
		fmt.Fprintf(&b, "set -g lock-command \"%s\"\n", t.Lock.Command)
	}
	if t.Lock.Key != "" {
		fmt.Fprintf(&b, "bind %s lock-session\n", t.Lock.Key)
	}
	return b.String()
}

func (s *state) sshd() {
	c, h := s.f.Host.Serve, s.f.Host.SSHD
	var b strings.Builder
	if h.Lend {
		fmt.Fprintf(&b, `Match User %s
    AuthorizedKeysCommand /usr/bin/muxward keys --state %s %%u %%t %%k
    AuthorizedKeysCommandUser %s
    AuthorizedKeysFile none
    TrustedUserCAKeys none
    AuthenticationMethods publickey
    DisableForwarding yes
`, strings.Join(c.SSH.KeysAccounts, ","), c.State, c.SSH.KeysUser)
	}
	if len(h.Attach) > 0 {
		fmt.Fprintf(&b, `Match User %s
    ForceCommand /usr/bin/muxward attach --state %s
    PermitUserRC no
    DisableForwarding yes
`, strings.Join(h.Attach, ","), c.State)
	}
	if b.Len() == 0 {
		return
	}
	b.WriteString("Match all\n") // what comes after this file is not theirs alone
	s.file(idSSHD, SSHDFile, head+b.String(), "who logs in to these accounts by the host's sshd comes out in muxward, and nowhere else")
}

// Title is what the items of one id are about.
type Title struct{ ID, Title string }

// Titles gives all of them, in the order of the ids.
func Titles() []Title {
	return []Title{
		{idServe, "muxward's own configuration is as host.yaml says"},
		{idPolicy, "the policy is that of the directory of hosts, and nothing besides"},
		{idAttach, "who may attach is as host.yaml declares"},
		{idProfileD, "login shells have the doors in their environment"},
		{idManagers, "user managers of systemd have the doors in their environment"},
		{idPAMEnv, "sessions of PAM have the doors in their environment"},
		{idTmux, "tmux servers begin with what host.yaml says"},
		{idSSHD, "sshd hands logins to muxward as host.yaml says"},
		{idPAM, "there is a PAM service of the name muxward"},
		{idUnits, "units of systemd are as host.yaml says"},
		{idTmpfiles, "the place of the doors is made at each start, and left alone"},
		{idLogrotate, "the journal of muxward sockets is kept short"},
		{idLinger, "who lingers is as was decided"},
		{idProfiles, "named sessions are as host.yaml says"},
	}
}
