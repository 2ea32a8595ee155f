package nss

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/muxward/muxward/internal/accounts"
)

const (
	maxName   = 256
	maxPath   = 1024
	maxGroups = 4096 // so that what is written down of a server, and a packet to muxward, have room for them
)

var errAnswer = errors.New("the answer is not as it should be")

// oneLine gives the one line that an answer has to be.
func oneLine(out []byte) (string, error) {
	line, ended := strings.CutSuffix(string(out), "\n")
	if !ended || strings.Contains(line, "\n") {
		return "", fmt.Errorf("%w: it is not one line", errAnswer)
	}
	if !utf8.ValidString(line) || strings.ContainsFunc(line, unicode.IsControl) {
		return "", fmt.Errorf("%w: it has control characters", errAnswer)
	}
	return line, nil
}

// parsePasswd reads an entry as passwd(5) has it, alone.
func parsePasswd(out []byte) (accounts.Account, error) {
	line, err := oneLine(out)
	if err != nil {
		return accounts.Account{}, err
	}
	f := strings.Split(line, ":")
	if len(f) != 7 {
		return accounts.Account{}, fmt.Errorf("%w: it has %d fields, not 7", errAnswer, len(f))
	}
	a := accounts.Account{Name: f[0], Home: f[5], Shell: f[6], Directory: true}
	uid, okU := number(f[2])
	gid, okG := number(f[3])
	a.UID, a.GID = uid, gid
	switch {
	case !validName(a.Name):
		return accounts.Account{}, fmt.Errorf("%w: %.80q is no name that is taken from a directory", errAnswer, a.Name)
	case !okU || !okG:
		return accounts.Account{}, fmt.Errorf("%w: a number of it is none", errAnswer)
	case !wholePath(a.Home), a.Shell != "" && !wholePath(a.Shell):
		return accounts.Account{}, fmt.Errorf("%w: its home or its shell is no path", errAnswer)
	}
	return a, nil
}

// parseInitgroups reads what getent initgroups prints: the name that was asked about, and the
// numbers of its groups.
func parseInitgroups(out []byte, name string) ([]uint32, error) {
	line, err := oneLine(out)
	if err != nil {
		return nil, err
	}
	rest, ours := strings.CutPrefix(line, name)
	if !ours || rest != "" && rest[0] != ' ' {
		return nil, fmt.Errorf("%w: it is about another name", errAnswer)
	}
	words := strings.Fields(rest)
	if len(words) > maxGroups {
		return nil, fmt.Errorf("%w: it has %d groups", errAnswer, len(words))
	}
	var gids []uint32
	for _, w := range words {
		gid, ok := number(w)
		if !ok {
			return nil, fmt.Errorf("%w: a group of it is no number", errAnswer)
		}
		gids = append(gids, gid)
	}
	return gids, nil
}

// parseGroup reads the number of a group from its entry as group(5) has it.
func parseGroup(out []byte, name string) (uint32, error) {
	line, err := oneLine(out)
	if err != nil {
		return 0, err
	}
	f := strings.Split(line, ":")
	if len(f) != 4 || f[0] != name {
		return 0, fmt.Errorf("%w: it is not about the group %.80q", errAnswer, name)
	}
	gid, ok := number(f[2])
	if !ok {
		return 0, fmt.Errorf("%w: the number of the group is none", errAnswer)
	}
	return gid, nil
}

// number reads a uid or gid, written in one way alone.
func number(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil && strconv.FormatUint(n, 10) == s && uint32(n) != accounts.NoID
}

// validName takes names of accounts as directories have them: with a domain (bob@corp.example, CORP\bob).
// One of digits alone would be asked about as a number, one that begins with
// a dash as an option, and one with @ would be what a configuration has as a group.
func validName(s string) bool {
	if s == "" || len(s) > maxName || !utf8.ValidString(s) || strings.ContainsRune("-+~.@", rune(s[0])) {
		return false
	}
	digits := true
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(`._-@$\`, r) {
			return false
		}
		digits = digits && r >= '0' && r <= '9'
	}
	return !digits
}

// validGroup takes names of groups, in which directories have spaces.
func validGroup(s string) bool {
	return validName(strings.ReplaceAll(s, " ", "_")) && s == strings.TrimSpace(s)
}

func wholePath(s string) bool { return len(s) <= maxPath && path.IsAbs(s) }
