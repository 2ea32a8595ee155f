package hostfile

import (
	"fmt"
	"path"
	"strings"

	"go.yaml.in/yaml/v4"

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
		s.file(idLogrotate, "/etc/logrotate.d/muxward", fmt.Sprintf(`%s# The log of decisions is not rotated: it is one chain, and is verified whole.
%s/sockets.jsonl {
    monthly
    rotate 24
    missingok
    notifempty
    compress
    create 0600 root root
}
`, head, s.f.Host.Serve.State), "what muxward sockets did stays readable, and fills no disk")
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

// profiles writes the named sessions.
func (s *state) profiles() {
	if len(s.f.Host.Profiles) == 0 {
		return
	}
	data, err := yaml.Marshal(map[string]any{"profiles": plain(s.f.Host.Profiles)})
	if err != nil && s.err == nil {
		s.err = err
	}
	s.file(idProfiles, confDir+"/profiles.yaml", head+"# No door offers these yet.\n"+string(data), "what runs in a named session, and for whom, is root's to say (no door offers it yet)")
}

// plain gives profiles without what they do not say.
func plain(all map[string]Profile) map[string]map[string]any {
	out := map[string]map[string]any{}
	for name, p := range all {
		m := map[string]any{"command": p.Command, "run_as": p.As, "who": p.Who}
		if p.Directory != "" {
			m["directory"] = p.Directory
		}
		if len(p.Environment) > 0 {
			m["environment"] = p.Environment
		}
		out[name] = m
	}
	return out
}
