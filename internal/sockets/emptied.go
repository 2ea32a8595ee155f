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
	if len(f) < 2 || !filepath.IsAbs(f[1]) {
		return cleaner{}, spare{}, false
	}
	path := filepath.Clean(f[1])
	if f[0][0] == 'x' || f[0][0] == 'X' {
		return cleaner{}, spare{path, f[0][0] == 'x'}, true
	}
	if !strings.ContainsRune("dDevqQ", rune(f[0][0])) || len(f) < 6 {
		return cleaner{}, spare{}, false
	}
	c.path, c.age = path, f[5]
	return c, spare{}, strings.ContainsAny(c.age, "0123456789")
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
	_, err = os.Stat("/var/lib/systemd/linger/" + account.Name)
	return !errors.Is(err, os.ErrNotExist)
}
