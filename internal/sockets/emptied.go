package sockets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// cleaner is a directory of which systemd-tmpfiles removes what is old.
type cleaner struct {
	path, age, file string
}

// spare is what systemd-tmpfiles leaves alone: what fits the pattern, and with below also
// what is in it.
type spare struct {
	pattern string
	below   bool
}

func (s spare) spares(path string) bool {
	for at := path; at != "/" && at != "."; at = filepath.Dir(at) {
		if match, _ := filepath.Match(s.pattern, at); match || at == s.pattern { // a pattern that is none fits nothing
			return at == path || s.below
		}
	}
	return false
}

// cleaners reads tmpfiles.d below root: of files with one name that of the first
// directory counts. spared is what it leaves alone.
func cleaners(root string) (all []cleaner, spared []spare) {
	files := map[string]string{}
	for _, dir := range []string{"/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/local/lib/tmpfiles.d", "/usr/lib/tmpfiles.d"} {
		found, _ := filepath.Glob(root + dir + "/*.conf") // the pattern is one
		for _, path := range found {
			if name := filepath.Base(path); files[name] == "" {
				files[name] = path
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := files[name]
		data, err := readFile(path, maxConf)
		if err != nil {
			continue
		}
		for line := range bytes.Lines(data) {
			c, x, ok := parseCleaner(string(line))
			c.file = strings.TrimPrefix(path, root)
			switch {
			case !ok:
			case x.pattern != "":
				spared = append(spared, x)
			default:
				all = append(all, c)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b cleaner) int { return len(b.path) - len(a.path) }) // the nearest counts
	return all, spared
}

// parseCleaner reads a line of tmpfiles.d: type, path, mode, user, group, age, argument.
func parseCleaner(line string) (c cleaner, x spare, ok bool) {
	f := strings.Fields(line)
	if len(f) < 2 {
		return cleaner{}, spare{}, false
	}
	path, whole := specified(f[1])
	if !filepath.IsAbs(path) {
		return cleaner{}, spare{}, false
	}
	path = filepath.Clean(path)
	if f[0][0] == 'x' || f[0][0] == 'X' {
		return cleaner{}, spare{path, f[0][0] == 'x'}, true
	}
	if !whole || !strings.ContainsRune("dDevqQ", rune(f[0][0])) || len(f) < 6 {
		return cleaner{}, spare{}, false
	}
	c.path, c.age = path, f[5]
	return c, spare{}, strings.ContainsAny(c.age, "0123456789")
}

// specified undoes the specifiers of a path, as they are for the files of the system. One
// that tells of the host stands for anything, and whole is false: what is spared may be
// more by that, and of what is removed nothing is known.
func specified(path string) (undone string, whole bool) {
	known := map[byte]string{'%': "%", 'C': "/var/cache", 'L': "/var/log", 'S': "/var/lib", 't': "/run", 'T': "/tmp", 'V': "/var/tmp",
		'h': "/root", 'u': "root", 'g': "root", 'U': "0", 'G': "0"}
	var b strings.Builder
	whole = true
	for i := 0; i < len(path); i++ {
		if path[i] != '%' || i+1 == len(path) {
			b.WriteByte(path[i])
			continue
		}
		i++
		text, is := known[path[i]]
		if !is {
			text, whole = "*", false
		}
		b.WriteString(text)
	}
	return b.String(), whole
}

// emptied says who removes a live socket from where it is, or nothing. systemd-tmpfiles
// leaves alone sockets that the list of its own network has. What is in an account's
// runtime directory goes with its last session.
func (l *looker) emptied(path Path, p process) string {
	for _, base := range []string{"/run/user/", "/var/run/user/"} {
		rest, ok := strings.CutPrefix(string(path), base)
		uid, _, below := strings.Cut(rest, "/")
		if ok && below && uid == strconv.FormatUint(uint64(p.uid), 10) && !l.lingers(p.uid) {
			return fmt.Sprintf("%s%s is removed when uid %s logs out", base, uid, uid)
		}
	}
	if !slices.Contains(p.apart, "net") {
		return ""
	}
	l.readCleaners.Do(func() { l.cleaners, l.spared = cleaners("") })
	if slices.ContainsFunc(l.spared, func(x spare) bool { return x.spares(string(path)) }) {
		return ""
	}
	for _, c := range l.cleaners {
		if under(string(path), c.path) {
			return fmt.Sprintf("systemd-tmpfiles removes what is %s old from %s (%s), and does not see that a server of another network listens", escape(c.age), Path(c.path), c.file)
		}
	}
	return ""
}

// lingers reports whether an account's runtime directory stays when it logs out. Where
// that cannot be known it counts as yes: nothing is said.
func (l *looker) lingers(uid uint32) bool {
	if _, err := os.Stat("/run/systemd/users"); err != nil {
		return true // no login manager removes it
	}
	account, err := l.accounts.ByUID(context.Background(), uid)
	if err != nil {
		return true
	}
	for _, dir := range []string{"/var/lib/systemd/linger/", "/var/lib/elogind/linger/"} {
		if _, err := os.Stat(dir + account.Name); !errors.Is(err, os.ErrNotExist) {
			return true
		}
	}
	return false
}
