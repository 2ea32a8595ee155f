package tmux

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Version is a release of tmux such as 3.3a. The zero Version is older than
// every release.
type Version struct {
	Major, Minor int
	Patch        byte // 0, or 'a', 'b', …
	Next         bool // built from the development branch before that release
}

// The versions whose tables are known here. V33a is the reference.
var (
	v32a = Version{Major: 3, Minor: 2, Patch: 'a'}
	v33  = Version{Major: 3, Minor: 3}
	v33a = Version{Major: 3, Minor: 3, Patch: 'a'}
	v34  = Version{Major: 3, Minor: 4}
	v35  = Version{Major: 3, Minor: 5}
	v36  = Version{Major: 3, Minor: 6}
	v37  = Version{Major: 3, Minor: 7}
	v38  = Version{Major: 3, Minor: 8}
)

// Reference is the version whose behaviour is taken when none is given: 3.3a.
func Reference() Version { return v33a }

// Oldest is the oldest version that muxward speaks to: 3.2a.
func Oldest() Version { return v32a }

// ParseVersion reads what #{version} or `tmux -V` says: "3.3a",
// "tmux 3.4", "next-3.7", "openbsd-7.5" is an error.
func ParseVersion(s string) (Version, error) {
	t := strings.TrimPrefix(s, "tmux ")
	t, next := strings.CutPrefix(t, "next-")
	v := Version{Next: next}
	if n := len(t); n > 0 && t[n-1] >= 'a' && t[n-1] <= 'z' {
		v.Patch, t = t[n-1], t[:n-1]
	}
	major, minor, ok := strings.Cut(t, ".")
	// A release candidate ("3.5-rc") counts as its release.
	minor, _, _ = strings.Cut(minor, "-rc")
	if !ok || !allDigits(major) || !allDigits(minor) || len(major) > 3 || len(minor) > 3 {
		return Version{}, fmt.Errorf("not a tmux version: %.40q, want something like 3.3a", s)
	}
	v.Major, _ = strconv.Atoi(major)
	v.Minor, _ = strconv.Atoi(minor)
	return v, nil
}

// Compare returns -1, 0 or 1 as v is older than, the same as or newer than w.
// A development version sorts just before its release.
func (v Version) Compare(w Version) int {
	return cmp.Or(
		cmp.Compare(v.Major, w.Major),
		cmp.Compare(v.Minor, w.Minor),
		cmp.Compare(order(w.Next), order(v.Next)),
		cmp.Compare(v.Patch, w.Patch),
	)
}

func order(b bool) int {
	if b {
		return 1
	}
	return 0
}

// AtLeast reports whether v is w or newer. A development version counts as
// having what its release has, since it may already.
func (v Version) AtLeast(w Version) bool {
	v.Next = false
	return v.Compare(w) >= 0
}

// IsZero reports whether no version was given.
func (v Version) IsZero() bool { return v == Version{} }

// WideFrames reports whether this version's client protocol has the 32-bit
// length with the descriptor mark (3.6 on) instead of the 16-bit one.
func (v Version) WideFrames() bool { return v.AtLeast(v36) }

// String returns the version as tmux writes it.
func (v Version) String() string {
	s := fmt.Sprintf("%d.%d", v.Major, v.Minor)
	if v.Patch != 0 {
		s += string(rune(v.Patch))
	}
	if v.Next {
		return "next-" + s
	}
	return s
}

func (v Version) orReference() Version {
	if v.IsZero() {
		return v33a
	}
	return v
}
