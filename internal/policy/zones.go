package policy

import (
	"fmt"
	"regexp"
	"time"
)

// zones keeps the time zones of one file: there are fewer than grants.
type zones map[string]*time.Location

// zoneForm is the form of the zones that every host knows the same: not "Local", and
// not what some hosts keep beside them.
var zoneForm = regexp.MustCompile(`^[A-Z][A-Za-z0-9+_-]{0,31}(/[A-Z][A-Za-z0-9+_-]{0,31}){0,2}$`)

// zone gives a zone by its name.
func (z zones) zone(name string) (*time.Location, error) {
	if loc := z[name]; loc != nil {
		return loc, nil
	}
	if name == "Local" || !zoneForm.MatchString(name) {
		return nil, fmt.Errorf("%q is no name of a time zone", clip(name))
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, err
	}
	z[name] = loc
	return loc, nil
}
