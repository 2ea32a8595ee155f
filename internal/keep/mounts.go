package keep

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// mount is what we use of a line of /proc/self/mountinfo (proc(5)).
type mount struct {
	dev   string // major:minor
	root  string // what of the file system is mounted
	point string
}

// parseMounts reads mountinfo; lines that are none are passed over.
func parseMounts(data []byte) []mount {
	var out []mount
	for line := range lines(data) {
		f := strings.Fields(line)
		if len(f) >= 7 {
			out = append(out, mount{f[2], unescapeMount(f[3]), unescapeMount(f[4])})
		}
	}
	return out
}

// unescapeMount undoes \ooo, which stands for blanks and backslashes.
func unescapeMount(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

func under(path, dir string) bool {
	return path == dir || dir == "/" || strings.HasPrefix(path, dir+"/")
}

// otherMounts finds the mounts that show dir, or something in it, at another
// place. dev is the device dir is on.
func otherMounts(mounts []mount, dev, dir string) []mount {
	var home mount
	for _, m := range mounts {
		if m.dev == dev && under(dir, m.point) && len(m.point) >= len(home.point) {
			home = m
		}
	}
	if home.point == "" {
		return nil
	}
	inFS := strings.TrimSuffix(home.root, "/") + "/" + strings.TrimPrefix(strings.TrimPrefix(dir, home.point), "/")
	var out []mount
	for _, m := range mounts {
		if m.dev == dev && m != home && under(m.root, inFS) {
			out = append(out, m)
		}
	}
	return out
}

// checkMounts tells of mounts that lead around a server's directory.
func (k *Keep) checkMounts() {
	st, err := statFile(k.servers)
	data, err2 := os.ReadFile("/proc/self/mountinfo")
	if err != nil || err2 != nil {
		return
	}
	dev := fmt.Sprintf("%d:%d", unix.Major(uint64(st.Dev)), unix.Minor(uint64(st.Dev)))
	now := map[string]bool{}
	for _, m := range otherMounts(parseMounts(data), dev, k.opt.Run+"/servers") {
		key := fmt.Sprintf("%s is mounted at %s too", m.root, m.point)
		now[key] = true
		if !k.mounts[key] {
			k.tell(LevelAlarm, nil, key+": a way to guarded sockets around their directory; unmount it")
		}
	}
	k.mounts = now
}
