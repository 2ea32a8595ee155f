package sockets

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/sockets"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/internal/tmux/wire"
	"github.com/muxward/muxward/test/host"
)

// hostileAt has this program be a server that asks whoever asks it for a file and for
// a program to be run, and writes down what it hears, beside its socket. "silent" it
// says nothing at all.
const hostileAt = "MUXWARD_TEST_HOSTILE"

// hostile is that server. It ends when it is killed.
func hostile(path string) error {
	path, silent := strings.CutPrefix(path, "silent ")
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(path+".heard", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	for {
		nc, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer nc.Close()
			uc := nc.(*net.UnixConn)
			raw, err := uc.SyscallConn()
			if err != nil {
				return
			}
			_ = raw.Control(func(fd uintptr) {
				if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
					fmt.Fprintf(log, "uid %d\n", cred.Uid)
				}
			})
			if silent {
				_, _ = nc.Read(make([]byte, 1<<20))
				select {}
			}
			c := wire.NewServer(uc)
			h, err := c.Accept(context.Background(), nil)
			if err != nil {
				return
			}
			fmt.Fprintf(log, "environment of %d\n", len(h.Env))
			ctx, cancel := context.WithTimeout(context.Background(), host.Patience)
			defer cancel()
			_ = c.WriteMsg(ctx, &wire.ReadOpen{Stream: 1, FD: -1, Path: "/etc/shadow"})
			m, err := c.ReadMsg(ctx)
			switch m := m.(type) {
			case *wire.ReadDone:
				fmt.Fprintf(log, "file: refused %d\n", m.Error)
			default:
				fmt.Fprintf(log, "file: %T, %v\n", m, err)
			}
			_ = c.WriteMsg(ctx, &wire.Exec{Command: "id >" + path + ".ran", Shell: "/bin/sh"})
			_, _ = c.ReadMsg(ctx)
		}()
	}
}

// hostileServer starts one of an account, called tmux.
func (z *cage) hostileServer(who, path string, silent bool) {
	z.t.Helper()
	self, err := os.Executable()
	z.must(err)
	data, err := os.ReadFile(self)
	z.must(err)
	program := z.base + "/tmux"
	if statOf(program) == [3]uint64{} {
		z.must(tmuxtest.WriteProgram(program, data, 0o755))
	}
	cmd := z.account(who).Command(program, "-test.run=^$")
	at := path
	if silent {
		at = "silent " + path
	}
	cmd.Env = append(cmd.Env, hostileAt+"="+at)
	z.must(cmd.Start())
	z.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	tmuxtest.Eventually(z.t, func() bool { return statOf(path+".heard") != [3]uint64{} }, "the server listens at %q", path)
}

// setAll sets at alice's server what is told of. It gives what is told of its version
// alone, and of all.
func setAll(set *server, base string) (of, want string) {
	for _, words := range [][]string{
		{"set-option", "-s", "set-clipboard", "on"},
		{"set-option", "-g", "update-environment", "LANG MY_TOKEN"},
		{"set-option", "-g", "default-command", "TOKEN=hunter3 cat"},
		{"set-option", "-g", "status-right", "#(date)"},
		{"set-hook", "-g", "client-attached", "run-shell 'touch " + base + "/hook'"},
		{"set-environment", "-g", "DB_PASSWORD", "hunter2\nOTHER_SECRET_x9Kq=\"x"},
		{"set-option", "-s", "command-alias[50]", "show-options=run-shell 'touch " + base + "/alias'"},
	} {
		set.tmux(words...)
	}
	// What is told of a version depends on the version.
	v, err := tmux.ParseVersion(strings.TrimSpace(set.tmux("display-message", "-p", "#{version}")))
	set.z.must(err)
	images := strings.TrimSpace(set.tmux("display-message", "-p", "#{sixel_support}"))
	switch {
	case !v.AtLeast(tmux.Version{Major: 3, Minor: 3}):
		of = "S023 "
	case v.AtLeast(tmux.Version{Major: 3, Minor: 4}) && !v.AtLeast(tmux.Version{Major: 3, Minor: 6, Patch: 'b'}) && images != "0":
		of = "S024 "
	}
	want = "S019 " + of + "S026 S027 S028 S029"
	// Before 3.3 there is neither a list of accounts nor that option.
	if _, err := tmuxtest.Output(set.as.Command("tmux", "-S", set.path, "server-access", "-a", viewer)); err == nil {
		set.tmux("set-option", "-p", "-t", "kept", "allow-passthrough", "on")
		want = "S019 S022 " + of + "S025 S026 S027 S028 S029"
	}
	return strings.TrimSpace(of), want
}

// The attacker is asked by root what her server is like. She wants root's rights for
// what her server asks for in turn: a file, a program, the environment. Whoever asks is
// herself by then, gives her no file and runs nothing. Another server of hers never
// answers: what alice's says is told all the same, in time. The control run is alice's
// server, of which all is told that is set there, and that goes on as it was, and somebody
// who asks hers as root and opens what it wants.
func TestSK20Asking(t *testing.T) {
	z := newCage(t)
	dir, hers := z.dir(owner, 0o700), z.dir(stranger, 0o700)
	plain, set := z.server(owner, dir+"/plain", 0), z.server(owner, dir+"/set", 0)
	of, want := setAll(set, z.base)
	z.hostileServer(stranger, hers+"/asks", false)
	z.hostileServer(stranger, hers+"/silent", true)
	host.Build(t, "")
	heard := func() string {
		data, err := os.ReadFile(hers + "/asks.heard")
		z.must(err)
		return string(data)
	}
	refused := fmt.Sprintf("uid %d\nenvironment of 0\nfile: refused 9\n", tmuxtest.As(t, stranger).UID)
	var r host.Result
	var l looked
	tmuxtest.Eventually(t, func() bool { // on a busy machine two seconds may be too short for alice's
		began := time.Now()
		r = z.muxward(root, "scan", "--ask", "--json", "--settle", "1ns", "--only", z.base)
		host.InTime(t, began, 12*time.Second, "a server that never answers is given up")
		l = looked{}
		if err := json.Unmarshal([]byte(r.Out), &l); err != nil {
			t.Fatalf("exit %d, %v\n%s%s", r.Code, err, r.Out, r.Err)
		}
		return l.asked(set.path) != nil && l.asked(plain.path) != nil && strings.Contains(heard(), refused)
	}, "alice's servers answer, and hers is refused a file")
	version, _, _ := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if has := int(version) > 0; l.asked(set.path).Confined != has {
		t.Errorf("the kernel has Landlock: %t; who asks is confined: %t", has, !has)
	}
	if got := l.found(set.path); got != want {
		t.Errorf("of alice's server it tells %q, not %q\n%s", got, want, r.Out)
	}
	if got := l.found(plain.path); got != of {
		t.Errorf("of a plain server it tells %q, not %q", got, of)
	}
	if strings.Contains(r.Out, "hunter2") || strings.Contains(r.Out, "OTHER_SECRET_") || strings.Contains(r.Out, "hunter3") {
		t.Errorf("a value is shown:\n%s", r.Out)
	}
	for _, f := range []string{"/hook", "/alias"} {
		if _, err := os.Lstat(z.base + f); err == nil {
			t.Errorf("asking has run what makes %s", f)
		}
	}
	if strings.Contains(heard(), "uid 0\n") {
		t.Errorf("her server hears %q", heard())
	}
	if _, err := os.Lstat(hers + "/asks.ran"); err == nil {
		t.Error("her program was run")
	}
	for _, path := range []string{hers + "/asks", hers + "/silent"} {
		if !slices.ContainsFunc(l.Scan.Skipped, func(k sockets.Skipped) bool {
			return string(k.Path) == path && strings.Contains(k.Reason, "was not asked")
		}) {
			t.Errorf("nothing is said of %s: %+v", path, l.Scan.Skipped)
		}
	}
	if l.Complete || r.Code == 0 {
		t.Errorf("complete: %t, exit %d", l.Complete, r.Code)
	}
	z.allLive()
	tmuxtest.Eventually(t, func() bool {
		mine := z.scanAsking(owner)
		return len(mine.Findings) > 0 && !slices.ContainsFunc(mine.Scan.Skipped, func(k sockets.Skipped) bool { return !k.Denied })
	}, "alice asks her own servers")
	askCarelessly(t, hers+"/asks")
	tmuxtest.Eventually(t, func() bool { return strings.Contains(heard(), "uid 0\nenvironment of 1\nfile: *wire.") }, "control run: her server has what she wants")
}

// askCarelessly asks a server as root, with an environment, and opens what it wants.
func askCarelessly(t *testing.T, path string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), host.Patience)
	defer cancel()
	c, err := wire.Dial(ctx, path, wire.Unknown)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	files := wire.StdFiles(nil, io.Discard, io.Discard)
	files.OpenRead = func(*wire.ReadOpen) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("a secret")), nil }
	hello := &wire.Hello{Flags: wire.FlagUTF8, PID: int32(os.Getpid()), Cwd: "/", Env: []string{"TOKEN=x"}, Argv: []string{"list-sessions"}}
	_, _ = c.Run(ctx, hello, files) // it ends as her server likes
}

// asked is what the server at a path says of itself, or nil.
func (l looked) asked(path string) *sockets.Asked {
	for _, srv := range l.Scan.Servers {
		for _, b := range srv.Sockets {
			if string(b.Path) == path {
				return srv.Asked
			}
		}
	}
	return nil
}

func (z *cage) scanAsking(who string) looked { return z.scan(who, "--ask") }
