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
// in host.yaml, each in one of its own, and ends them. program is "" for the tmux in PATH. As
// root it is done as nobody, and in a namespace of processes, so that all that the configuration
// has started ends with the server (pid_namespaces(7)); where there can be none, as in some
// containers (tell is told so), or for who is not root, what has left the server's session goes on.
func Tmux(ctx context.Context, program string, files []string, text string, tell func(string)) error {
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
	// What it runs is other people's: whatever that begins may write to home alone, and
	// everything is written here before the first server starts.
	t := &trial{tell: tell, program: program, dir: dir, home: filepath.Join(dir, "home")}
	t.socket = filepath.Join(t.home, "s")
	if err := os.Mkdir(t.home, 0o700); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		t.as = &syscall.Credential{Uid: nobody, Gid: nobody}
		if err := errors.Join(os.Chmod(dir, 0o711), os.Chown(t.home, nobody, nobody)); err != nil {
			return err
		}
	}
	trials, err := t.prepare(files, text)
	if err != nil {
		return err
	}
	for _, one := range trials {
		if err := t.run(ctx, one.copied); err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
	}
	return nil
}

// tried is one file of configuration: what people know it as, and where it is copied to.
type tried struct{ name, copied string }

// prepare writes down all that is tried, where only we can write.
func (t *trial) prepare(files []string, text string) ([]tried, error) {
	var out []tried
	for i, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		one := tried{filepath.Base(file), filepath.Join(t.dir, fmt.Sprint(i)+".conf")}
		if err := t.write(data, one.copied); err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	if text == "" {
		return out, nil
	}
	own := tried{"what host.yaml says under tmux", filepath.Join(t.dir, "host.conf")}
	return append(out, own), t.write([]byte(text), own.copied)
}

// trial is where configuration is tried.
type trial struct {
	tell    func(string)
	alone   bool // no namespace of processes can be had
	program string
	dir     string // ours: the files that are tried
	home    string // theirs who try them
	socket  string
	as      *syscall.Credential
}

func (t *trial) write(data []byte, to string) error {
	err := os.WriteFile(to, data, 0o600)
	if err == nil && t.as != nil { // to be read by them, and no more
		err = errors.Join(os.Chown(to, 0, nobody), os.Chmod(to, 0o640))
	}
	return err
}

func (t *trial) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, t.program, append([]string{"-u", "-S", t.socket}, args...)...)
	cmd.Dir = t.home
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.home, "SHELL=/bin/sh", "TERM=dumb", "LC_ALL=C.UTF-8"}
	// A session of its own: what is run there must not reach the terminal that we run on.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: t.as, Setsid: true}
	cmd.WaitDelay = time.Second // what it started may hold its output
	return cmd
}

func (t *trial) server(ctx context.Context, words *bytes.Buffer) *exec.Cmd {
	cmd := t.command(ctx, "-D", "-f", "/dev/null")
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	cmd.Stdout, cmd.Stderr = words, words
	return cmd
}

// run starts a server in the foreground, so that it ends with us, and has it run a file.
func (t *trial) run(ctx context.Context, file string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var words bytes.Buffer
	server := t.server(ctx, &words)
	apart := t.as != nil && !t.alone
	if apart {
		server.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID
	}
	err := server.Start()
	if apart && noNamespace(err) {
		t.alone = true
		t.tell("no namespace of processes can be had here (" + err.Error() + "): what the configuration of tmux starts may go on behind its trial, as nobody")
		server = t.server(ctx, &words)
		err = server.Start()
	}
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	err = t.source(ctx, file, ended)
	cancel()
	if !errors.Is(err, errServer) {
		<-ended
		return err
	}
	return fmt.Errorf("%w: %s", err, said(words.Bytes()))
}

// noNamespace reports whether clone(2) gives no namespace: it is not permitted, there are as many as
// there may be (user.max_pid_namespaces), or the kernel has none.
func noNamespace(err error) bool {
	return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOSYS)
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
