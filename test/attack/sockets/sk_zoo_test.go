package sockets

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// renamed is a program of this host under another name.
func (z *cage) renamed(program, name string) string {
	z.t.Helper()
	to := z.base + "/" + name
	if statOf(to) != [3]uint64{} {
		return to
	}
	from, err := exec.LookPath(program)
	z.must(err)
	data, err := os.ReadFile(from)
	z.must(err)
	z.must(os.WriteFile(to, data, 0o755))
	return to
}

// Five accounts have everything at once that muxward mends, beside what is in
// order: root's tidy-up of the whole host finds exactly what is wrong, mends all
// of it, and a second look finds nothing. Every server lives, with its sessions,
// at its path. The control runs are those of SK-04 to SK-14.
func TestSKZoo(t *testing.T) {
	z := newCage(t)
	var want []string
	wrong := func(id, path string) { want = append(want, "MW-"+id+" "+path) }
	for _, who := range []string{owner, viewer, typist, stranger, root} {
		dir := z.dir(who, 0o700)
		live := z.server(who, dir+"/live", 0)
		z.server(who, dir+"/net", unix.CLONE_NEWNET)
		attached := z.server(who, dir+"/attached", 0)
		z.must(os.Chmod(attached.path, 0o770))
		gone := z.server(who, dir+"/gone", 0)
		z.must(os.Remove(gone.path))
		wrong("S002", gone.path)
		killed := z.server(who, dir+"/killed", 0)
		killed.kill()
		z.servers = slices.DeleteFunc(z.servers, func(s *server) bool { return s == killed })
		wrong("S001", killed.path)
		for i, n := range []string{"x\ny", "-rf", "\x1b[31m", "long" + strings.Repeat("x", 120)} {
			wrong("S001", z.socket(fmt.Sprintf("%s/%d%s", dir, i, n), who, 0o660))
		}
		z.program = z.renamed("tmux", "tmux-next")
		z.server(who, dir+"/next", 0)
		z.program = ""
		fork := fmt.Sprintf("%s/tmate-%d", z.base, live.as.UID)
		z.must(os.Mkdir(fork, 0o700))
		z.must(os.Chown(fork, int(live.as.UID), int(live.as.GID)))
		wrong("S001", z.socket(fork+"/dead", who, 0o600))
		z.listening(dir+"/agent", who, 0o600)
		z.file(dir+"/live.lock", who)
		switch who {
		case viewer:
			z.must(os.Chmod(dir, 0o750))
			wrong("S005", dir)
			wrong("S004", attached.path) // the others' sockets have mode 0600
		case typist:
			z.acl(dir, live.as.UID+1, 1)
			wrong("S005", dir)
			z.acl(live.path, live.as.UID+1, 6)
			wrong("S004", live.path)
			wrong("S004", attached.path) // the ACL lets its account pass, whose group may connect
		}
	}
	slices.Sort(want)
	told := func() []string {
		var out []string
		for _, f := range z.scan(root).Findings {
			out = append(out, f.ID+" "+string(f.Path))
		}
		slices.Sort(out)
		return out
	}
	if got := told(); !slices.Equal(got, want) {
		t.Fatalf("found\n%q\nwant\n%q", got, want)
	}
	if r := z.fix(root); r.Code != 0 {
		t.Errorf("fix: %+v", r)
	}
	if got := told(); len(got) > 0 {
		t.Errorf("after fix there is %q", got)
	}
	if r := z.fix(root); r.Code != 0 || !strings.Contains(r.Out, "nothing that muxward would mend") {
		t.Errorf("a second fix does something: %+v", r)
	}
	z.allLive()
	for _, s := range z.servers {
		if !connects(s.path) {
			t.Errorf("%s is out of reach", s.path)
		}
	}
	t.Logf("%d things were wrong, %d servers live", len(want), len(z.servers))
}
