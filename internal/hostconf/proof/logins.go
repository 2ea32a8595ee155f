package proof

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/muxward/muxward/internal/identity"
)

// errNotHere is the error of a login of a kind that this host does not have.
var errNotHere = errors.New("is not for this host")

// told is what a login is asked for.
const told = `printf 'TMUX_TMPDIR=<%s>' "$TMUX_TMPDIR"`

// login is one kind of login, and how an account is asked by one what it has in its environment.
type login struct {
	id, title string
	ask       func(ctx context.Context, a identity.Account) (string, error)
}

// kinds are the logins that the files ask for. All but the first are as any other for PAM, which logs
// them.
func (d Doors) kinds() (out []login) {
	if d.Profile {
		out = append(out, login{"MW-V040", "a login shell of %s has the doors in its environment", d.byShell})
	}
	if os.Geteuid() != 0 {
		return out
	}
	if d.PAM {
		out = append(out,
			login{"MW-V041", "a session that su opens for %s by PAM has the doors in its environment", bySu()},
			login{"MW-V041", "a login of %s by su - has the doors in its environment", bySu("-")},
			login{"MW-V042", "a login of %s by the host's sshd has the doors in its environment", bySSHD},
			login{"MW-V043", "a session that PAM opens for %s as for cron has the doors in its environment", byCron})
	}
	if d.Managers {
		out = append(out, login{"MW-V044", "what the user manager of %s starts has the doors in its environment", bySystemd("--user", "--machine={}@.host")})
	}
	return out
}

// logins asks fresh logins of an account what they have in their environment.
func (d Doors) logins(ctx context.Context, a identity.Account) (out []Proof) {
	for _, k := range d.kinds() {
		out = append(out, d.asked(ctx, k, a))
	}
	return out
}

// asked is one login of an account.
func (d Doors) asked(ctx context.Context, k login, a identity.Account) Proof {
	p := Proof{ID: k.id, Title: fmt.Sprintf(k.title, a.Name), Outcome: Holds, Lost: "a plain tmux there starts a server beside muxward"}
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	got, err := k.ask(ctx, a)
	_, value, found := strings.Cut(got, "TMUX_TMPDIR=<")
	value, _, whole := strings.Cut(value, ">")
	switch {
	case errors.Is(err, errNotHere):
		p.Outcome, p.Evidence = Skipped, []string{err.Error()}
	case err != nil || !found || !whole:
		p.Outcome, p.Evidence = Unknown, []string{reason(got, err)}
	case value != d.Doors:
		p.Outcome, p.Evidence = Broken, []string{"TMUX_TMPDIR is " + strconv.Quote(clipped(value)) + ", and the doors are " + d.Doors}
	default:
		p.Evidence = []string{"TMUX_TMPDIR is " + value}
	}
	return p
}

func (d Doors) byShell(ctx context.Context, a identity.Account) (string, error) {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-lc", told)
	d.as(cmd, &a)
	return output(cmd)
}

// bySu asks by su(1), as root.
func bySu(options ...string) func(context.Context, identity.Account) (string, error) {
	return func(ctx context.Context, a identity.Account) (string, error) {
		su, err := exec.LookPath("su")
		if err != nil {
			return "", fmt.Errorf("su %w", errNotHere)
		}
		return output(alone(exec.CommandContext(ctx, su, append(options, "-s", "/bin/sh", "-c", told, a.Name)...)))
	}
}

// alone has a program run in a session of its own, with nothing of our environment.
func alone(cmd *exec.Cmd) *exec.Cmd {
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.Dir = "/"
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// byCron asks by a session of the PAM service of cron, which systemd opens: a crontab could be left behind.
func byCron(ctx context.Context, a identity.Account) (string, error) {
	for _, service := range []string{"cron", "crond"} {
		if _, err := os.Stat(filepath.Join("/etc/pam.d", service)); err != nil {
			continue
		}
		got, err := bySystemd("--uid={}", "-p", "PAMName="+service)(ctx, a)
		if errors.Is(err, errNotHere) {
			err = errors.New("not tried: it would take a crontab where systemd does not run")
		}
		return got, err
	}
	return "", fmt.Errorf("cron %w: it has no PAM service", errNotHere)
}

// bySystemd asks by systemd-run(1), with {} for the account. Nothing of it stays (--collect).
func bySystemd(options ...string) func(context.Context, identity.Account) (string, error) {
	return func(ctx context.Context, a identity.Account) (string, error) {
		run, err := exec.LookPath("systemd-run")
		if _, booted := os.Stat("/run/systemd/system"); err != nil || booted != nil { // sd_booted(3)
			return "", fmt.Errorf("it %w: systemd does not run here", errNotHere)
		}
		args := []string{"--quiet", "--wait", "--pipe", "--collect"}
		for _, o := range options {
			args = append(args, strings.ReplaceAll(o, "{}", a.Name))
		}
		// printenv, as systemd itself would put something in the place of $NAME.
		got, err := output(alone(exec.CommandContext(ctx, run, append(args, "/usr/bin/printenv", "TMUX_TMPDIR")...)))
		var ended *exec.ExitError
		if err == nil || got == "" && errors.As(err, &ended) && ended.ExitCode() == 1 {
			return "TMUX_TMPDIR=<" + got + ">", nil
		}
		return got, err
	}
}

// program finds one of the system's programs, also where PATH does not have sbin.
func program(name string) (string, error) {
	at, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/sbin"} {
		if err != nil {
			at, err = exec.LookPath(filepath.Join(dir, name))
		}
	}
	if err != nil {
		return "", fmt.Errorf("%s %w", name, errNotHere)
	}
	return filepath.Abs(at)
}
