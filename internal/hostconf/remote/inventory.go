package remote

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Host is a line of an inventory.
type Host struct {
	// At is where ssh is to go: [USER@]HOST, or a name of ssh's configuration.
	At string
	// Name is what the host is called in the directory of hosts; "" is what it calls itself.
	Name string
}

// MaxHosts is how many an inventory may have.
const MaxHosts = 10000

var (
	// A word that ssh takes for nothing but a destination: no options, nothing for a shell.
	// What begins with ssh:// would be a form of its own.
	atForm   = regexp.MustCompile(`^([A-Za-z0-9_][A-Za-z0-9_.-]{0,63}@)?([A-Za-z0-9_][A-Za-z0-9_.-]{0,252}|[0-9A-Fa-f:]{2,45}(%[A-Za-z0-9]{1,15})?)$`)
	nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,252}$`)
)

// Inventory reads one: a host on each line, and what it is called in the directory of hosts
// behind it, if that is not what it calls itself. What follows a # is a comment.
func Inventory(r io.Reader) ([]Host, error) {
	var all []Host
	seen := map[string]int{}
	lines := bufio.NewScanner(io.LimitReader(r, 4<<20))
	n := 0
	for lines.Scan() {
		n++
		text, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		h := Host{At: words[0]}
		if len(words) > 1 {
			h.Name = words[1]
		}
		switch {
		case len(words) > 2:
			return nil, fmt.Errorf("line %d: %d words; a line is [USER@]HOST, and what the host is called if that differs", n, len(words))
		case !atForm.MatchString(h.At):
			return nil, fmt.Errorf("line %d: %q is no [USER@]HOST; ports and all else stand in ssh's configuration", n, h.At)
		case h.Name != "" && !nameForm.MatchString(h.Name):
			return nil, fmt.Errorf("line %d: %q is no name of a host", n, h.Name)
		case seen[h.At] != 0:
			return nil, fmt.Errorf("line %d: %s is in line %d already", n, h.At, seen[h.At])
		case len(all) == MaxHosts:
			return nil, fmt.Errorf("line %d: more than %d hosts", n, MaxHosts)
		}
		seen[h.At] = n
		all = append(all, h)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", n+1, err)
	}
	if len(all) == 0 {
		return nil, errors.New("there is no host in it")
	}
	return all, nil
}
