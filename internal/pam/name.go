package pam

import (
	"errors"
	"fmt"
	"strings"
)

// Nobody is the account that PAM is asked about in the place of one by which nobody comes in
// (identity.Nobody).
const Nobody = "no_such_account"

// maxName is the longest name of an account, as useradd has it.
const maxName = 32

// CheckName refuses what is no name of an account before PAM hears of it: modules make
// paths and lines of it. It takes what Debian's adduser and shadow take, in small ASCII
// letters and capitals.
func CheckName(name string) error {
	if unchecked() {
		return nil
	}
	switch {
	case name == "":
		return errors.New("the account has no name")
	case len(name) > maxName:
		return fmt.Errorf("the account's name has %d bytes; the longest has %d", len(name), maxName)
	case strings.Contains("-.0123456789", name[:1]):
		return errors.New("an account's name begins with a letter or _")
	case strings.Contains(name, ".."):
		return errors.New("an account's name has no two dots in a row")
	}
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '.', c == '-':
		default:
			return fmt.Errorf("an account's name has no %q", c)
		}
	}
	return nil
}

// CheckService refuses what is no file of /etc/pam.d.
func CheckService(name string) error {
	if name == "" || len(name) > 64 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" || name[0] == '-' {
		return fmt.Errorf("%.64q is no PAM service; give the name of a file in /etc/pam.d: small letters, digits, _ and -", name)
	}
	return nil
}
