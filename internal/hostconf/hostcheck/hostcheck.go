package hostcheck

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/hostconf"
	"github.com/muxward/muxward/internal/hostconf/hostfile"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/teeth"
)

// For gives the checks that what is said of a host has to pass. tell is told what could not
// be checked, in a line; it may be nil.
func For(f *hostfile.Found, tell func(string)) []hostconf.Check {
	if tell == nil {
		tell = func(string) {}
	}
	var out []hostconf.Check
	if f.Host.Policy.Directory != "" {
		out = append(out, hostconf.Check{Name: "the policy", Run: func(_ context.Context, tree string) error {
			return Policy(filepath.Join(tree, f.Host.Serve.Policy))
		}})
	}
	if f.Host.Policy.Directory != "" && len(f.Host.Profiles)+len(f.Host.Serve.Isolated) > 0 {
		out = append(out, hostconf.Check{Name: "the policy, with what muxward is to offer", Run: func(_ context.Context, tree string) error {
			return Offers(filepath.Join(tree, f.Host.Serve.Policy), f.Host.Serve.Isolated, f.Host.Profiles)
		}})
	}
	if names := slices.Concat(f.TmuxFiles(), f.IsolatedFiles()); len(names) > 0 || f.Harden() != "" {
		out = append(out, hostconf.Check{Name: "the configuration of tmux", Run: func(ctx context.Context, tree string) error {
			var files []string
			for _, name := range names {
				files = append(files, filepath.Join(tree, hostfile.TmuxDir, name))
			}
			return Tmux(ctx, f.Host.Serve.Tmux, files, f.Harden(), tell)
		}})
	}
	if f.Host.SSHD.Lend || len(f.Host.SSHD.Attach) > 0 {
		out = append(out, hostconf.Check{Name: "the configuration of sshd", Run: func(ctx context.Context, tree string) error {
			err := SSHD(ctx, filepath.Join(tree, hostfile.SSHDFile))
			if errors.Is(err, ErrNoSSHD) {
				tell("there is no sshd here: its configuration was not checked")
				return nil
			}
			return err
		}})
	}
	return out
}

// passes reports whether what was checked may land.
func passes(err error) bool { return err == nil || teeth.Out(teeth.HostChecked) }

// Policy loads the policy in a directory, and has it pass its own tests.
func Policy(dir string) error {
	set, err := policy.Load(dir)
	if !passes(err) {
		return err
	}
	if set == nil {
		return nil
	}
	cases, err := policy.LoadCases(dir, set)
	if err != nil {
		return err
	}
	var failed []string
	for _, r := range set.RunCases(cases, time.Now()) {
		if !r.Pass {
			failed = append(failed, fmt.Sprintf("%s:%d: %s %s %s: it is %s, by %s", r.File, r.Line, r.Who, r.Verb, r.On, verdict(r.Got), r.Rule))
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("%d of its %d tests fail:\n%s", len(failed), len(cases), strings.Join(failed, "\n"))
	}
	return nil
}

// Offers has the policy in a directory be one with which muxward begins, where it has isolated servers and
// session profiles: who may start those are people of it.
func Offers(dir string, isolated map[string]config.Isolated, profiles map[string]config.Profile) error {
	set, err := policy.Load(dir)
	if !passes(err) {
		return err
	}
	if set == nil {
		return nil
	}
	return Fits(set, isolated, profiles)
}

// Fits says why muxward would not begin with a policy, isolated servers and session profiles.
func Fits(set *policy.Set, isolated map[string]config.Isolated, profiles map[string]config.Profile) error {
	servers, p := map[string]string{}, policy.Profiles{List: map[string]policy.Profile{}}
	for name, is := range isolated {
		servers[name] = is.Account
	}
	for name, is := range profiles {
		p.List[name] = policy.Profile{Account: is.Account, Who: is.Who, Role: is.Role, Shared: is.Shared}
	}
	e := policy.EngineOf(set)
	return errors.Join(e.Isolate(servers), e.TryProfiles(p))
}

func verdict(allow bool) string {
	if allow {
		return "allowed"
	}
	return "denied"
}

// maxSaid is how much is told of what a program says.
const maxSaid = 2000

// said gives the words of a program.
func said(out []byte) string {
	s := strings.TrimSpace(string(out))
	if len(s) > maxSaid {
		s = s[:maxSaid] + "…"
	}
	return s
}

// sshdPlaces are where an sshd is that PATH does not have.
func sshdPlaces() []string { return []string{"/usr/sbin/sshd", "/usr/local/sbin/sshd", "/sbin/sshd"} }

// ErrNoSSHD is the error of a host without an sshd.
var ErrNoSSHD = errors.New("there is no sshd")

// SSHD has the host's sshd read a file, with a host key of its own. The error is
// [ErrNoSSHD] if there is none.
func SSHD(ctx context.Context, file string) error {
	sshd, err := exec.LookPath("sshd")
	if err != nil {
		i := slices.IndexFunc(sshdPlaces(), func(p string) bool { _, err := os.Stat(p); return err == nil })
		if i < 0 {
			return ErrNoSSHD
		}
		sshd = sshdPlaces()[i]
	}
	if sshd, err = filepath.Abs(sshd); err != nil { // sshd wants its whole path
		return err
	}
	dir, err := os.MkdirTemp("", "muxward-sshd-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	key := filepath.Join(dir, "key")
	if out, err := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		return fmt.Errorf("make a host key to check with: %w: %s", err, said(out))
	}
	conf := filepath.Join(dir, "sshd_config")
	if err := os.WriteFile(conf, fmt.Appendf(nil, "HostKey %s\nInclude %s\n", key, file), 0o600); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, sshd, "-t", "-f", conf).CombinedOutput(); err != nil {
		return fmt.Errorf("sshd -t: %w: %s", err, said(out))
	}
	return nil
}

// Whole has the host's sshd read its whole configuration, as it is now.
func Whole(ctx context.Context) error {
	for _, sshd := range sshdPlaces() {
		if _, err := os.Stat(sshd); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if out, err := exec.CommandContext(ctx, sshd, "-t").CombinedOutput(); err != nil {
			return fmt.Errorf("sshd -t: %w: %s", err, said(out))
		}
		return nil
	}
	return nil
}
