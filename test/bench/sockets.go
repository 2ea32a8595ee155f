package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// perDir is how many sockets one directory holds: more than any account has.
const perDir = 1000

// perShell is how many processes one shell starts.
const perShell = 100

// yard is a place full of sockets: of each two one is dead. Five of them are named by
// the environment of a process, as in panes.
type yard struct {
	base   string
	live   []*net.UnixListener
	shells []*exec.Cmd
}

func newYard(dir string, sockets int) (*yard, error) {
	y := &yard{base: filepath.Join(dir, fmt.Sprintf("yard%d", sockets))}
	if err := mayOpen(uint64(sockets)); err != nil {
		return y, err
	}
	var named []string
	for i := range sockets {
		in := fmt.Sprintf("%s/%d/tmux-%d", y.base, i/perDir, os.Geteuid())
		if i%perDir == 0 {
			if err := os.MkdirAll(in, 0o700); err != nil {
				return y, err
			}
		}
		path := fmt.Sprintf("%s/s%d", in, i)
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			return y, err
		}
		if err := os.Chmod(path, 0o600); err != nil {
			return y, err
		}
		l.SetUnlinkOnClose(false)
		if i%2 == 0 {
			y.live = append(y.live, l)
		} else if err := l.Close(); err != nil {
			return y, err
		}
		if i%5 == 0 {
			named = append(named, path)
		}
	}
	return y, y.people(named)
}

// people starts a process for each of the paths, which has it in its environment. Shells
// start them: who holds the sockets holds nothing of them.
func (y *yard) people(named []string) error {
	for some := range slices.Chunk(named, perShell) {
		sh := exec.Command("sh", append([]string{"-c", `for path; do TMUX=$path,1,0 sleep 1000 & done; echo; wait`, "sh"}, some...)...)
		sh.Env = []string{"PATH=" + os.Getenv("PATH")}
		sh.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		out, err := sh.StdoutPipe()
		if err == nil {
			err = sh.Start()
		}
		if err != nil {
			return err
		}
		y.shells = append(y.shells, sh)
		if _, err := out.Read(make([]byte, 1)); err != nil {
			return fmt.Errorf("a shell does not start its processes: %w", err)
		}
	}
	return nil
}

func (y *yard) close() {
	for _, sh := range y.shells {
		_ = syscall.Kill(-sh.Process.Pid, syscall.SIGKILL) // with what it has started
		_ = sh.Wait()
	}
	for _, l := range y.live {
		_ = l.Close()
	}
	_ = os.RemoveAll(y.base)
}

// mayOpen raises the limit of open files as far as n sockets need.
func mayOpen(n uint64) error {
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		return err
	}
	if lim.Cur >= n+100 {
		return nil
	}
	lim.Cur = n + 100
	lim.Max = max(lim.Max, lim.Cur)
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lim)
}

// dirs are the flags that have muxward look in the yard.
func (y *yard) dirs() (flags []string, err error) {
	flags = []string{"--only", y.base, "--settle", "1ns"}
	all, err := os.ReadDir(y.base)
	for _, d := range all {
		flags = append(flags, "--dir", filepath.Join(y.base, d.Name()))
	}
	return flags, err
}

// scan measures `muxward sockets scan` of so many sockets, and a fifth as many
// processes beside those of this machine: the whole command, what it keeps processors
// busy, and the memory of the larger one of its two processes.
func scan(sockets int) func(*bed, int) (string, error) {
	return func(b *bed, n int) (string, error) {
		y, err := newYard(b.dir, sockets)
		defer y.close()
		if err != nil {
			return "", err
		}
		flags, err := y.dirs()
		if err != nil {
			return "", err
		}
		var took, busy series
		var rss int64
		for range n {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			cmd := exec.CommandContext(ctx, b.bin, append([]string{"sockets", "scan", "--json"}, flags...)...)
			// A file of its own, that goes before it is on the disk: to write over the one
			// before has some file systems write that out meanwhile, which is not the scan.
			out, err := os.CreateTemp(b.dir, "scanned")
			if err != nil {
				cancel()
				return "", err
			}
			cmd.Stdout = out
			begin := time.Now()
			err = cmd.Run()
			took = append(took, time.Since(begin))
			cancel()
			_ = out.Close()
			said, _ := os.ReadFile(out.Name()) // it is looked at next
			_ = os.Remove(out.Name())
			if dead := bytes.Count(said, []byte(`"id":"MW-S001"`)); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 1 || dead != sockets/2 {
				return "", fmt.Errorf("of %d dead sockets it finds %d: %v", sockets/2, dead, err)
			}
			if use, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
				rss = max(rss, use.Maxrss)
				busy = append(busy, time.Duration(use.Utime.Nano()+use.Stime.Nano()))
			}
		}
		return fmt.Sprintf("p50 %s  max %s  processor %s  %d MiB", short(took.at(.5)), short(took.at(1)), short(busy.at(.5)), rss>>10), nil
	}
}
