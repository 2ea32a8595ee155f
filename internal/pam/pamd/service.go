// Package pamd tells whether PAM has a service of its own, by its files. Nothing is asked of PAM
// here, and no library of its is linked: package pam asks it. Start at [Service].
package pamd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// Service gives the file of a service that PAM has, with a line about authentication: in /etc, or
// where Debian and others have them. Where it does not it goes by the service "other", which
// may let people in by less.
func Service(name string) (fs.FileInfo, error) {
	return ServiceIn(name, "/etc/pam.d", "/usr/lib/pam.d")
}

// ServiceIn is Service with other directories, of which the first one that has the service counts.
func ServiceIn(name string, dirs ...string) (fs.FileInfo, error) {
	for _, dir := range dirs {
		path := filepath.Join(dir, name)
		st, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		data, err := os.ReadFile(path)
		if err == nil && !authLine.Match(data) {
			err = fmt.Errorf("%s has no line for auth, so PAM would go by the service other", path)
		}
		return st, err
	}
	return nil, fmt.Errorf("there is no /etc/pam.d/%s, so PAM would go by the service other; packaging/pam.d/muxward is one to begin with", name)
}

// authLine is a line of a service about authentication, or one that has other files.
var authLine = regexp.MustCompile(`(?m)^[ \t]*(-?(?i:auth)[ \t]|@include[ \t])`)
