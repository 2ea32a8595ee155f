package hostcheck

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// nobody is the uid and gid that configuration is tried as by root: what it runs has no
// rights then.
const nobody = 65534

// Tmux has tmux servers of its own run each file of configuration, and a text of what is said
// in host.yaml, each in one of its own, and ends them. program is
// "" for the tmux in PATH. As root it is done as nobody.
func Tmux(ctx context.Context, program string, files []string, text string) error {
	if program == "" {
		program = "tmux"
	}
	program, err := exec.LookPath(program)
	if err != nil {
		return fmt.Errorf("there is no tmux to try it with: %w; install it, or say serve: tmux", err)
	}
	dir, err := os.MkdirTemp("", "muxward-tmux-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	t := &trial{program: program, dir: dir, socket: filepath.Join(dir, "s")}
	if os.Geteuid() == 0 {
		t.as = &syscall.Credential{Uid: nobody, Gid: nobody}
		if err := os.Chown(dir, nobody, nobody); err != nil {
			return err
		}
	}
	for i, file := range files {
		copied := filepath.Join(dir, fmt.Sprint(i)+".conf")
		if err := t.copy(file, copied); err != nil {
			return err
		}
		if err := t.run(ctx, copied); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(file), err)
		}
	}
	if text == "" {
		return nil
	}
	own := filepath.Join(dir, "host.conf")
	if err := t.write([]byte(text), own); err != nil {
		return err
	}
	if err := t.run(ctx, own); err != nil {
		return fmt.Errorf("what host.yaml says under tmux: %w", err)
	}
	return nil
}

// trial is where configuration is tried.
type trial struct {
	program, dir, socket string
	as                   *syscall.Credential
}

func (t *trial) copy(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return t.write(data, to)
}

func (t *trial) write(data []byte, to string) error {
	err := os.WriteFile(to, data, 0o600)
	if err == nil && t.as != nil {
		err = os.Chown(to, nobody, nobody)
	}
	return err
}

func (t *trial) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, t.program, append([]string{"-u", "-S", t.socket}, args...)...)
	cmd.Dir = t.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.dir, "SHELL=/bin/sh", "TERM=dumb", "LC_ALL=C.UTF-8"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: t.as}
	cmd.WaitDelay = time.Second // what it started may hold its output
	return cmd
}

// run starts a server in the foreground, so that it ends with us, and has it run a file.
func (t *trial) run(ctx context.Context, file string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server := t.command(ctx, "-D", "-f", "/dev/null")
	server.SysProcAttr.Pdeathsig = syscall.SIGKILL
	var words bytes.Buffer
	server.Stdout, server.Stderr = &words, &words
	if err := server.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	err := t.source(ctx, file, ended)
	cancel()
	if !errors.Is(err, errServer) {
		<-ended
		return err
	}
	return fmt.Errorf("%w: %s", err, said(words.Bytes()))
}

var errServer = errors.New("the tmux server that tries it has ended")

// source waits until the server listens, and has it run the file. What tmux says about it is
// a mistake of the file: its exit code says nothing.
func (t *trial) source(ctx context.Context, file string, ended <-chan error) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if c, err := net.Dial("unix", t.socket); err == nil {
			c.Close()
			break
		}
		select {
		case <-ended:
			return errServer
		case <-ctx.Done():
			return fmt.Errorf("the tmux server that tries it does not listen: %w", ctx.Err())
		case <-tick.C:
		}
	}
	out, err := t.command(ctx, "-N", "source-file", file).CombinedOutput()
	if words := strings.ReplaceAll(said(out), file, "line"); words != "" && !passes(errors.New(words)) {
		return errors.New(words)
	}
	if err != nil && !passes(err) {
		return fmt.Errorf("tmux source-file: %w", err)
	}
	if out, err := t.command(ctx, "-N", "show-options", "-s", "exit-empty").CombinedOutput(); err != nil && !passes(err) {
		return fmt.Errorf("a server that has read it ends: %w: %s", err, said(out))
	}
	return nil
}
