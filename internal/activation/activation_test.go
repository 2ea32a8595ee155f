package activation

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// filer is what has a descriptor.
type filer interface{ File() (*os.File, error) }

func fileOf(t *testing.T, f filer) *os.File {
	t.Helper()
	file, err := f.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}

func listen(t *testing.T, network, at string) *net.TCPListener {
	t.Helper()
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // as Go does by itself, and systemd does not
	l, err := lc.Listen(context.Background(), network, at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	tcp, _ := l.(*net.TCPListener)
	return tcp
}

// This program is started again as a service manager starts one, and prints what it takes.
func TestMain(m *testing.M) {
	if os.Getenv("MUXWARD_TEST_TAKES") == "" {
		os.Exit(m.Run())
	}
	sockets, err := Take()
	for _, s := range sockets {
		flags, ferr := unix.FcntlInt(s.File.Fd(), unix.F_GETFD, 0)
		fmt.Println(s.Addr, flags&unix.FD_CLOEXEC != 0, ferr)
	}
	for _, kv := range os.Environ() {
		if strings.HasPrefix(kv, "LISTEN_") {
			fmt.Println("left:", kv)
		}
	}
	if err != nil {
		fmt.Println("refused:", err)
	}
	os.Exit(0)
}

// takes is what such a program prints.
func takes(t *testing.T, env string, files ...*os.File) string {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", env+`; exec "$0"`, os.Args[0])
	cmd.Env = append(os.Environ(), "MUXWARD_TEST_TAKES=1", "LISTEN_PIDFDID=7")
	cmd.ExtraFiles = files
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

const asSystemd = `export LISTEN_PID=$$ LISTEN_FDNAMES=muxward.socket LISTEN_FDS=`

// Sockets that listen come out with their addresses, closed to programs; the variables go.
func TestTake(t *testing.T) {
	four, six := listen(t, "tcp4", "127.0.0.1:0"), fileOf(t, listen(t, "tcp4", "127.0.0.2:0"))
	want := four.Addr().String() + " true <nil>\n"
	if got := takes(t, asSystemd+"1", fileOf(t, four)); got != want {
		t.Errorf("one: %q, want %q", got, want)
	}
	if got := takes(t, asSystemd+"2", fileOf(t, four), six); !strings.HasPrefix(got, want) || strings.Count(got, " true <nil>\n") != 2 {
		t.Errorf("two: %q", got)
	}
	if probe, err := net.Listen("tcp6", "[::1]:0"); err == nil { // there is IPv6
		_ = probe.Close()
		l := listen(t, "tcp6", "[::1]:0")
		if got := takes(t, asSystemd+"1", fileOf(t, l)); got != l.Addr().String()+" true <nil>\n" {
			t.Errorf("of IPv6: %q", got)
		}
	}
	for _, env := range []string{":", asSystemd + "0", asSystemd, "export LISTEN_FDS=1", "export LISTEN_PID=1 LISTEN_FDS=1", "export LISTEN_PID=x LISTEN_FDS=1"} {
		if got := takes(t, env, fileOf(t, four)); got != "" {
			t.Errorf("%q is for nobody, or another: %q", env, got)
		}
	}
}

// Whatever else is passed is refused, with what to do.
func TestRefused(t *testing.T) {
	good := listen(t, "tcp4", "127.0.0.1:0")
	unixListener, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer unixListener.Close()
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	conn, err := net.Dial("tcp", good.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	cases := []struct {
		name, env, want string
		file            *os.File
	}{
		{"a file", asSystemd + "1", "ListenStream= alone", null},
		{"a unix socket", asSystemd + "1", "ListenStream=PORT", fileOf(t, unixListener)},
		{"udp", asSystemd + "1", "no stream socket", fileOf(t, udp)},
		{"a connection", asSystemd + "1", "Accept=no", fileOf(t, conn.(*net.TCPConn))},
		{"more than there are", asSystemd + "2", "descriptor 4", fileOf(t, good)},
		{"no number", asSystemd + "one", "LISTEN_FDS", fileOf(t, good)},
		{"a negative number", asSystemd + "-1", "LISTEN_FDS", fileOf(t, good)},
		{"too many", asSystemd + "17", "at most 16", fileOf(t, good)},
	}
	lc := net.ListenConfig{}
	lc.SetMultipathTCP(true)
	if l, err := lc.Listen(context.Background(), "tcp4", "127.0.0.1:0"); err == nil {
		defer l.Close()
		f := fileOf(t, l.(*net.TCPListener))
		if p, err := unix.GetsockoptInt(int(f.Fd()), unix.SOL_SOCKET, unix.SO_PROTOCOL); err == nil && p != unix.IPPROTO_TCP { // the kernel has it
			cases = append(cases, struct {
				name, env, want string
				file            *os.File
			}{"mptcp", asSystemd + "1", "SocketProtocol=", f})
		}
	}
	for _, c := range cases {
		if got := takes(t, c.env, c.file); !strings.HasPrefix(got, "refused: ") || !strings.Contains(got, c.want) || strings.Contains(got, "left:") {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// What the configuration says has to be one of the sockets.
func TestAgree(t *testing.T) {
	for _, c := range []struct{ listen, passed, want string }{
		{"", "[::]:22", "[::]:22"},
		{":22", "[::]:22", ":22"},
		{":22", "0.0.0.0:22", ":22"},
		{":ssh", "[::]:22", ":ssh"},
		{"127.0.0.1:22", "127.0.0.1:22", "127.0.0.1:22"},
		{"[::ffff:127.0.0.1]:22", "127.0.0.1:22", "[::ffff:127.0.0.1]:22"},
		{"[fe80::1%lo]:22", "[fe80::1]:22", "[fe80::1%lo]:22"},
		{"192.0.2.2:22", "192.0.2.2:22", "192.0.2.2:22"},
		{"127.0.0.1:22", "[::]:22", ""}, // it would be open to all
		{"0.0.0.0:22", "[::]:22", ""},
		{":22", "127.0.0.1:22", ""},
		{":2222", "[::]:22", ""},
		{":0", "[::]:22", ""},
		{"localhost:22", "127.0.0.1:22", ""},
		{"22", "[::]:22", ""},
	} {
		other := Socket{Addr: netip.MustParseAddrPort("127.0.0.9:9")}
		sockets := []Socket{other, {Addr: netip.MustParseAddrPort(c.passed)}}
		if c.listen == "" {
			sockets = sockets[1:]
		}
		got, err := Agree(c.listen, sockets)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q and %s: %q, %v", c.listen, c.passed, got, err)
		}
		if err == nil && sockets[0].Addr.String() != c.passed {
			t.Errorf("%q: %s comes first", c.listen, sockets[0].Addr)
		}
		if err != nil && (!strings.Contains(err.Error(), c.passed) || !strings.Contains(err.Error(), fmt.Sprintf("%q", c.listen))) {
			t.Errorf("it does not say both: %v", err)
		}
	}
}

// None of the sockets is open to more than what the configuration says; what is agreed on once
// is agreed on again, as beside a helper.
func TestAgreeWider(t *testing.T) {
	for _, c := range []struct{ listen, passed, want string }{
		{"127.0.0.1:22", "[::]:2222 127.0.0.1:22", ""}, // ListenStream= was forgotten
		{"127.0.0.1:22", "127.0.0.1:22 0.0.0.0:22", ""},
		{"127.0.0.1:22", "127.0.0.1:22 [::ffff:0.0.0.0]:22", ""},
		{"127.0.0.1:22", "127.0.0.1:22 192.0.2.1:22", ""},
		{"192.0.2.1:22", "192.0.2.1:22 [::]:2222", ""},
		{"192.0.2.1:22", "127.0.0.1:9 192.0.2.1:22 192.0.2.2:9", "192.0.2.1:22"},
		{"127.0.0.1:22", "[::1]:22 127.0.0.1:22", "127.0.0.1:22"},
		{":22", "0.0.0.0:22 [::]:2222 192.0.2.1:9", ":22"},
		{"", "127.0.0.1:22 192.0.2.1:9 [::]:2222", "[::]:2222"},
		{"", "127.0.0.1:22 192.0.2.1:9", "192.0.2.1:9"},
		{"", "127.0.0.1:22 127.0.0.2:9", "127.0.0.1:22"},
	} {
		var sockets []Socket
		for at := range strings.FieldsSeq(c.passed) {
			sockets = append(sockets, Socket{Addr: netip.MustParseAddrPort(at)})
		}
		got, err := Agree(c.listen, sockets)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q and %s: %q, %v", c.listen, c.passed, got, err)
			continue
		}
		if err != nil {
			continue
		}
		if again, err := Agree(got, sockets); again != got || err != nil {
			t.Errorf("%q and %s: once more it is %q, %v", c.listen, c.passed, again, err)
		}
	}
}
