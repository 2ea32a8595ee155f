package identity

// Supposed makes an identity of facts that nobody proved: for saying what would
// be decided for such a person. It is marked, and no permit is ever made for
// it: see [Identity.IsSupposed].
func Supposed(s Subject) Identity {
	p := &proof{person: s.Person, account: s.Account, door: s.Door, inside: s.Inside, mfa: s.MFA, supposed: true}
	if s.UID >= 0 && s.UID < noUID {
		p.uid = uint32(s.UID)
	} else {
		p.uid = noUID
	}
	return Identity{p}
}

// noUID is the uid of nobody: no connection has it (see [Prover.FromPeer]).
const noUID = 1<<32 - 1

// IsSupposed reports that nobody proved this identity: nothing is done for it.
func (i Identity) IsSupposed() bool { return i.p != nil && i.p.supposed }
