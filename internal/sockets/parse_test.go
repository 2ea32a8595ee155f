package sockets

import (
	"encoding/binary"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/procfs"
)

// Whatever a name holds, what is shown of it is one line that no terminal acts
// on, and it can be turned back.
func checkShown(t *testing.T, name string) {
	t.Helper()
	shown := Path(name).String()
	if !utf8.ValidString(shown) || strings.ContainsFunc(shown, func(c rune) bool { return !unicode.IsPrint(c) }) {
		t.Errorf("%q is shown as %q", name, shown)
	}
	data, err := json.Marshal(Path(name))
	if err != nil {
		t.Fatal(err)
	}
	var back Path
	if err := json.Unmarshal(data, &back); err != nil || string(back) != name {
		t.Errorf("%q came back from JSON as %q, %v", name, back, err)
	}
}

func TestNamesAreShownHarmless(t *testing.T) {
	for _, name := range []string{
		"/tmp/tmux-1/default", "", "a\nb", "\x1b[2J", "\xff\xfe", "-rf", "$(id)", "\u202etxt", "\u009b2J", `a\nb`, `a"b\"c`,
		"\ufffd", "e\u0301", "\u2028", strings.Repeat("x", 4096),
	} {
		checkShown(t, name)
	}
	if a, b := Path("a\nb").String(), Path(`a\nb`).String(); a == b {
		t.Errorf("two names are shown as %q", a)
	}
}

func FuzzPath(f *testing.F) {
	f.Add("a\nb")
	f.Add("\xff\"\\")
	f.Fuzz(func(t *testing.T, name string) {
		checkShown(t, name)
		if w := Path(name).ShellWord(); strings.ContainsAny(w, "\n\x1b\x00") {
			t.Errorf("the word of %q is %q", name, w)
		}
	})
}

func TestShellWords(t *testing.T) {
	for name, want := range map[string]string{
		"/tmp/a": "/tmp/a", "-rf": "$'-rf'", "a b": "$'a b'", "a'b": `$'a\'b'`, "$(id)": "$'$(id)'", "a\nb": `$'a\012b'`, "": "$''",
	} {
		if got := Path(name).ShellWord(); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

// message makes a message of sock_diag with attributes.
func message(typ, state uint8, inode uint32, attrs ...[]byte) []byte {
	ne := binary.NativeEndian
	body := make([]byte, sizeSocket)
	body[0], body[1], body[2] = unix.AF_UNIX, typ, state
	ne.PutUint32(body[4:], inode)
	for _, a := range attrs {
		body = append(body, a...)
		body = append(body, make([]byte, align(len(a))-len(a))...)
	}
	head := make([]byte, sizeHeader)
	ne.PutUint32(head, uint32(sizeHeader+len(body)))
	ne.PutUint16(head[4:], unix.SOCK_DIAG_BY_FAMILY)
	return append(head, body...)
}

func attr(kind uint16, value ...byte) []byte {
	a := make([]byte, 4)
	binary.NativeEndian.PutUint16(a, uint16(4+len(value)))
	binary.NativeEndian.PutUint16(a[2:], kind)
	return append(a, value...)
}

func words(v ...uint32) []byte {
	var b []byte
	for _, w := range v {
		b = binary.NativeEndian.AppendUint32(b, w)
	}
	return b
}

func TestParseDiag(t *testing.T) {
	data := message(1, stateListen, 77, attr(attrName, []byte("/tmp/x\x00")...), attr(attrFile, words(5, 1<<20|2)...),
		attr(attrQueue, words(3, 128)...), attr(attrUID, words(1001)...))
	data = append(data, message(1, stateEstablished, 78, attr(attrPeer, words(77)...), attr(attrName, 0, 'a'))...)
	list, done, err := parseDiag(nil, data)
	want := []entry{
		{inode: 77, typ: 1, state: stateListen, name: "/tmp/x", hasFile: true, ino: 5, dev: 1<<20 | 2, pending: 3, uid: 1001, hasUID: true},
		{inode: 78, typ: 1, state: stateEstablished, name: "\x00a", peer: 77},
	}
	if err != nil || done || !slices.Equal(list, want) {
		t.Errorf("%+v, %v, %v", list, done, err)
	}
	end := make([]byte, sizeHeader)
	binary.NativeEndian.PutUint32(end, sizeHeader)
	binary.NativeEndian.PutUint16(end[4:], unix.NLMSG_DONE)
	if _, done, err := parseDiag(nil, end); !done || err != nil {
		t.Errorf("the end: %v, %v", done, err)
	}
	failed := append(slices.Clone(end), words(^uint32(11))...) // -12
	binary.NativeEndian.PutUint32(failed, uint32(len(failed)))
	for name, bad := range map[string][]byte{"size 0": make([]byte, 16), "longer than it is": message(1, 1, 1)[:20], "an end that failed": failed} {
		if _, _, err := parseDiag(nil, bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzDiag(f *testing.F) {
	f.Add(message(1, stateListen, 77, attr(attrName, []byte("/tmp/x")...), attr(attrFile, words(5, 6)...)))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, _, _ := parseDiag(nil, data)
		if len(list) > len(data)/sizeHeader {
			t.Errorf("%d sockets in %d bytes", len(list), len(data))
		}
	})
}

func TestParseProcUnix(t *testing.T) {
	data := "Num       RefCount Protocol Flags    Type St Inode Path\n" +
		"0000000000000000: 00000002 00000000 00010000 0001 01 28811 /tmp/tmux-0/a b\n" +
		"0000000000000000: 00000003 00000000 00000000 0001 03 5550\n" +
		"0000000000000000: 00000002 00000000 00010000 0001 01 9 @abstract\n" +
		"rest of a path\n0000000000000000: zz\n"
	want := []entry{
		{inode: 28811, typ: 1, state: stateListen, name: "/tmp/tmux-0/a b"},
		{inode: 5550, typ: 1, state: stateEstablished},
		{inode: 9, typ: 1, state: stateListen, name: "\x00abstract"},
	}
	if got := parseProcUnix([]byte(data)); !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}

func TestParseStatus(t *testing.T) {
	uid, gid, catches := parseStatus([]byte("Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nSigCgt:\t0000000000000200\n"))
	if uid != 2 || gid != 6 || !handles(catches, unix.SIGUSR1) || handles(catches, unix.SIGUSR2) {
		t.Errorf("%d, %x", uid, catches)
	}
	if uid, gid, catches := parseStatus(nil); uid != ^uint32(0) || gid != uid || catches != 0 {
		t.Errorf("of nothing: %d, %x", uid, catches)
	}
}

func TestParseLocks(t *testing.T) {
	got := parseLocks([]byte("1: FLOCK  ADVISORY  WRITE 77 fe:00:123 0 EOF\n1: -> FLOCK  ADVISORY  WRITE 78 fe:00:123 0 EOF\n2: POSIX ADVISORY WRITE 5 fe:00:9 0 EOF\n3: FLOCK\n"))
	id := fileID{unix.Mkdev(0xfe, 0), 123}
	if len(got) != 1 || !slices.Equal(got[id], []int{77}) {
		t.Errorf("%v", got)
	}
}

func FuzzProc(f *testing.F) {
	f.Add([]byte("12 (tmux: server) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242"))
	f.Add([]byte("Uid:\t1\t2\t3\t4\nSigCgt:\t0000000000000200\n"))
	f.Add([]byte("1: FLOCK  ADVISORY  WRITE 77 fe:00:123 0 EOF\n"))
	f.Add([]byte("0: 00000002 00000000 00010000 0001 01 28811 /tmp/x\n"))
	f.Add([]byte("36 35 98:0 /a /b rw - overlay o rw,upperdir=/u\n"))
	f.Add([]byte("TMUX=/tmp/a,1,2\x00GH_TOKEN=x\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = procfs.ParseStat(data)
		_, _, _ = parseStatus(data)
		_ = parseLocks(data)
		_ = parseProcUnix(data)
		m := parseMounts(data)
		_ = m.far("/tmp/tmux-1")
		_, _ = parseACL(data)
		_ = onlyFiles(string(data))
		p := process{program: "tmux"}
		p.environment(data)
		for _, name := range p.secrets {
			if strings.ContainsAny(name, "\x1b\n=") {
				t.Errorf("a name is shown as %q", name)
			}
		}
	})
}

func TestParseMounts(t *testing.T) {
	m := parseMounts([]byte(`22 1 254:0 / / rw shared:1 - ext4 /dev/vda rw
30 22 0:30 / /a\040b rw - nfs4 host:/x rw
31 22 0:31 / /merged rw - overlay overlay rw,lowerdir=/l,upperdir=/layers/up,workdir=/w
32 22 0:32 / /auto rw - autofs x rw
broken
`))
	for path, want := range map[string]string{"/tmp/x": "ext4", "/a b/tmux-1": "nfs4", "/a bc": "ext4", "/auto/x": "autofs", "/auto": "autofs"} {
		if got := m.of(path).fs; got != want {
			t.Errorf("%s is on %s, want %s", path, got, want)
		}
	}
	for path, far := range map[string]bool{"/tmp/tmux-1": false, "/a b/tmux-1": true, "/layers/up/tmp/tmux-1": true, "/layers/upper": false, "/merged/tmp": false} {
		if got := m.far(path); (got != "") != far {
			t.Errorf("%s: %q", path, got)
		}
	}
}

func TestParseACL(t *testing.T) {
	acl := words(aclVersion)
	add := func(tag, perm uint16, id uint32) {
		acl = binary.LittleEndian.AppendUint16(acl, tag)
		acl = binary.LittleEndian.AppendUint16(acl, perm)
		acl = binary.LittleEndian.AppendUint32(acl, id)
	}
	add(1, 7, ^uint32(0))
	add(aclUser, 7, 1001)
	add(aclGroup, 1, 1002)
	add(aclMask, 6, ^uint32(0))
	got, err := parseACL(acl)
	if err != nil || !slices.Equal(got, []string{"user:1001:rw-"}) {
		t.Errorf("%v, %v: what the mask leaves counts", got, err)
	}
	for _, bad := range [][]byte{nil, {1}, words(3), append(words(2), 1)} {
		if _, err := parseACL(bad); err == nil {
			t.Errorf("%v: no error", bad)
		}
	}
}

func TestRecognise(t *testing.T) {
	for _, c := range []struct{ exe, comm, program, known string }{
		{"/usr/bin/tmux", "tmux: server", "tmux", "executable"},
		{"/opt/tmux3.4", "x", "tmux", "executable"},
		{"/opt/tmux-next", "x", "tmux", "executable"},
		{"/usr/bin/tmate", "x", "tmate", "executable"},
		{"/usr/bin/tmuxinator", "ruby", "", ""},
		{"/home/a/mine", "tmux: server", "tmux", "name"},
		{"", "tmux", "tmux", "name"},
		{"/usr/bin/vi", "tmux", "", ""},
		{"/usr/bin/screen", "screen", "", ""},
		{"/usr/bin/muxward", "muxward", "muxward", "executable"},
		{"/usr/libexec/muxward-helper", "muxward-helper", "muxward", "executable"},
		{"/usr/libexec/muxward-pane", "muxward-pane", "", ""},
		{"/home/a/muxward-1.2", "muxward-1.2", "", ""},
		{"", "muxward", "", ""},
	} {
		if program, known := recognise(c.exe, c.comm); program != c.program || known != c.known {
			t.Errorf("%q %q: %q by %q", c.exe, c.comm, program, known)
		}
	}
}

func TestEnvironment(t *testing.T) {
	p := process{program: "tmux"}
	p.environment([]byte("TMUX=/tmp/a,b,12,0\x00TMUX_TMPDIR=/x\x00GH_TOKEN=hush\x00EMPTY_TOKEN=\x00PATH=/bin\x00DB_PASSWORD=hush\x00noequals\x00TMUX_PANE=%1"))
	if p.tmux != "/tmp/a,b" || p.tmpdir != "/x" || !slices.Equal(p.secrets, []string{"DB_PASSWORD", "GH_TOKEN"}) {
		t.Errorf("%+v", p)
	}
	other := process{}
	other.environment([]byte("GH_TOKEN=hush\x00TMUX=/tmp/a"))
	if other.secrets != nil || other.tmux != "" {
		t.Errorf("of no tmux: %+v", other)
	}
}

func TestDirNames(t *testing.T) {
	for name, ok := range map[string]bool{
		"tmux-0": true, "tmate-1000": true, "tmux-4294967295": true, "tmux-4294967296": false, "tmux-": false, "tmux-01": false,
		"tmux-a": false, "tmux-+1": false, "xtmux-1": false, "screen-1": false, "tmux-1\n": false,
	} {
		if _, _, got := dirName(name); got != ok {
			t.Errorf("%q: %v", name, got)
		}
	}
}
