package hostconf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/muxward/muxward/internal/failpoint"
)

// host is one that is looked at or worked on.
type host struct {
	opt   Options
	tree  *tree
	names *accounts
	lock  *os.File // while something is done
	ways  []string // what was made on the way to the records
	kept  []Change // what was somebody's, and lay under a name of ours
	// step is told of each step before it is made; tests end the process there.
	step func(string)
}

const patience = time.Minute

func newHost(o Options) (*host, error) {
	if o.Records == "" {
		o.Records = DefaultRecords
	}
	if o.Patience == 0 {
		o.Patience = patience
	}
	t, err := openTree(o.Root)
	if err != nil {
		return nil, err
	}
	t.noOwners = o.NoOwners
	names, err := t.readAccounts()
	if err != nil {
		t.close()
		return nil, err
	}
	h := &host{opt: o, tree: t, names: names, step: o.step}
	if h.step == nil {
		h.step = failpoint.Step
	}
	return h, nil
}

func (h *host) close() {
	h.tree.close()
	if h.lock != nil {
		_ = h.lock.Close()
	}
}

func (h *host) tell(format string, args ...any) {
	if h.opt.Tell != nil {
		h.opt.Tell(fmt.Sprintf(format, args...))
	}
}

// program finds one of the system's programs. PATH is not asked: it may be anybody's.
func (h *host) program(name string) (string, error) {
	dirs := h.opt.programs
	if dirs == nil {
		dirs = []string{"/usr/sbin", "/usr/bin", "/sbin", "/bin"}
	}
	for _, dir := range dirs {
		path := filepath.Join(dir, name)
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is no %s in %s", name, strings.Join(dirs, ", "))
}

// maxSaid bounds what is kept of what a program says.
const maxSaid = 4 << 10

// run runs a program of the system to its end.
func (h *host) run(ctx context.Context, name string, args ...string) error {
	_, err := h.ask(ctx, name, args...)
	return err
}

// ask is run, and gives what the program printed.
func (h *host) ask(ctx context.Context, name string, args ...string) (string, error) {
	path, err := h.program(name)
	if err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	// What has begun goes on to its end, also when we are to stop: half a useradd helps nobody.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.opt.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // shadow's programs take their locks away then
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0"}
	cmd.Dir = "/"
	// A signal from the terminal is ours to handle.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 5 * time.Second // then it is killed
	if h.lock != nil {
		cmd.ExtraFiles = []*os.File{h.lock}
	}
	var out, said tail
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	if ctx.Err() != nil {
		return out.String(), fmt.Errorf("%s %s took longer than %s", name, strings.Join(args, " "), h.opt.Patience)
	}
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return out.String(), fmt.Errorf("%s %s: exit code %d: %w", name, strings.Join(args, " "), ended.ExitCode(), saidError(said.String()+out.String()))
	}
	if err != nil {
		return out.String(), fmt.Errorf("%s: %w", name, err)
	}
	return out.String(), nil
}

func saidError(s string) error {
	s = strings.TrimSpace(s)
	if s == "" {
		return errors.New("it says nothing")
	}
	return errors.New(strings.ReplaceAll(s, "\n", "; "))
}

// tail keeps the beginning of what is written to it.
type tail struct{ bytes.Buffer }

func (t *tail) Write(p []byte) (int, error) {
	if room := maxSaid - t.Len(); room > 0 {
		_, _ = t.Buffer.Write(p[:min(room, len(p))]) // a Buffer takes it
	}
	return len(p), nil
}

// systemd reports whether there are services to be had: systemd is pid 1 of this machine.
// It is told as sd_booted(3) tells it.
func (h *host) systemd() bool {
	if h.opt.booted != nil {
		return *h.opt.booted
	}
	st, err := os.Lstat("/run/systemd/system")
	return err == nil && st.IsDir() && h.tree.machine()
}

// service asks systemd about a unit. What it does not know is neither enabled nor running.
func (h *host) service(ctx context.Context, name string) (fact, error) {
	f := fact{Kind: Service}
	for _, q := range []struct {
		verb string
		yes  string
		to   *bool
	}{{"is-enabled", "enabled", &f.Enabled}, {"is-active", "active", &f.Running}} {
		out, err := h.ask(ctx, "systemctl", q.verb, name)
		said := strings.TrimSpace(out)
		if err != nil && said == "" && !strings.Contains(err.Error(), "No such file") {
			return f, err
		}
		*q.to = said == q.yes
		if q.verb == "is-active" && (said == "activating" || said == "reloading" || said == "refreshing") {
			*q.to = true // it runs, or soon will; one that is deactivating soon will not
		}
		if said == "masked" {
			f.odd = "an administrator has masked it: systemctl unmask " + name
		}
	}
	return f, nil
}

// setService brings a unit to a state.
func (h *host) setService(ctx context.Context, name string, now, want fact) error {
	if err := h.run(ctx, "systemctl", "daemon-reload"); err != nil {
		return err
	}
	var verbs []string
	if now.Running && !want.Running {
		verbs = append(verbs, "stop")
	}
	if now.Enabled && !want.Enabled {
		verbs = append(verbs, "disable")
	}
	if !now.Enabled && want.Enabled {
		verbs = append(verbs, "enable")
	}
	if !now.Running && want.Running {
		verbs = append(verbs, "start")
	}
	for _, verb := range verbs {
		if err := h.run(ctx, "systemctl", verb, name); err != nil {
			return err
		}
	}
	return nil
}
