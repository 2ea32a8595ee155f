package sockets

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// The attacker has root believe of a path here what is so of it in her own mount
// namespace: that others may replace what is in it. Nothing is said of it. In the
// control run a link leads to a directory of this host that is so, and root is told.
func TestSK17OtherMounts(t *testing.T) {
	z := newCage(t)
	dir := z.dir(owner, 0o700)
	z.must(os.Mkdir(z.base+"/links", 0o755))
	script := `mount -t tmpfs -o mode=0777 none "$1" && mkdir -m 700 "$2" && chown "$3" "$2" && echo ready && exec cat`
	cmd := tmuxtest.Account{}.Command("unshare", "-m", "sh", "-c", script, "sh", z.base, dir, fmt.Sprint(tmuxtest.As(t, owner).UID))
	in, err := cmd.StdinPipe()
	z.must(err)
	out, err := cmd.StdoutPipe()
	z.must(err)
	z.must(cmd.Start())
	defer func() {
		_ = in.Close() // cat ends
		_ = cmd.Wait()
	}()
	if n, err := out.Read(make([]byte, 10)); n == 0 {
		tmuxtest.Skip(t, "needs a mount namespace: %v", err)
	}
	hers := fmt.Sprintf("/proc/%d/root%s", cmd.Process.Pid, z.base)
	if st, err := os.Stat(hers); err != nil || st.Mode().Perm() != 0o777 {
		t.Fatalf("%s is %v, %v: this is no test", hers, st.Mode(), err)
	}
	link := z.base + "/links/l"
	z.must(os.Symlink(hers, link))
	for _, way := range []string{link, hers} {
		if l := z.scan(root, "--dir", way); len(l.Findings) > 0 {
			t.Errorf("by %s: %+v", way, l.Findings)
		}
	}
	z.must(os.Chmod(z.base, 0o777))
	if l := z.scan(root, "--dir", link); l.found(dir) != "S006" {
		t.Errorf("control run: %+v", l.Findings)
	}
}

// The attacker runs a server in another root directory, where the path of its socket
// is another one, so that root gives advice about, or mends, what is here. Nothing is
// said of the path. In the control run it is in this root directory.
func TestSK17OtherRoot(t *testing.T) {
	for _, other := range []bool{true, false} {
		z := newCage(t)
		if other {
			z.root = tmuxtest.Dir(t, tmuxtest.Account{})
			z.must(unix.Mount("/", z.root, "", unix.MS_BIND|unix.MS_REC, ""))
			t.Cleanup(func() { _ = unix.Unmount(z.root, unix.MNT_DETACH) })
		}
		s := z.server(owner, z.dir(owner, 0o700)+"/s", 0)
		z.must(os.Remove(s.path))
		if got := z.scan(root).found(s.path); strings.Contains(got, "S002") == other {
			t.Errorf("in another root %v: found %q", other, got)
		}
	}
}
