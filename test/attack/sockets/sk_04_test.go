package sockets

import (
	"os"
	"regexp"
	"testing"

	"golang.org/x/sys/unix"
)

// The attacker is a tidy-up that means well: a server lives in a container, in
// another network, process and mount namespace, and its socket lies in a
// directory of the host. The kernel's list that the host sees does not have it.
// It is live for us and is never touched; once it is killed, it is dead. In the
// control run the tidy-up goes by that list, and the socket is lost.
func TestSK04OtherNamespaces(t *testing.T) {
	for _, c := range []struct {
		name  string
		flags uintptr
	}{
		{"network", unix.CLONE_NEWNET},
		{"processes", unix.CLONE_NEWPID},
		{"mounts", unix.CLONE_NEWNS},
		{"container", unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC},
	} {
		t.Run(c.name, func(t *testing.T) {
			z := newCage(t)
			path := z.dir(owner, 0o700) + "/default"
			s := z.server(owner, path, c.flags)
			was := statOf(path)
			for _, who := range []string{root, owner} {
				l := z.scan(who)
				if life := l.life(path); life != "live" || len(l.Findings) > 0 {
					t.Errorf("%s: it is %q, %+v", who, life, l.Findings)
				}
				if r := z.fix(who); r.Code != 0 || statOf(path) != was || !connects(path) {
					t.Fatalf("%s: fix touched it: %+v", who, r)
				}
			}
			s.kill()
			if l := z.scan(root); l.life(path) != "dead" || l.found(path) != "S001" {
				t.Errorf("killed, it is %q with %q", l.life(path), l.found(path))
			}
			if r := z.fix(root); r.Code != 0 || statOf(path) != [3]uint64{} {
				t.Errorf("killed, it was not moved away: %+v", r)
			}
		})
	}
	t.Run("control", func(t *testing.T) {
		z := newCage(t)
		path := z.dir(owner, 0o700) + "/default"
		s := z.server(owner, path, unix.CLONE_NEWNET)
		list, err := os.ReadFile("/proc/net/unix")
		z.must(err)
		if !regexp.MustCompile(` 00010000 .* ` + regexp.QuoteMeta(path)).Match(list) {
			z.must(os.Remove(path))
		}
		if !s.alive() || connects(path) {
			t.Error("who goes by the list loses nothing: this is no test")
		}
	})
}
