package keep

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
)

// environment is all that a server gets. Its panes inherit it, so nothing of
// whoever started muxward or asked for the server may be in it.
func (k *Keep) environment(a accounts.Account) []string {
	home := a.Home
	if home == "" {
		home = "/"
	}
	env := []string{
		"HOME=" + home,
		"USER=" + a.Name,
		"LOGNAME=" + a.Name,
		"SHELL=" + shellOf(a),
		"PATH=" + k.pathFor(a),
		"TMUX_TMPDIR=" + k.doors.path,
		"MUXWARD=" + k.opt.Doors,
	}
	if dir := k.runtimeDir(a); dir != "" {
		env = append(env, "XDG_RUNTIME_DIR="+dir)
	}
	for _, kv := range os.Environ() {
		k, _, _ := strings.Cut(kv, "=")
		if k == "TZ" || k == "LANG" || strings.HasPrefix(k, "LC_") {
			env = append(env, kv)
		}
	}
	return env
}

// Taken gives of a client's environment what tmux itself, and the owner's
// configuration, go by: the language, the editor, the terminal, where programs are. Of
// the rest, such as what only one shell was to know, nothing is taken: everybody's panes
// would inherit it. The last of a name counts.
func Taken(environ []string) []string {
	var out []string
	size := 0
	for _, kv := range slices.Backward(environ) {
		k, v, _ := strings.Cut(kv, "=")
		switch {
		case len(v) > MaxVariable || v == "" || !takes(k) || strings.Contains(v, "\x00"):
			continue
		case k == "SHELL" && !strings.HasPrefix(v, "/"):
			continue
		case size+len(kv)+1 > MaxEnviron || has(out, k):
			continue
		}
		size += len(kv) + 1
		out = append(out, kv)
	}
	slices.Reverse(out)
	return out
}

// takes tells the names.
func takes(k string) bool {
	switch k {
	case "TERM", "PATH", "SHELL", "EDITOR", "VISUAL", "TZ", "LANG":
		return true
	}
	rest, ok := strings.CutPrefix(k, "LC_")
	return ok && len(rest) <= 32 && strings.Trim(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == ""
}

func has(env []string, name string) bool {
	return slices.ContainsFunc(env, func(kv string) bool { return strings.HasPrefix(kv, name+"=") })
}

// with gives env with what is taken in the place of what has the same name.
func with(env, taken []string) []string {
	env = slices.DeleteFunc(env, func(kv string) bool {
		k, _, _ := strings.Cut(kv, "=")
		return has(taken, k)
	})
	return append(env, taken...)
}

// shellOf is the account's shell as login(1) takes it.
func shellOf(a accounts.Account) string {
	if strings.HasPrefix(a.Shell, "/") {
		return a.Shell
	}
	return "/bin/sh"
}

func (k *Keep) pathFor(a accounts.Account) string {
	if !k.opt.Root {
		if p := os.Getenv("PATH"); p != "" {
			return p
		}
	}
	if a.UID == 0 {
		return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	return "/usr/local/bin:/usr/bin:/bin"
}

func (k *Keep) runtimeDir(a accounts.Account) string {
	if !k.opt.Root {
		return os.Getenv("XDG_RUNTIME_DIR")
	}
	dir := "/run/user/" + strconv.FormatUint(uint64(a.UID), 10)
	var st unix.Stat_t
	if unix.Lstat(dir, &st) != nil || st.Uid != a.UID || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return ""
	}
	return dir
}

// configuration is what the server reads first: exit-empty, which tmux turns
// off for a server in the foreground, is on as by default, the server gets its
// mark, and then come the account's own files, which have the last word.
func configuration(mark string, files []string) (string, error) {
	var b strings.Builder
	// 3.2 can show no option of this name among the server's own in its customize-mode.
	fmt.Fprintf(&b, "set-option -s exit-empty on\n%%if \"#{m:3.2*,#{version}}\"\nset-option -g @muxward_id %s\n%%else\nset-option -s @muxward_id %s\n%%endif\n", mark, mark)
	for _, f := range files {
		if strings.ContainsFunc(f, func(r rune) bool { return r < ' ' || r == 0x7f }) || !strings.HasPrefix(f, "/") {
			return "", fmt.Errorf("the tmux configuration file %q has no usable name", f)
		}
		// For tmux's parser, and below that for glob(7).
		glob := strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(f)
		fmt.Fprintf(&b, "source-file -q '%s'\n", strings.ReplaceAll(glob, "'", `'\''`))
	}
	return b.String(), nil
}

// configFiles are those that tmux reads by itself (tmux(1), -f).
func (k *Keep) configFiles(a accounts.Account) []string {
	if k.opt.Config != nil {
		return k.opt.Config
	}
	files := []string{"/etc/tmux.conf"}
	if a.Home == "" {
		return files
	}
	files = append(files, a.Home+"/.tmux.conf")
	if xdg := os.Getenv("XDG_CONFIG_HOME"); !k.opt.Root && strings.HasPrefix(xdg, "/") && xdg != a.Home+"/.config" {
		files = append(files, xdg+"/tmux/tmux.conf")
	}
	return append(files, a.Home+"/.config/tmux/tmux.conf")
}
