package sockets

import (
	"crypto/rand"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// suffixLen is how much is added to the name of what is moved away.
const suffixLen = 8

// deed is a kind of mending.
type deed int

const (
	moveAway    deed = iota // a dead socket, into the quarantine
	closeSocket             // take rights of others from a socket
	closeDir                // take rights of others from a directory
	revive                  // have a server make its socket anew
	putBack                 // a socket that was moved away, to where it was
)

// act is what mends a finding: what to do, and to exactly what.
type act struct {
	do     deed
	dir    Path   // of the socket
	name   string // in the quarantine
	settle time.Duration
	file   File
	server Server
	bound  Bound
}

// Step is one mending, planned and not done.
type Step struct {
	Finding Finding `json:"finding"`
	// What is done, for people.
	What string `json:"what"`
	// To is where a socket is moved to.
	To Path `json:"to,omitempty"`
}

// Plan takes the findings that muxward mends by itself and that uid may mend:
// its own, and root everybody's. ids, if there are any, says which kinds. left
// are those findings that are for people to mend.
func Plan(findings []Finding, ids []string, uid uint32) (steps []Step, left []Finding) {
	for _, f := range findings {
		if len(ids) > 0 && !slices.ContainsFunc(ids, func(id string) bool { return strings.EqualFold(id, f.ID) }) {
			continue
		}
		if f.act == nil || uid != 0 && uid != f.UID {
			left = append(left, f)
			continue
		}
		s := Step{Finding: f, What: f.act.text(f)}
		if f.act.do == moveAway {
			a := *f.act
			a.name = filepath.Base(string(f.Path)) + "." + strings.ToLower(rand.Text()[:suffixLen])
			s.Finding.act, s.To = &a, Path(filepath.Join(string(a.dir), quarantine, a.name))
		}
		steps = append(steps, s)
	}
	return steps, left
}

// Still takes those of some steps that a later plan has, too, about the very same things,
// and no others: people think for as long as they like, and what they agreed to is what
// they were shown. gone are the others.
func Still(steps, later []Step) (still, gone []Step) {
	for _, s := range steps {
		if slices.ContainsFunc(later, s.same) {
			still = append(still, s)
		} else {
			gone = append(gone, s)
		}
	}
	return still, gone
}

// same reports whether two steps do the same to the same thing, unchanged. The number of
// a file that is gone may be another's at once; when that one last changed is not.
func (s Step) same(o Step) bool {
	a, b := s.Finding.act, o.Finding.act
	return a != nil && b != nil && s.Finding.ID == o.Finding.ID && s.Finding.Path == o.Finding.Path && s.Finding.UID == o.Finding.UID &&
		a.do == b.do && a.dir == b.dir && same(a.file, b.file) && a.file.Mode == b.file.Mode && a.file.Changed.Equal(b.file.Changed) &&
		a.server.PID == b.server.PID && a.server.Start == b.server.Start && a.bound.Path == b.bound.Path && a.bound.Inode == b.bound.Inode
}

func (a *act) text(f Finding) string {
	switch a.do {
	case moveAway:
		return fmt.Sprintf("move %s into %s", f.Path, Path(filepath.Join(string(a.dir), quarantine)))
	case closeSocket, closeDir:
		return fmt.Sprintf("chmod %s %s", closed(a.file.Mode), f.Path)
	}
	return fmt.Sprintf("send SIGUSR1 to process %d, which makes %s anew", a.server.PID, f.Path)
}

// closed is a mode without the rights of others.
func closed(m Mode) Mode { return m &^ 0o077 }
