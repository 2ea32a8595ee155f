package hostfile

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/hostconf"
)

const (
	unitDir   = "/etc/systemd/system"
	lingerDir = "/var/lib/systemd/linger"
)

// system writes what other programs of the system go by.
func (s *state) system() {
	if s.f.Host.PAM {
		s.file(idPAM, "/etc/pam.d/muxward", s.packed("pam.d/muxward"), "without a service of its own, PAM asks that of all others, which may let everybody in")
	}
	if s.f.Host.Tmpfiles {
		run := path.Dir(s.f.Host.Serve.Doors)
		s.file(idTmpfiles, "/etc/tmpfiles.d/muxward.conf", fmt.Sprintf("%s# Made at each start; cleaners leave what is in it alone.\nd %s 0755 root root -\nx %s/*\n", head, run, run),
			"the place of the doors is there at each start, and no cleaner takes a socket away")
	}
	if s.f.Host.Logrotate {
		at := s.f.Host.Serve.State
		if s.account() != "" {
			at += "-keys" // the state is the account's, and root writes nothing there
		}
		s.file(idLogrotate, "/etc/logrotate.d/muxward", fmt.Sprintf(`%s# The log of decisions is not rotated: it is one chain, and is verified whole.
%s/sockets.jsonl {
    monthly
    rotate 24
    missingok
    notifempty
    compress
    create 0600 root root
}
`, head, at), "what muxward sockets did stays readable, and fills no disk")
	}
}

// units writes units of systemd, and has them enabled and running.
func (s *state) units() {
	u := s.f.Host.Units
	if u.Serve {
		s.unit("muxward.service", "muxward runs from the start of the machine on, and is started again if it ends", true)
	}
	if u.Scan {
		s.unit("muxward-sockets-scan.service", "tmux's sockets are looked at once a day", false)
		s.unit("muxward-sockets-scan.timer", "tmux's sockets are looked at once a day", true)
	}
	if u.Watch {
		s.unit("muxward-sockets-watch.service", "what becomes wrong with tmux's sockets is told when it does", true)
		if len(u.Mend) > 0 {
			dir := path.Join(unitDir, "muxward-sockets-watch.service.d")
			s.dir(idUnits, dir, "what root's services do is root's to say")
			s.file(idUnits, path.Join(dir, "mend.conf"), fmt.Sprintf("%s[Service]\nExecStart=\nExecStart=/usr/bin/muxward sockets watch --auto %s\n", head, strings.Join(u.Mend, " --auto ")),
				"what can be mended without hurting a session is mended at once")
		}
	}
}

func (s *state) unit(name, why string, run bool) {
	s.file(idUnits, path.Join(unitDir, name), s.packed("systemd/"+name), why)
	if run {
		s.items = append(s.items, hostconf.Item{ID: idUnits, Kind: hostconf.Service, Name: name, Running: true, Why: why})
	}
}

// linger makes and removes the files by which systemd-logind knows who lingers.
func (s *state) linger() {
	for _, a := range s.f.Host.Linger.Allow {
		s.dir(idLinger, lingerDir, "who lingers is root's to say")
		s.file(idLinger, path.Join(lingerDir, a), "", "the sessions of this account go on when it is logged out, as was decided")
	}
	for _, a := range s.f.Host.Linger.Deny {
		s.items = append(s.items, hostconf.Item{ID: idLinger, Kind: hostconf.Absent, Path: path.Join(lingerDir, a),
			Why: "nothing of this account goes on when it is logged out, as was decided"})
	}
}

// profilesFile is what muxward reads profiles from.
const profilesFile = confDir + "/profiles.yaml"

// profiles writes the named sessions, and makes the accounts that their tmux runs as.
func (s *state) profiles() {
	all := s.f.Host.Profiles
	if len(all) == 0 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s.items = append(s.items, hostconf.Item{ID: idProfiles, Kind: hostconf.Account, Name: all[name].Account, Comment: "muxward profile " + name,
			Why: "the tmux of a named session runs as an account that nobody logs in to, and its program as another"})
	}
	data, err := yaml.Marshal(map[string]any{"profiles": plain(all)})
	if err != nil && s.err == nil {
		s.err = err
	}
	s.file(idProfiles, profilesFile, head+string(data), "what runs in a named session, as whom and for whom, is root's to say")
}

// plain gives profiles without what they do not say.
func plain(all map[string]config.Profile) map[string]map[string]any {
	out := map[string]map[string]any{}
	for name, p := range all {
		m := map[string]any{"command": p.Command, "account": p.Account, "run_as": p.As, "who": p.Who}
		for key, text := range map[string]string{"directory": p.Directory, "role": p.Role, "about": p.About} {
			if text != "" {
				m[key] = text
			}
		}
		for key, values := range map[string]map[string]string{"environment": p.Environment, "secrets": p.Secrets} {
			if len(values) > 0 {
				m[key] = values
			}
		}
		for key, is := range map[string]bool{"shared": p.Shared, "shell": p.Shell} {
			if is {
				m[key] = true
			}
		}
		out[name] = m
	}
	return out
}
