package sockets

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// asServer has this program listen at a path, and tell of each SIGUSR1; it ignores
// them if the path ends in "deaf".
const asServer = "MUXWARD_TEST_SERVER"

func serve(path string) {
	got := make(chan os.Signal, 8)
	if strings.HasSuffix(path, "deaf") {
		signal.Ignore(unix.SIGUSR1)
	} else {
		signal.Notify(got, unix.SIGUSR1)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		os.Exit(1)
	}
	defer l.Close()
	fmt.Println("listening")
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for range got {
		fmt.Println("signalled")
	}
}

// served is a process that runs this program under a name.
func served(t *testing.T, name, socket string) (pid int, says *bufio.Scanner) {
	t.Helper()
	data, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir() + "/" + name
	if err := tmuxtest.WriteProgram(bin, data, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin)
	cmd.Env = append(os.Environ(), asServer+"="+socket)
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil || cmd.Start() != nil {
		t.Fatalf("%v, %v", err1, err2)
	}
	t.Cleanup(func() {
		_ = in.Close() // it ends
		_ = cmd.Wait()
	})
	says = bufio.NewScanner(out)
	if !says.Scan() || says.Text() != "listening" {
		t.Fatalf("%s does not listen", name)
	}
	return cmd.Process.Pid, says
}

// Each thing that is compared with what was found keeps a process from being
// signalled, also alone: when it began, what it runs and is called, whose it is,
// whether it handles the signal, and where it listens.
func TestWhoIsSignalled(t *testing.T) {
	dir := t.TempDir()
	found := func(name, socket string) (*act, *bufio.Scanner) {
		t.Helper()
		pid, says := served(t, name, socket)
		p, ok := newLooker(Options{}).process(pid, namespaces("/proc/self"), nil, true)
		if !ok {
			t.Fatalf("process %d is gone", pid)
		}
		data, err := os.ReadFile("/proc/net/unix")
		if err != nil {
			t.Fatal(err)
		}
		a := &act{do: revive, server: Server{PID: pid, Start: p.start, UID: p.uid, Exe: Path(p.exe), Known: p.known}}
		for _, e := range parseProcUnix(data) {
			if e.name == socket {
				a.bound.Inode = e.inode
			}
		}
		return a, says
	}
	right, says := found("tmux", dir+"/s")
	for name, change := range map[string]func(a *act){
		"start":  func(a *act) { a.server.Start++ },
		"uid":    func(a *act) { a.server.UID++ },
		"exe":    func(a *act) { a.server.Exe += "x" },
		"socket": func(a *act) { a.bound.Inode++ },
	} {
		a := *right
		change(&a)
		if err := a.signal(); !isLeft(err) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	if a, _ := found("sleep", dir+"/other"); !isLeft(a.signal()) {
		t.Error("a program of another name is signalled")
	}
	if a, _ := found("tmux", dir+"/deaf"); !isLeft(a.signal()) {
		t.Error("who does not handle it is signalled")
	}
	// Were another one signalled as well it would say so first.
	if err := right.signal(); err != nil || !says.Scan() || says.Text() != "signalled" {
		t.Errorf("control: %v, %q", err, says.Text())
	}
}

// A signal is handled later where it waits already, or where the control group is
// frozen: neither gets one.
func TestAsleep(t *testing.T) {
	usr1 := "0000000000000200"
	for status, want := range map[string]bool{
		"SigPnd:\t0000000000000000\nShdPnd:\t" + usr1 + "\n": true,
		"SigPnd:\t" + usr1 + "\nShdPnd:\t0000000000000000\n": true,
		"SigPnd:\t0000000000000000\nSigCgt:\t" + usr1 + "\n": false,
		"": false,
	} {
		if got := handles(pendingSignals([]byte(status)), unix.SIGUSR1); got != want {
			t.Errorf("%q: pending %v", status, got)
		}
	}
	root := t.TempDir()
	for path, text := range map[string]string{
		"/a/b/cgroup.events": "populated 1\nfrozen 1\n", "/c/cgroup.events": "populated 1\nfrozen 0\n",
		"/freezer/d/freezer.state": "FROZEN\n", "/freezer/e/freezer.state": "THAWED\n",
	} {
		if err := os.MkdirAll(root+path[:len(path)-len("/cgroup.events")], 0o700); err != nil {
			t.Fatal(err)
		}
		_ = os.MkdirAll(root+"/freezer/d", 0o700)
		_ = os.MkdirAll(root+"/freezer/e", 0o700)
		if err := os.WriteFile(root+path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for groups, want := range map[string]bool{
		"0::/a/b\n": true, "0::/c\n": false, "0::/none\n": false, "": false,
		"5:freezer:/d\n0::/c\n": true, "5:freezer:/e\n": false, "5:cpu:/d\n": false,
	} {
		if got := frozen([]byte(groups), root); got != want {
			t.Errorf("%q: frozen %v", groups, got)
		}
	}
}
