package packaging

import (
	"embed"
	"fmt"
	"path"
	"regexp"
	"strings"
)

//go:embed systemd pam.d tmpfiles.d profile.d muxward.yaml
var files embed.FS

// Files are all of them, by their names in this directory.
func Files() embed.FS { return files }

// Program is where the files say that muxward is.
const Program = "/usr/bin/muxward"

// program is what a path in a unit may look like without quotes.
var program = regexp.MustCompile(`^/[A-Za-z0-9._+/-]+$`)

// Unit gives a unit of systemd, of a muxward that is at another place.
func Unit(name, at string) (string, error) {
	if !program.MatchString(at) || path.Clean(at) != at {
		return "", fmt.Errorf("%q cannot be written into a unit: take a path of letters, digits and . _ + -", at)
	}
	text, err := files.ReadFile("systemd/" + name)
	if err != nil {
		return "", err
	}
	return strings.ReplaceAll(string(text), Program+" ", at+" "), nil
}

// Units names all units.
func Units() []string {
	entries, err := files.ReadDir("systemd")
	if err != nil {
		return nil // it is in the program
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// PAM is the service for logins by password, for Debian.
func PAM() string { return text("pam.d/muxward") }

// Tmpfiles keeps cleaners away from the doors.
func Tmpfiles() string { return text("tmpfiles.d/muxward.conf") }

// Profile has the tmux of logins come through the doors.
func Profile() string { return text("profile.d/muxward.sh") }

// Config is a configuration to start from, of a muxward that runs as an account; "" for one
// that runs as root.
func Config(account string) string {
	line := ConfigAccount(account)
	if account == "" {
		line = "# " + ConfigAccount(Account)
	}
	return strings.Replace(text("muxward.yaml"), "\n"+ConfigAccount(Account), "\n"+line, 1)
}

// Account is the account that muxward runs as, where nobody has named another.
const Account = "muxward"

// ConfigAccount is the line of a configuration that says as which account muxward runs.
func ConfigAccount(account string) string { return "account: " + account + "\n" }

func text(name string) string {
	data, err := files.ReadFile(name)
	if err != nil {
		return "" // it is in the program: see the test
	}
	return string(data)
}
