package host

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Directory is a directory service of the tests: a module of the name service switch, which answers as
// files of a directory say. Only programs whose command was changed ask it.
type Directory struct {
	t    testing.TB
	Dir  string
	conf string
	real string
}

// source is the module, from the top of the source.
const source = "test/host/testdata/directory.c"

// NewDirectory builds one, which has nobody. top leads to the top of the source.
func NewDirectory(t testing.TB, top string) *Directory {
	t.Helper()
	gcc, err := exec.LookPath("gcc")
	libs, _ := filepath.Glob("/lib/*/libnss_compat.so.2")
	if err != nil || len(libs) == 0 {
		tmuxtest.Skip(t, "needs gcc and the C library's module compat, whose place another takes")
	}
	tmuxtest.As(t, Alice) // skips where there are no accounts
	d := &Directory{t: t, Dir: tmuxtest.Dir(t, tmuxtest.Account{}), real: libs[0]}
	d.conf = d.Dir + "/nsswitch.conf"
	out, err := exec.CommandContext(t.Context(), gcc, "-shared", "-fPIC", "-w", "-DDIR=\""+d.Dir+"\"", "-o", d.Dir+"/module", filepath.Join(top, source)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	d.Write("nsswitch.conf", "passwd: files compat\ngroup: files compat\n")
	d.Write("asked", "")
	if err := os.Chmod(d.Dir+"/asked", 0o666); err != nil {
		t.Fatal(err)
	}
	return d
}

// Change has a program ask this directory, and all that it starts.
func (d *Directory) Change(cmd *exec.Cmd) {
	if as := cmd.SysProcAttr.Credential; as != nil { // only root can mount
		cmd.SysProcAttr.Credential = nil
		cmd.Args = append([]string{"setpriv", "--clear-groups", "--reuid", fmt.Sprint(as.Uid), "--regid", fmt.Sprint(as.Gid), cmd.Path}, cmd.Args[1:]...)
		cmd.Path = "/usr/bin/setpriv"
	}
	cmd.Args = append([]string{"unshare", "--mount", "sh", "-c", `mount --bind "$1" /etc/nsswitch.conf && mount --bind "$2" "$3" && shift 3 && exec "$@"`,
		"sh", d.conf, d.Dir + "/module", d.real, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/usr/bin/unshare"
}

// Account gives an account with a home, for what the directory says of it: see [Directory.Write].
func (d *Directory) Account(name string, uid uint32) tmuxtest.Account {
	d.t.Helper()
	a := tmuxtest.Account{Name: name, UID: uid, GID: uid}
	a.Home = tmuxtest.Dir(d.t, a)
	return a
}

// Line is an account's line of the file passwd.
func Line(a tmuxtest.Account) string {
	return fmt.Sprintf("%s:x:%d:%d:of the directory:%s:/bin/sh\n", a.Name, a.UID, a.GID, a.Home)
}

// TmuxAs runs the stock tmux client of an account that only a directory has, through muxward.
func (h *Host) TmuxAs(a tmuxtest.Account, args ...string) Result {
	h.t.Helper()
	cmd := a.Command("tmux", args...)
	cmd.Env = a.Env("TMUX_TMPDIR="+h.Doors, "MUXWARD_STATE="+h.State, "TERM=xterm-256color")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &errs, Patience
	ended := time.AfterFunc(Patience, func() { _ = cmd.Process.Kill() }) // it has begun by then
	err := cmd.Run()
	var exit *exec.ExitError
	if !ended.Stop() || err != nil && !errors.As(err, &exit) {
		h.t.Fatalf("%s: tmux %q: %v; muxward says:\n%s", a.Name, args, err, h.Output())
	}
	return Result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// Write writes one of its files: passwd and group, or how it misbehaves.
func (d *Directory) Write(name, text string) {
	d.t.Helper()
	tmp := filepath.Join(d.Dir, "new-"+name)
	if err := os.WriteFile(tmp, []byte(text), 0o644); err != nil {
		d.t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(d.Dir, name)); err != nil {
		d.t.Fatal(err)
	}
}

// Remove removes one of them.
func (d *Directory) Remove(name string) {
	d.t.Helper()
	if err := os.Remove(filepath.Join(d.Dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.t.Fatal(err)
	}
}

// Asked gives what it was asked, a line for each question.
func (d *Directory) Asked() string {
	d.t.Helper()
	text, err := os.ReadFile(filepath.Join(d.Dir, "asked"))
	if err != nil {
		d.t.Fatal(err)
	}
	return string(text)
}
