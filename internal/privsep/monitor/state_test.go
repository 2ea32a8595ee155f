package monitor

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/privsep/holder"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func uidOf(t *testing.T, path string) uint32 {
	t.Helper()
	info, err := os.Lstat(path)
	must(t, err)
	return info.Sys().(*syscall.Stat_t).Uid
}

// mwUID is muxward's in these tests, and of no process of the host: other tests have some ask a directory as
// another one of those numbers (nss.Nobody), and giving back looks at all processes.
const mwUID = 65531

// stateBed is a host's directories, and a setting of them.
func stateBed(t *testing.T) *setting {
	t.Helper()
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "gives directories to an account, which takes root")
	}
	base, err := os.MkdirTemp("/dev/shm", "state") // giving back syncs a lot
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(base) }) // what is left is seen in /dev/shm
	s := &setting{config: config.Config{File: base + "/etc/muxward.yaml", Policy: base + "/etc/policy", Doors: base + "/d", State: base + "/state"},
		account: accounts.Account{Name: "mw", UID: mwUID, GID: mwUID}, muxward: base + "/bin/muxward", tmux: base + "/bin/tmux"}
	must(t, os.MkdirAll(s.config.Policy, 0o755), os.WriteFile(s.config.File, nil, 0o644), os.MkdirAll(s.config.State+"/audit", 0o711),
		os.WriteFile(s.config.State+"/audit/x", nil, 0o600), os.WriteFile(s.config.State+"/"+holder.CheckpointFile, nil, 0o600),
		os.WriteFile(s.config.State+"/sockets.jsonl", []byte("{}\n"), 0o600), os.WriteFile(s.config.State+"/sockets.jsonl.1.gz", nil, 0o600),
		os.WriteFile(s.config.State+"/grants.db-wal", nil, 0o600), os.WriteFile(s.config.State+"/leases.json.damaged-1", nil, 0o600))
	return s
}

// A state directory is handed over with all that muxward has there; the keys stay root's.
func TestHandOver(t *testing.T) {
	s := stateBed(t)
	must(t, prepare(s))
	for _, name := range []string{"", "audit", "audit/x", "grants.db-wal", "leases.json.damaged-1"} {
		if uid := uidOf(t, filepath.Join(s.config.State, name)); uid != mwUID {
			t.Errorf("%q is uid %d's", name, uid)
		}
	}
	for _, name := range []string{holder.CheckpointFile, "sockets.jsonl", "sockets.jsonl.1.gz"} {
		if uid := uidOf(t, s.config.State+"-keys/"+name); uid != 0 {
			t.Errorf("%s is uid %d's", name, uid)
		}
	}
	must(t, os.WriteFile(s.config.State+"/of root", nil, 0o600), prepare(s)) // it is the account's, and is not looked at again
	if uid := uidOf(t, s.config.State+"/of root"); uid != 0 {
		t.Errorf("what root puts there later is given away to uid %d", uid)
	}
}

// What is no state directory of muxward's, or is where root's own things are, is not given
// away, and nothing of it is.
func TestHandOverRefuses(t *testing.T) {
	for name, change := range map[string]func(s *setting) error{
		"nothing of muxward's": func(s *setting) error { return os.WriteFile(s.config.State+"/zshrc", nil, 0o600) },
		"names":                func(s *setting) error { return os.Link(s.config.File, s.config.State+"/audit/zz") },
		"neither a file":       func(s *setting) error { return unix.Mkfifo(s.config.State+"/audit/zz", 0o600) },
		"belongs to uid 65532": func(s *setting) error { return os.Chown(s.config.State+"/audit/x", 65532, 0) },
		"the policy":           func(s *setting) error { s.config.Policy = s.config.State + "/audit"; return nil },
		"the configuration": func(s *setting) error {
			s.config.File = s.config.State + "/muxward.yaml"
			return os.WriteFile(s.config.File, nil, 0o600)
		},
		"directory of the doors": func(s *setting) error { s.config.Doors = s.config.State + "/d"; return nil },
		"tmux":                   func(s *setting) error { s.tmux = s.config.State + "/tmux"; return nil },
	} {
		s := stateBed(t)
		must(t, change(s))
		if err := prepare(s); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		for _, path := range []string{"", "audit", "grants.db-wal", holder.CheckpointFile} {
			if uid := uidOf(t, filepath.Join(s.config.State, path)); uid != 0 {
				t.Errorf("%s: %q is given to uid %d", name, path, uid)
			}
		}
	}
	for _, c := range [][2]string{{"/a/b", "/a/b"}, {"/a/b", "/a"}, {"/a", "/"}} {
		if !within(c[0], c[1]) || c[0] != c[1] && within(c[1], c[0]) {
			t.Error(c)
		}
	}
	if within("/a/bc", "/a/b") {
		t.Error("/a/bc is not in /a/b")
	}
}

// muxward runs as nobody's account.
func TestAccountOf(t *testing.T) {
	dir := t.TempDir()
	all := accounts.Files{Passwd: dir + "/passwd", Group: dir + "/group"}
	must(t, os.WriteFile(all.Passwd, []byte("root:x:0:0::/:/bin/sh\nmw:x:7:7::/:/usr/sbin/nologin\nalice:x:8:8::/:/bin/zsh\nshadowy:x:9:42::/:/bin/false\n"+
		"shared:x:10:10::/:/bin/false\nnogroup:x:11:11::/:/bin/false\ntoor:x:0:12::/:/bin/false\n"), 0o644),
		os.WriteFile(all.Group, []byte("root:x:0:\nmw:x:7:\nalice:x:8:\nshadow:x:42:\nshared:x:10:alice\n"), 0o644))
	for name, want := range map[string]string{"mw": "", "root": "root's", "toor": "", "alice": "may log in", "shadowy": "others may be in",
		"shared": "others may be in", "nogroup": "others may be in", "nobody": "useradd"} {
		a, err := accountOf(all, name)
		if name == "toor" && err != nil {
			continue
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) || err == nil && a.UID != 7 {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
}

// A home that does not answer costs one thread, and is the trouble of its account alone.
func TestHomes(t *testing.T) {
	var h homes
	must(t, h.begin(7))
	for range maxHanging {
		if err := h.begin(7); !errors.Is(err, unix.ETIMEDOUT) {
			t.Fatal(err)
		}
	}
	must(t, h.begin(8))
	h.end(7)
	must(t, h.begin(7))
	for i := range maxHanging - 2 {
		must(t, h.begin(uint32(100+i)))
	}
	if err := h.begin(9); !errors.Is(err, unix.EAGAIN) {
		t.Error(err)
	}
}

// What is printed to a terminal is text.
func TestPrintClean(t *testing.T) {
	var out bytes.Buffer
	printClean(&out, strings.NewReader("a\x1b]0;x\a ü\u009b\xff\u202e\tb\r\nc"))
	if got := out.String(); got != "a?]0;x? ü???\tb?\nc" {
		t.Errorf("%q", got)
	}
}

// The address that muxward names is one that the configuration means.
func TestListens(t *testing.T) {
	for _, c := range []struct {
		configured, addr string
		works            bool
	}{
		{":2222", "[::]:2222", true}, {"127.0.0.1:0", "127.0.0.1:4711", true}, {"0.0.0.0:22", "0.0.0.0:22", true}, {"localhost:2222", "127.0.0.1:2222", true},
		{"[fe80::1]:2222", "[fe80::1%lo]:2222", true}, {"[fe80::1]:2222", "[fe80::2%lo]:2222", false},
		{":2222", "[::]:2223", false}, {"127.0.0.1:0", "10.0.0.1:4711", false}, {":2222", "evil\nHost *:2222", false}, {":2222", "", false},
	} {
		if err := listens(c.configured, c.addr); (err == nil) != c.works {
			t.Errorf("%q at %q: %v", c.configured, c.addr, err)
		}
	}
}

// A child is given no terminal, by which it could read what root types; a file as it is.
func TestOutputOf(t *testing.T) {
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	defer pty.Close()
	o, err := outputOf(pty)
	must(t, err)
	if o.printed == nil || o.file == pty {
		t.Fatal("it is given the terminal")
	}
	_, err = o.file.WriteString("said\n")
	must(t, err)
	o.close()
	<-o.printed
	file, err := os.Create(t.TempDir() + "/log")
	must(t, err)
	defer file.Close()
	if o, err := outputOf(file); err != nil || o.file != file || o.printed != nil {
		t.Error(o, err)
	}
}
