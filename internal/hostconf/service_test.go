package hostconf

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// systemctl stands for systemd's: a unit is enabled if there is a file of that name in on,
// runs if there is one in runs, and each call is written down. It fails to start what is
// called broken.
const systemctl = `#!/bin/sh
cd "$(dirname "$0")/.." || exit 1
echo "$*" >>calls
case $1 in
is-enabled) if [ -e "masked/$2" ]; then echo masked; exit 1; fi
	[ -e "on/$2" ] && echo enabled || { echo disabled; exit 1; } ;;
is-active) [ -e "stops/$2" ] && { echo deactivating; exit 3; }
	[ -e "starts/$2" ] && { echo activating; exit 3; }
	[ -e "runs/$2" ] && echo active || { echo inactive; exit 3; } ;;
enable) : >"on/$2" ;;
disable) rm -f "on/$2" ;;
start) rm -rf stops; case $2 in broken*) echo "Job for $2 failed." >&2; exit 1 ;; esac; : >"runs/$2" ;;
stop) rm -f "runs/$2" ;;
esac
`

// withSystemd has a host run a systemd, which lies in its tree: what it says of services is
// in a snapshot.
func withSystemd(b *bed) string {
	b.t.Helper()
	top := b.at(fakeSystemd)
	for _, d := range []string{"bin", "on", "runs", "masked"} {
		b.must(os.MkdirAll(filepath.Join(top, d), 0o755))
	}
	b.must(tmuxtest.WriteProgram(top+"/bin/systemctl", []byte(systemctl), 0o755))
	runSystemd(&b.opt)
	return top
}

const fakeSystemd = "/usr/lib/fake-systemd"

// runSystemd finds that systemd, if there is one.
func runSystemd(o *Options) {
	bin := o.Root + fakeSystemd + "/bin"
	if _, err := os.Stat(bin); err != nil {
		return
	}
	booted := true
	o.booted, o.programs = &booted, []string{bin, "/usr/sbin", "/usr/bin", "/sbin", "/bin"}
}

func serves(name string) State {
	return State{Set: "setup", Items: []Item{
		{ID: "T1", Kind: File, Path: "/etc/systemd/system/" + name, Mode: 0o644, Content: "[Service]\n", Why: "it serves"},
		{ID: "T2", Kind: Service, Name: name, Running: true, Why: "it serves"},
	}}
}

// A service is enabled and started once its unit is there, and is stopped and disabled
// before that goes.
func TestService(t *testing.T) {
	b := newBed(t)
	top := withSystemd(b)
	has := func(what string) bool {
		_, err := os.Stat(filepath.Join(top, what, "mw.service"))
		return err == nil
	}
	before := b.snapshot()
	b.apply(serves("mw.service"))
	if !has("on") || !has("runs") {
		t.Error("it is not enabled, or does not run")
	}
	if p := b.plan(serves("mw.service")); p.Drift() {
		t.Errorf("plan says\n%s", p.brief())
	}
	b.must(os.Remove(top + "/on/mw.service"))
	if p := b.plan(serves("mw.service")); !strings.Contains(p.brief(), "change service mw.service enabled") {
		t.Errorf("disabled, plan says\n%s", p.brief())
	}
	b.apply(serves("mw.service"))
	b.must(os.Remove(top + "/calls"))
	b.apply(State{Set: "setup"})
	if has("on") || has("runs") || b.snapshot() != before {
		t.Error("it is left")
	}
	calls, err := os.ReadFile(top + "/calls")
	b.must(err)
	if !strings.Contains(string(calls), "daemon-reload\nstop mw.service\ndisable mw.service\ndaemon-reload\n") {
		t.Errorf("calls:\n%s", calls)
	}
}

// What does not start is put back: the service, its unit, and the way there.
func TestServiceFails(t *testing.T) {
	b := newBed(t)
	top := withSystemd(b)
	before := b.snapshot()
	_, err := Apply(context.Background(), Just(serves("broken.service")), b.opt)
	if err == nil || !strings.Contains(err.Error(), "Job for broken.service failed") || !strings.Contains(err.Error(), "has been taken back") {
		t.Errorf("apply: %v", err)
	}
	if _, err := os.Stat(top + "/on/broken.service"); err == nil || b.snapshot() != before {
		t.Errorf("it is left:\n%s", b.snapshot())
	}
	b.must(os.WriteFile(top+"/masked/mw.service", nil, 0o644))
	if _, err := Apply(context.Background(), Just(serves("mw.service")), b.opt); err == nil || !strings.Contains(err.Error(), "masked") {
		t.Errorf("masked: %v", err)
	}
}

// One that starts again and again runs, and is stopped before its unit goes.
func TestServiceThatStarts(t *testing.T) {
	b := newBed(t)
	top := withSystemd(b)
	b.apply(serves("mw.service"))
	b.must(errors.Join(os.Remove(top+"/runs/mw.service"), os.Mkdir(top+"/starts", 0o755), os.WriteFile(top+"/starts/mw.service", nil, 0o644), os.Remove(top+"/calls")))
	b.apply(State{Set: "setup"})
	if calls, err := os.ReadFile(top + "/calls"); err != nil || !strings.Contains(string(calls), "stop mw.service\n") {
		t.Errorf("%v: calls:\n%s", err, calls)
	}
}

// One that is being stopped does not run: it is started again.
func TestServiceThatStops(t *testing.T) {
	b := newBed(t)
	top := withSystemd(b)
	s := serves("mw.service")
	for i := range s.Items {
		s.Items[i].Running = s.Items[i].Kind == Service
	}
	b.apply(s)
	b.must(errors.Join(os.Mkdir(top+"/stops", 0o755), os.WriteFile(top+"/stops/mw.service", nil, 0o644), os.Remove(top+"/calls")))
	b.apply(s)
	if calls, err := os.ReadFile(top + "/calls"); err != nil || !strings.Contains(string(calls), "start mw.service\n") {
		t.Errorf("%v: calls:\n%s", err, calls)
	}
}

// Who presses Ctrl-C has it taken back, too, and a check that hangs is given up.
func TestStopped(t *testing.T) {
	b := newBed(t)
	b.furnish()
	s := State{Set: "a", Items: []Item{{ID: "T", Kind: File, Path: "/etc/mw.conf", Mode: 0o644, Why: "it"}, {ID: "T", Kind: File, Path: "/etc/x", Mode: 0o644, Why: "it"}}}
	before := b.snapshot()
	ctx, cancel := context.WithCancel(context.Background())
	b.opt.step = func(step string) {
		if step == "do /etc/x" {
			cancel()
		}
	}
	b.opt.Health = func(ctx context.Context, _ []Change) error { return ctx.Err() }
	if _, err := Apply(ctx, Just(s), b.opt); !errors.Is(err, context.Canceled) || b.snapshot() != before {
		t.Errorf("stopped: %v\n%s", err, b.snapshot())
	}
	b.opt.step = nil
	ctx, cancel = context.WithCancel(context.Background())
	free := make(chan struct{})
	defer close(free)
	b.opt.Checks = []Check{{Name: "a check", Run: func(context.Context, string) error { cancel(); <-free; return nil }}}
	if _, err := Apply(ctx, Just(s), b.opt); !errors.Is(err, context.Canceled) || b.snapshot() != before {
		t.Errorf("hanging: %v", err)
	}
}

// The records are for root alone, and damaged ones are no empty ones.
func TestRecords(t *testing.T) {
	b := newBed(t)
	s := State{Set: "a", Items: []Item{{ID: "T", Kind: File, Path: "/etc/x", Mode: 0o644, Content: "x", Why: "it"}}}
	b.apply(s)
	if err := os.WriteFile(b.at(DefaultRecords+"/ledger.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Compare(context.Background(), Just(s), b.opt); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("plan: %v", err)
	}
	if _, err := Apply(context.Background(), Just(State{Set: "a"}), b.opt); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("apply: %v", err)
	}
	b.must(os.Chmod(b.at(DefaultRecords), 0o755))
	if _, err := Apply(context.Background(), Just(s), b.opt); err == nil || !strings.Contains(err.Error(), "alone") {
		t.Errorf("apply, with records that others read: %v", err)
	}
}

// An account of somebody is never taken for muxward's, and one that another file has for its
// own is not removed.
func TestAccounts(t *testing.T) {
	b := newBed(t)
	if b.opt.NoOwners {
		tmuxtest.Skip(t, "accounts are root's to make")
	}
	for name, want := range map[string]string{"somebody": "who logs in", "root": "root's", "Bad": "no name", "-x": "has to have a name"} {
		s := State{Set: "a", Items: []Item{{ID: "T", Kind: Account, Name: name, Why: "it"}}}
		_, err := Apply(context.Background(), Just(s), b.opt)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := State{Set: "a", Items: []Item{{ID: "T", Kind: Account, Name: "mw", Why: "it"}, {ID: "T", Kind: Directory, Path: "/srv/mw", Mode: 0o700, Owner: "mw", Group: "mw", Why: "it"}}}
	b.apply(s)
	b.write("srv/mw/log", "x", 0o600)
	r := b.apply(State{Set: "a"})
	if len(r.Left) != 2 || !strings.Contains(b.read("etc/passwd"), "mw:x:") {
		t.Errorf("with its directory left, %+v", r.Left)
	}
	b.must(os.Remove(b.at("srv/mw/log")))
	if r := b.apply(State{Set: "a"}); len(r.Left) != 0 || strings.Contains(b.read("etc/passwd")+b.read("etc/group"), "mw:") {
		t.Errorf("then %+v", r.Left)
	}
	b.apply(s)
	uid := b.read("etc/passwd")
	b.apply(State{Set: "a"})
	if _, err := Undo(context.Background(), "a", b.opt); err != nil || b.read("etc/passwd") != uid {
		t.Errorf("it is not the same account again: %v\n%s", err, b.read("etc/passwd"))
	}
}

// Where there is no useradd systemd makes accounts. It takes none away: that is said.
func TestSysusers(t *testing.T) {
	b := newBed(t)
	if b.opt.NoOwners {
		tmuxtest.Skip(t, "accounts are root's to make")
	}
	at, err := exec.LookPath("systemd-sysusers")
	if err != nil {
		tmuxtest.Skip(t, "there is no systemd-sysusers")
	}
	bin := t.TempDir()
	b.must(os.Symlink(at, bin+"/systemd-sysusers"))
	b.opt.programs = []string{bin}
	s := State{Set: "a", Items: []Item{{ID: "T", Kind: Account, Name: "mw", Comment: "of a test", Home: "/var/lib/mw", Why: "it"},
		{ID: "T", Kind: File, Path: "/etc/x", Mode: 0o600, Owner: "mw", Group: "mw", Why: "it"}}}
	b.apply(s)
	if !strings.Contains(b.read("etc/passwd"), ":of a test:/var/lib/mw:") || b.plan(s).Drift() {
		t.Errorf("it made %s", b.read("etc/passwd"))
	}
	if r := b.apply(State{Set: "a"}); len(r.Left) != 1 || !strings.Contains(r.Left[0].Reason, "by hand") {
		t.Errorf("left: %+v", r.Left)
	}
	b.opt.programs = nil
	if r := b.apply(State{Set: "a"}); len(r.Left) != 0 || strings.Contains(b.read("etc/passwd"), "mw:") {
		t.Errorf("left: %+v", r.Left)
	}
}

// What a symlink in a directory leads to stays when it is emptied, and so does what a way with a
// symlink in it leads to.
func TestEmpty(t *testing.T) {
	b := newBed(t)
	b.write("srv/victim/kept", "x", 0o600)
	b.write("srv/state/a/b", "x", 0o600)
	b.must(os.Symlink("../victim", b.at("srv/state/link")))
	b.must(os.Symlink("victim", b.at("srv/way")))
	b.must(Empty("/srv/state", b.opt))
	if left, err := os.ReadDir(b.at("srv/state")); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	for _, path := range []string{"/srv/way", "/srv/way/x"} {
		if err := Empty(path, b.opt); err == nil || !strings.Contains(err.Error(), "symlink") {
			t.Errorf("%s: %v", path, err)
		}
	}
	b.must(Empty("/srv/none/none", b.opt))
	if b.read("srv/victim/kept") != "x" {
		t.Error("what a symlink leads to is gone")
	}
}

// A program that has begun comes to its end, also when we are to stop.
func TestProgramsEnd(t *testing.T) {
	b := newBed(t)
	bin := t.TempDir()
	b.must(tmuxtest.WriteProgram(bin+"/slow", []byte("#!/bin/sh\n: >"+bin+"/begun\nwhile [ ! -e "+bin+"/go ]; do sleep 0.01; done\n: >"+bin+"/ended\n"), 0o755))
	b.opt.programs = []string{bin}
	h, err := newHost(b.opt)
	b.must(err)
	defer h.close()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.run(ctx, "slow") }()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if _, err := os.Stat(bin + "/begun"); err == nil {
			break
		}
	}
	cancel()
	b.must(os.WriteFile(bin+"/go", nil, 0o600))
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(bin + "/ended"); err != nil {
		t.Error("it was killed in the middle")
	}
	if err := h.run(ctx, "slow"); !errors.Is(err, context.Canceled) {
		t.Errorf("and one more begins: %v", err)
	}
}

// What is left of an account that was being removed goes, and one that somebody has made
// meanwhile stays.
func TestAccountsHalfWay(t *testing.T) {
	s := State{Set: "a", Items: []Item{{ID: "T", Kind: Account, Name: "mw", Comment: "ours", Home: "/srv/mw", Why: "it"},
		{ID: "T", Kind: File, Path: "/etc/x", Mode: 0o600, Why: "it"}}}
	for _, c := range []struct {
		name, at string
		do       func(b *bed)
		stays    bool
	}{
		{"the group is left", "do /etc/x", func(b *bed) {
			line := b.read("etc/passwd")
			b.write("etc/passwd", line[:strings.Index(line, "mw:x:")], 0o644)
		}, false},
		{"somebody's", "do account mw", func(b *bed) {
			b.write("etc/passwd", b.read("etc/passwd")+"mw:x:777:777:theirs:/home/mw:/usr/sbin/nologin\n", 0o644)
			b.write("etc/group", b.read("etc/group")+"mw:x:777:\n", 0o644)
		}, true},
		{"the group is left, and has something", "do /etc/x", func(b *bed) {
			line := b.read("etc/passwd")
			b.write("etc/passwd", line[:strings.Index(line, "mw:x:")], 0o644)
			a := accounts{byName: map[string]account{}, groups: map[string]uint32{}}
			a.parse("", b.read("etc/group"))
			b.write("etc/x", "theirs\n", 0o644)
			b.must(os.Chown(b.at("etc/x"), 0, int(a.groups["mw"])))
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t)
			if b.opt.NoOwners {
				tmuxtest.Skip(t, "accounts are root's to make")
			}
			o := b.opt
			o.step = func(step string) {
				if step == c.at {
					panic("killed")
				}
			}
			func() {
				defer func() { _ = recover() }()
				_, _ = Apply(context.Background(), Just(s), o)
			}()
			c.do(b)
			r, err := Recover(context.Background(), b.opt)
			if err != nil || r.Recovered == nil || (len(r.Left) > 0) != c.stays {
				t.Errorf("%+v, %v", r, err)
			}
			if strings.Contains(b.read("etc/group"), "mw:") != c.stays || strings.Contains(b.read("etc/passwd"), "mw:") != (c.name == "somebody's") {
				t.Errorf("it is\n%s%s", b.read("etc/passwd"), b.read("etc/group"))
			}
		})
	}
}

// An account is kept while something that is its own stays, also deep in a directory that is
// root's; and what cannot be reached is not forgotten.
func TestKeepsAccount(t *testing.T) {
	b := newBed(t)
	if b.opt.NoOwners {
		tmuxtest.Skip(t, "accounts are root's to make")
	}
	s := State{Set: "a", Items: []Item{{ID: "T", Kind: Account, Name: "mw", Why: "it"}, {ID: "T", Kind: Directory, Path: "/srv/mw", Mode: 0o711, Why: "it"},
		{ID: "T", Kind: File, Path: "/etc/d/x", Mode: 0o644, Content: "x", Why: "it"}}}
	b.write("etc/d/y", "", 0o644)
	b.apply(s)
	h, err := newHost(b.opt)
	b.must(err)
	uid := int(h.names.byName["mw"].uid)
	h.close()
	b.write("srv/mw/a/log", "x", 0o600)
	b.must(os.Chown(b.at("srv/mw/a/log"), uid, 0))
	b.must(unix.Chmod(b.at("etc/d"), 0o775))
	if _, err := Apply(context.Background(), Just(State{Set: "a"}), b.opt); err == nil || !strings.Contains(err.Error(), "chmod go-w") {
		t.Errorf("what cannot be reached: %v", err)
	}
	b.must(unix.Chmod(b.at("etc/d"), 0o755))
	r := b.apply(State{Set: "a"})
	if len(r.Left) != 2 || !strings.Contains(b.read("etc/passwd"), "mw:") {
		t.Errorf("left %+v", r.Left)
	}
	if _, err := os.Lstat(b.at("etc/d/x")); err == nil {
		t.Error("what could not be reached was forgotten")
	}
}

// A site with all its accounts in passwd is one, too; and the way to the records is for all to
// go, whatever the umask is.
func TestLargePasswdAndUmask(t *testing.T) {
	b := newBed(t)
	b.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"+strings.Repeat("x:x:5000:5000::/home/xxxxxxxxxxxxxxxxxxxxxxxxxxxx:/bin/sh\n", 30000), 0o644)
	defer unix.Umask(unix.Umask(0o077))
	b.apply(State{Set: "a", Items: []Item{{ID: "T", Kind: File, Path: "/etc/x", Mode: 0o644, Why: "it"}}})
	for _, dir := range []string{"var", "var/lib"} {
		if st, err := os.Stat(b.at(dir)); err != nil || st.Mode().Perm() != 0o755 {
			t.Errorf("%s: %v, %v", dir, st.Mode(), err)
		}
	}
}
