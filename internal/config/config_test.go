package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoad(t *testing.T) {
	for _, tc := range []struct{ name, text, wantErr string }{
		{"empty", "", ""},
		{"blank", " \n\n", ""},
		{"good", "doors: /run/x\ntmux_config: [/etc/a.conf]\n", ""},
		{"pastes", "paste_limit: 4096\npaste_confirm_lines: 3\n", ""},
		{"paste too large", "paste_limit: 1040385\n", "paste_limit is 1040385; give 1 to 1040384 bytes"},
		{"no paste", "paste_limit: -1\n", "paste_limit is -1"},
		{"hook", "webhook: {url: 'https://chat.example/x', secret: /etc/x}\n", ""},
		{"hook unsigned", "webhook: {url: 'https://chat.example/x'}\n", "url and secret go together"},
		{"hook nowhere", "webhook: {secret: /etc/x}\n", "url and secret go together"},
		{"panic key", "panic_key: F12\n", ""},
		{"request key", "request_key: F8\n", ""},
		{"no request key", "request_key: M-r\n", `request_key is "M-r"; give one of F6`},
		{"one key for two", "panic_key: F8\nrequest_key: F8\n", "panic_key and request_key are both F8"},
		{"no panic key", "panic_key: C-c\n", `panic_key is "C-c"; give one of F6`},
		{"no lines", "paste_confirm_lines: -1\n", "paste_confirm_lines is -1"},
		{"without Landlock", "account: muxward\nwithout_landlock: true\n", ""},
		{"accounts of files", "accounts_from: [files]\n", ""},
		{"and of a directory", "accounts_from: [files, nss]\n", ""},
		{"a directory before the files", "accounts_from: [nss, files]\n", "give [files], or [files, nss]"},
		{"a directory alone", "accounts_from: [nss]\n", "give [files], or [files, nss]"},
		{"another directory", "accounts_from: [files, sss]\n", "give [files], or [files, nss]"},
		{"accounts from nowhere", "accounts_from: []\n", "give [files], or [files, nss]"},
		{"passwords", "ssh: {pam: true, pam_root: true, pam_mfa: true}\n", ""},
		{"passwords behind keys", "ssh: {pam: true, pam_behind_keys: true}\n", ""},
		{"passwords behind some keys", "ssh: {pam: true, pam_behind_keys: [alice, bob]}\n", ""},
		{"passwords behind keys, and none", "ssh: {pam_behind_keys: [alice]}\n", "pam, which is off"},
		{"a module that takes long", "ssh: {pam: true, pam_wait: 90s}\n", ""},
		{"idle", "ssh: {idle: 30m}\n", ""},
		{"idle for no time", "ssh: {idle: 5ms}\n", "idle is 5ms; give 1s or more"},
		{"a subsystem", "ssh: {subsystems: {netconf: [/usr/bin/netconf, -x]}}\n", ""},
		{"a subsystem of no path", "ssh: {subsystems: {netconf: [netconf]}}\n", "absolute path"},
		{"too long", "ssh: {pam: true, pam_wait: 3m}\n", "pam_wait is 3m0s; give 1s to 2m0s"},
		{"a service of one's own", "ssh: {pam: login2}\n", ""},
		{"passwords of root and no others", "ssh: {pam: false, pam_root: true}\n", "say more of pam, which is off"},
		{"lent", "ssh: {keys_user: keys, keys_accounts: [work]}\n", ""},
		{"lent to whoever", "ssh: {keys_user: keys}\n", "keys_user and keys_accounts go together"},
		{"lent by nobody", "ssh: {keys_accounts: [work]}\n", "keys_user and keys_accounts go together"},
		{"who asks is lent", "ssh: {keys_user: keys, keys_accounts: [work, keys]}\n", "keys_accounts has keys, which is keys_user"},
		{"isolated", "isolated: {prod: {account: a, run_as: b, sessions: [main], environment: {X: y}}}\n", ""},
		{"everybody as themselves", "isolated: {prod: {account: a, run_as: b, session_run_as: {main: c}, people_as_themselves: true}}\n", ""},
		{"some as themselves", "isolated: {prod: {account: a, run_as: b, people_as_themselves: [carol]}}\n", ""},
		{"who knows", "isolated: {prod: {account: a, run_as: b, people_as_themselves: perhaps}}\n", "cannot"},
		{"no list", "isolated: {prod: {account: a, run_as: b, people_as_themselves: {carol: x}}}\n", "cannot"},
		{"a session that is not there", "isolated: {prod: {account: a, run_as: b, session_run_as: {db: c}}}\n", "not among its sessions"},
		{"isolated as nobody", "isolated: {prod: {account: a}}\n", "say which account"},
		{"no session", "isolated: {prod: {account: a, run_as: b, sessions: ['a:b']}}\n", "a name has letters"},
		{"no variable", "isolated: {prod: {account: a, run_as: b, environment: {'X Y': y}}}\n", "a name has letters"},
		{"tmux's variable", "isolated: {prod: {account: a, run_as: b, environment: {TMUX: y}}}\n", "is tmux's to set"},
		{"unknown key", "dors: /run/x\n", "there is no key dors; the keys are state, policy, doors"},
		{"twice", "doors: /a\ndoors: /b\n", "doors"},
		{"not yaml", "doors: [", "line"},
		{"wrong kind", "doors: [a, b]\n", "line 1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "c.yaml")
			if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Load(path)
			switch {
			case tc.wantErr == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tc.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tc.wantErr)):
				t.Errorf("error %v, want one that says %q", err, tc.wantErr)
			}
		})
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there was read")
	}
}

func TestPAMService(t *testing.T) {
	for text, want := range map[string]string{"listen: x": "", "pam: true": "muxward", "pam: false": "", "pam: off": "", "pam: No": "", "pam: login2": "login2"} {
		path := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(path, []byte("ssh: {"+text+"}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(path)
		if got := c.SSH.PAMService(); err != nil || got != want || c.File != path {
			t.Errorf("%s: %q of %q, %v", text, got, c.File, err)
		}
	}
}

func TestFillUserMode(t *testing.T) {
	t.Setenv("HOME", "/home/alice")
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/1000")
	t.Setenv("XDG_STATE_HOME", "relative/is/ignored")
	t.Setenv("XDG_CONFIG_HOME", "")
	c := Config{User: true}
	if err := c.Fill(); err != nil {
		t.Fatal(err)
	}
	want := Config{
		User: true, State: "/home/alice/.local/state/muxward",
		Policy: "/home/alice/.config/muxward/policy", Doors: "/run/user/1000/muxward",
	}
	if c.State != want.State || c.Policy != want.Policy || c.Doors != want.Doors {
		t.Errorf("got %+v, want %+v", c, want)
	}
}

func TestServing(t *testing.T) {
	dir := t.TempDir()
	if _, err := FindServing(dir); err == nil || !strings.Contains(err.Error(), "muxward serve") {
		t.Errorf("error %v, want one that says how to start", err)
	}
	want := Serving{PID: 7, Ctl: "/x/ctl", Doors: "/x", Policy: "/p"}
	if err := want.Save(dir); err != nil {
		t.Fatal(err)
	}
	if got, err := FindServing(dir); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("doors: /x\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var c Config
		_ = decode("fuzz", data, &c)
	})
}

// Who has a server and a door here, by what is listed.
func TestServes(t *testing.T) {
	in := func(group string) bool { return group == "devs" }
	for what, c := range map[string]struct {
		listed []string
		uid    uint32
		shell  string
		in     func(string) bool
		want   bool
	}{
		"all":                             {nil, 1000, "/bin/sh", in, true},
		"all, and no login":               {nil, 1000, "/usr/sbin/nologin", in, false},
		"listed":                          {[]string{"bob"}, 5, "", nil, true},
		"not listed":                      {[]string{"carol"}, 1000, "/bin/sh", in, false},
		"in a group":                      {[]string{"@devs"}, 1000, "/bin/sh", in, true},
		"in another":                      {[]string{"@ops"}, 1000, "/bin/sh", in, false},
		"in it, no login":                 {[]string{"@devs"}, 1000, "/bin/false", in, false},
		"in it, and root":                 {[]string{"@devs"}, 0, "/bin/sh", in, false},
		"in it, a system's":               {[]string{"@devs"}, 100, "/bin/sh", in, false},
		"nobody asks":                     {[]string{"@devs"}, 1000, "/bin/sh", nil, false},
		"a directory's number":            {nil, 1200000001, "/bin/sh", in, false},
		"a directory's number, and asked": {nil, 1200000001, "/bin/sh", in, true},
		"nobody's":                        {nil, 65534, "/bin/sh", in, false},
		"a group of no name":              {[]string{"@"}, 1000, "/bin/sh", func(string) bool { return true }, false},
	} {
		config := Config{Accounts: c.listed}
		if what == "a directory's number, and asked" {
			config.AccountsFrom = []string{"files", "nss"}
		}
		if got := config.Serves("bob", c.uid, c.shell, c.in); got != c.want {
			t.Errorf("%s: %t", what, got)
		}
	}
}
