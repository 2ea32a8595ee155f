package policy

import (
	"fmt"
	"maps"
	"slices"

	"github.com/muxward/muxward/internal/identity"
)

// IsPerson reports whether the people file names this person.
func (s *Set) IsPerson(name string) bool {
	return s.people.named(name) != nil
}

// People lists the people of the people file by name.
func (s *Set) People() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(s.people.list)), s.IsServer)
}

// Owner gives the person of the people file who has an account, "" if nobody has: by its
// uid or its name, or as a person of that name.
func (s *Set) Owner(uid uint32, account string) string {
	for _, p := range []*person{s.people.byUID[uid], s.people.byAccount[account], s.people.list[account]} {
		if p != nil && !p.server {
			return p.name
		}
	}
	return ""
}

// UIDs lists the uids that the people file names, in no order.
func (s *Set) UIDs() []uint32 {
	var out []uint32
	for uid := range s.people.byUID {
		out = append(out, uid)
	}
	return out
}

// Accounts lists the accounts that the people file names, also by the names of people.
func (s *Set) Accounts() []string {
	var out []string
	for account, p := range s.people.byAccount {
		if !p.server && account != "" {
			out = append(out, account)
		}
	}
	slices.Sort(out)
	return out
}

// AccountOf gives the account that a person of the people file uses, the first
// one if there are several, or "" for those known by their uid alone.
func (s *Set) AccountOf(name string) string {
	p := s.people.list[name]
	if p == nil || len(p.accounts) == 0 {
		return ""
	}
	return p.accounts[0]
}

// AccountFor says as which account things are done for a person: by its uid where the people
// file has one, or its name. It is compared, and not read.
func (s *Set) AccountFor(name string) string {
	if uid, ok := s.UIDOf(name); ok {
		return fmt.Sprintf("uid %d", uid)
	}
	return s.AccountOf(name)
}

// SSHKeys lists the public keys of the people file.
func (s *Set) SSHKeys() []*identity.SSHKey { return slices.Clone(s.people.keys) }

// UIDOf gives a uid by which the people file knows a person, the first one if
// there are several.
func (s *Set) UIDOf(name string) (uint32, bool) {
	p := s.people.list[name]
	if p == nil || len(p.uids) == 0 {
		return 0, false
	}
	return p.uids[0], true
}
