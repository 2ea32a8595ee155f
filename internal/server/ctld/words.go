package ctld

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
)

// Length reads a length of time that a flag of a command gives.
func Length(flag, text string, least, most time.Duration) (time.Duration, error) {
	n, err := time.ParseDuration(text)
	if err != nil || n < least || n > most {
		return 0, Words{Err: fmt.Errorf("%s: %q is no length of time from %v to %v; write it as 90s, 30m or 2h", flag, text, least, most)}
	}
	return n, nil
}

// Rights reads a role or a list of verbs.
func Rights(role, verbs string) (what string, set access.VerbSet, err error) {
	switch {
	case (role == "") == (verbs == ""):
		return "", 0, Words{Err: errors.New("name either a role or --verbs")}
	case role != "":
		set, ok := access.Role(role).Verbs()
		if !ok {
			return "", 0, Words{Err: fmt.Errorf("there is no role %q; the roles are %s", role, acts.RoleWords())}
		}
		return role, set, nil
	}
	for _, word := range strings.Split(verbs, ",") {
		v, err := access.ParseVerb(strings.TrimSpace(word))
		if err != nil {
			return "", 0, Words{Err: err}
		}
		set = set.With(access.SetOf(v))
	}
	return set.String(), set, nil
}
