package identity

import (
	"errors"
	"fmt"
)

// SSHClaims remembers, as long as muxward runs, whose the keys were that people list for
// themselves. Somebody's file may be away for a while, or empty while it is written: it is
// nobody else's to take the key over then. The zero value remembers nothing.
type SSHClaims struct {
	by map[string]string // the person, by the key as it goes over the wire
	of map[string]int    // how many of them were a person's own
}

// contested stands in the place of a person, and is no name of one.
const contested = "\x00"

// maxClaims is how many keys of one person are remembered. Those beyond are not taken.
const maxClaims = 10000

// Take gives those of the people's own keys that are taken: that no list of the
// administrator has, which says all there is to say about a key, and that were nobody
// else's before. listed are the administrator's. One that comes new to two people is
// nobody's. The errors tell,
// by person, of the others, or of some.
func (c *SSHClaims) Take(listed, own []*SSHKey) (kept []*SSHKey, told map[string][]error) {
	if c.by == nil {
		c.by, c.of = map[string]string{}, map[string]int{}
	}
	admin := map[string]*SSHKey{}
	for _, k := range listed {
		wire := string(k.key.Marshal())
		admin[wire], c.by[wire] = k, k.person
	}
	first := map[string]*SSHKey{} // of those that were nobody's
	twice := map[string]bool{}
	for _, k := range own {
		wire := string(k.key.Marshal())
		if f := first[wire]; f != nil && f.person != k.person {
			twice[wire] = true
		} else if f == nil && c.by[wire] == "" {
			first[wire] = k
		}
	}
	told = map[string][]error{}
	for _, k := range own {
		wire := string(k.key.Marshal())
		err := c.take(k, wire, admin[wire], twice[wire])
		switch {
		case err == nil:
			kept = append(kept, k)
		case !errors.Is(err, errListed):
			told[k.person] = append(told[k.person], fmt.Errorf("%s: %w", k.where, err))
		}
	}
	for person, all := range told {
		if more := len(all) - maxToldOwn; more > 0 {
			told[person] = append(all[:maxToldOwn], fmt.Errorf("and %d more keys of %s's account are not taken", more, person))
		}
	}
	return kept, told
}

// errListed: the conditions of a key that an administrator lists are those of that line,
// and its holder's own would take them off.
var errListed = errors.New("the key is listed by an administrator")

// take says why a key is not taken, and remembers it if it is.
func (c *SSHClaims) take(k *SSHKey, wire string, admin *SSHKey, twice bool) error {
	by := c.by[wire]
	switch {
	case admin != nil && admin.person == k.person:
		return errListed
	case admin != nil:
		return fmt.Errorf("the key is that of %s (%s), and does not prove %s", admin.person, admin.where, k.person)
	case by == contested || by == "" && twice:
		c.by[wire] = contested
		return fmt.Errorf("the key came new to %s and somebody else at once, so it is nobody's; an administrator can list it", k.person)
	case by != "" && by != k.person:
		return fmt.Errorf("the key is that of %s, or was, and does not prove %s; an administrator can list it", by, k.person)
	case by == "" && c.of[k.person] >= maxClaims:
		return fmt.Errorf("%s has had more than %d keys of their own, and no others are taken before muxward starts anew", k.person, maxClaims)
	case by == "":
		c.by[wire] = k.person
		c.of[k.person]++
	}
	return nil
}
