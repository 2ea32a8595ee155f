package script

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// bob keeps his keys where he always has. What he may do with each he says there, as
// for sshd, and what he takes out ends what rested on it. What others could have
// written says nothing about him.
func TestSSHAccountKeys(t *testing.T) {
	bob := tmuxtest.As(t, host.Bob)
	dir := filepath.Join(bob.Home, ".ssh")
	file := filepath.Join(dir, "authorized_keys")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(dir, 0o700))
	t.Cleanup(func() { must(os.RemoveAll(dir)) })
	h := host.Prepare(t, host.Config{SSH: []string{host.Alice}, SSHMore: "account_keys: true",
		Policy: map[string]string{"grants.yaml": shared}})
	laptop, phone, backup, mallorys := h.NewKey("laptop"), h.NewKey("phone"), h.NewKey("backup"), h.NewKey("mallorys")
	pub := func(key string) string {
		t.Helper()
		data, err := os.ReadFile(key + ".pub")
		must(err)
		return string(data)
	}
	write := func(text string) {
		t.Helper()
		must(os.WriteFile(file+".new", []byte(text), 0o600))
		for _, path := range []string{dir, file + ".new"} {
			must(os.Chown(path, int(bob.UID), int(bob.GID)))
		}
		must(os.Rename(file+".new", file))
	}
	with := func(key string, args ...string) host.Result {
		t.Helper()
		return h.Exec("root", []byte{}, "ssh", append(h.SSHArgs(key), args...)...)
	}
	write(pub(laptop) + `from="127.0.0.9",restrict ` + pub(phone) + `expiry-time="20200101",restrict ` + pub(mallorys) + `command="backup" ` + pub(backup))
	h.Run()
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	const ls = "x@127.0.0.1"
	if r := with(laptop, ls, "ls"); r.Code != 0 || !strings.HasPrefix(r.Out, "mwalice/work: 1 windows") {
		t.Errorf("with his laptop bob sees %+v", r)
	}
	if r := with(phone, "-b", "127.0.0.9", ls, "ls"); r.Code != 0 {
		t.Errorf("with his phone from where it may be: %+v", r)
	}
	for key, from := range map[string]string{phone: "127.0.0.21", backup: "127.0.0.22", mallorys: "127.0.0.23"} {
		if r := with(key, "-b", from, ls, "ls"); r.Code != 255 {
			t.Errorf("%s from %s: %+v", filepath.Base(key), from, r)
		}
	}
	x := tmuxtest.Open(t, tmuxtest.TerminalConfig{}, "ssh", append(h.SSHArgs(laptop), "-tt", "mwalice/work@127.0.0.1")...)
	x.WaitFor("[work]")
	write(pub(phone))
	x.ExitCode() // within seconds, without being told
	if r := with(laptop, "-b", "127.0.0.24", ls, "ls"); r.Code != 255 {
		t.Errorf("the laptop's key is gone: %+v", r)
	}
	// A directory that others may write to.
	write(pub(laptop) + pub(mallorys))
	must(os.Chmod(dir, 0o777))
	h.Signal(syscall.SIGHUP)
	tries := 0
	tmuxtest.Eventually(t, func() bool { return strings.Contains(h.Output(), "may be written by others") }, "it is told")
	for _, key := range []string{mallorys, laptop} {
		tries++
		if r := with(key, "-b", "127.0.0."+string(rune('4'+tries))+"0", ls, "ls"); r.Code != 255 {
			t.Errorf("%s: %+v", filepath.Base(key), r)
		}
	}
	must(os.Chmod(dir, 0o700))
	h.Signal(syscall.SIGHUP)
	tmuxtest.Eventually(t, func() bool { return with(laptop, "-b", "127.0.0.9", ls, "ls").Code == 0 }, "it is taken again")
}
