package sockets

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// A socket may be in use elsewhere by where it is, not by the path that led to it.
func TestFarByPlace(t *testing.T) {
	base, dir := place(t)
	if err := bind(t, dir+"/s").Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, base+"/link"); err != nil {
		t.Fatal(err)
	}
	for far, want := range map[string]Life{dir: Unknown, base: Unknown, base + "/link": Dead, base + "/other": Dead} {
		l := newLooker(Options{Settle: 1, Far: []string{far}})
		if err := l.readMounts(); err != nil {
			t.Fatal(err)
		}
		l.list, l.now = newKernelList(fromDiag, nil), l.now.AddDate(1, 0, 0)
		var got []seen
		l.lone(base+"/link/s", uint32(os.Geteuid()), func(s seen) bool { got = append(got, s); return true })
		if len(got) != 1 || got[0].sock == nil || got[0].sock.Life != want {
			t.Errorf("far %s: %+v", far, got)
		}
	}
}

// Layers of containers are found whatever is in their names, and those that are
// named from a directory that nobody tells, too.
func TestLayers(t *testing.T) {
	line := func(upper string) string {
		return "30 1 0:30 / /c rw - overlay overlay rw,lowerdir=/l,upperdir=" + upper + ",workdir=/w\n"
	}
	all := parseMounts([]byte("20 1 8:1 / / rw - ext4 /dev/x rw\n" + line(`/a\054b`) + line("id/diff")))
	for dir, want := range map[string]bool{"/a,b/tmp": true, "/a": false, "/var/id/diff/tmp": true, "/var/id": false, "/tmp": false} {
		if why := all.far(dir); (why != "") != want {
			t.Errorf("%s: %q", dir, why)
		}
	}
}

func TestParseExports(t *testing.T) {
	text := strings.Join([]string{"# Version 1.1", "/srv/x\t*(rw,root_squash)", `/a\040b 10.0.0.1(ro)`, "", "\t"}, "\n")
	if got := parseExports([]byte(text)); !slices.Equal(got, []string{"/srv/x", "/a b"}) {
		t.Errorf("%q", got)
	}
}
