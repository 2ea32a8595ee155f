package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// perDir is how many sockets one directory holds: more than any account has.
const perDir = 1000

// yard is a place full of sockets: of each two one is dead. Five of them are named by
// the environment of a process, as in panes.
type yard struct {
	base  string
	live  []*net.UnixListener
	procs []*exec.Cmd
}

func newYard(dir string, sockets int) (*yard, error) {
	y := &yard{base: filepath.Join(dir, fmt.Sprintf("yard%d", sockets))}
	if err := mayOpen(uint64(sockets)); err != nil {
		return y, err
	}
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
			p := exec.Command("sleep", "1000")
			p.Env = []string{"PATH=" + os.Getenv("PATH"), "TMUX=" + path + ",1,0"}
			p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			if err := p.Start(); err != nil {
				return y, err
			}
			y.procs = append(y.procs, p)
		}
	}
	return y, nil
}

func (y *yard) close() {
	for _, p := range y.procs {
		_ = p.Process.Kill()
	}
	for _, p := range y.procs {
		_ = p.Wait()
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
			var out bytes.Buffer
			cmd.Stdout = &out
			begin := time.Now()
			err := cmd.Run()
			took = append(took, time.Since(begin))
			cancel()
			if dead := strings.Count(out.String(), `"id":"MW-S001"`); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 1 || dead != sockets/2 {
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
