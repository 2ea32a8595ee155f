package attack

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// apart gives a host of its own to what is run in it: a root directory, processes, and a network.
const apart = `set -e
mount --make-rprivate /
for d in usr bin sbin lib lib64; do
	if [ -L /$d ]; then cp -a /$d "$1/$d"; elif [ -d /$d ]; then mkdir "$1/$d"; mount --bind /$d "$1/$d"; fi
done
for f in null zero urandom tty; do : > "$1/dev/$f"; mount --bind /dev/$f "$1/dev/$f"; done
mount -t proc proc "$1/proc"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$1/dev/pts"
ln -s pts/ptmx "$1/dev/ptmx"
exec chroot "$1" /bin/sh /try
`

// elsewhere is what happens in there. Each line that it prints is looked for.
const elsewhere = `set -u
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
alice() { setpriv --reuid=1000 --regid=1000 --clear-groups "$@"; }
host() { what=$1; shift; /opt/muxward host "$what" /hosts --host any "$@" 2>&1; echo "$what ends with $?"; }
host apply
echo "== quiet"; host plan
mkdir /tmp/tmux-1000 && chown 1000:1000 /tmp/tmux-1000 && chmod 0700 /tmp/tmux-1000
alice tmux -S /tmp/tmux-1000/work -f /dev/null new-session -d -s work cat
chmod 0777 /tmp/tmux-1000; chmod 0666 /tmp/tmux-1000/work
nobody touch /tmp/tmux-1000/planted && echo "nobody has written there"; nobody rm -f /tmp/tmux-1000/planted
ln -s /root /tmp/tmux-1001
before=$(alice tmux -S /tmp/tmux-1000/work display-message -p '#{pid} #{pane_pid}')
echo "== drift"; host plan
echo "== verify"; host verify --state /var/lib/muxward
echo "== apply"; host apply
nobody touch /tmp/tmux-1000/planted || echo "nobody is kept out"
[ "$(stat -c %a /tmp/tmux-1000 /tmp/tmux-1000/work /root | tr '\n' ' ')" = "700 600 755 " ] && echo "modes are right"
[ "$before" = "$(alice tmux -S /tmp/tmux-1000/work display-message -p '#{pid} #{pane_pid}')" ] && echo "the session lives"
echo "== again"; host plan; host apply
echo "== proved"; host verify --state /var/lib/muxward
echo "== elsewhere"; mkdir -m 0777 /srv
alice tmux -S /srv/pair -f /dev/null new-session -d -s pair cat
chmod 0666 /srv/pair; chmod 0755 /srv
host plan; host apply; host verify --state /var/lib/muxward
echo "== nobody"
nobody /opt/muxward host verify /hosts --host any --state /var/lib/muxward 2>&1
alice tmux -S /srv/pair kill-server
alice tmux -S /tmp/tmux-1000/work kill-server
exit 0
`

// Somebody opens a directory of tmux's sockets beside muxward's doors, and the socket of a live
// session in it, for everybody: it lies outside of all that the files of the host name, so that
// they hope that nobody looks there; and a symlink has a directory of root's taken for one. plan shows
// what is open, verify does not hold, apply closes it, ends no session and follows no link, and then
// plan and verify have nothing. A socket that tmux was given elsewhere, which is for people to close,
// stays a difference, and is not proved. The control run is the time before the apply: nobody writes there.
func TestHostSockets(t *testing.T) {
	t.Parallel()
	tmuxtest.As(t, stranger) // it takes root
	root := t.TempDir()
	bin := host.Build(t, "")
	run := func(name string, args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	for _, dir := range []string{"dev/pts", "proc", "tmp", "root", "etc", "opt", "run", "var/lib"} {
		run("mkdir", "-p", "-m", "0755", root+"/"+dir)
	}
	run("chmod", "0755", root, root+"/dev", root+"/var")
	run("chmod", "1777", root+"/tmp")
	run("cp", bin, root+"/opt/muxward")
	run(bin, "host", "init", root+"/hosts", "--me", "alice")
	for name, text := range map[string]string{
		"/try": elsewhere, "/etc/passwd": "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/tmp:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n",
		"/etc/group": "root:x:0:\nalice:x:1000:\nnogroup:x:65534:\n",
	} {
		if err := os.WriteFile(root+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out := run("unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "sh", "-c", apart, "sh", root)
	parts := map[string]string{}
	for _, part := range strings.Split("== first\n"+out, "== ")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		parts[name] = text
	}
	for _, c := range []struct{ in, want string }{
		{"first", "apply ends with 0"},
		{"quiet", "plan ends with 0"},
		{"quiet", "nobody has written there"}, // the control run
		{"drift", "MW-S005 mend /tmp/tmux-1000"},
		{"drift", "MW-S004 mend /tmp/tmux-1000/work"},
		{"drift", "of sockets 2 to mend, 0 for people"},
		{"drift", "plan ends with 2"},
		{"verify", "MW-V070 broken"},
		{"apply", "apply ends with 0"},
		{"apply", "nobody is kept out"},
		{"apply", "modes are right"},
		{"apply", "the session lives"},
		{"again", "plan ends with 0"},
		{"again", "nothing to do"},
		{"again", "apply ends with 0"},
		{"proved", "MW-V070 holds"},
		{"elsewhere", "MW-S004 blocked /srv/pair"},
		{"elsewhere", "of sockets 0 to mend, 1 for people"},
		{"elsewhere", "plan ends with 2"},
		{"elsewhere", "1 are for people to mend"},
		{"elsewhere", "apply ends with 1"},
		{"elsewhere", "MW-V070 broken"},
		{"nobody", "MW-V070 unknown"},
	} {
		if !strings.Contains(parts[c.in], c.want) {
			t.Errorf("%s: there is no %q in\n%s", c.in, c.want, parts[c.in])
		}
	}
	if strings.Contains(parts["nobody"], "MW-V070 holds") {
		t.Errorf("somebody who does not see all proves it:\n%s", parts["nobody"])
	}
	if strings.Contains(parts["drift"], "mend /tmp/tmux-1001") || strings.Contains(parts["drift"], "mend /root") {
		t.Errorf("it would follow a symlink:\n%s", parts["drift"])
	}
}
