package hostfile

import "github.com/muxward/muxward/internal/hostconf"

// account is the one that muxward setup makes, and its group.
const account = "muxward"

// Look finds what has to be known of a host to say what it is to have. policyDir is its policy
// directory. What is no regular file is not looked at: an apply refuses to write there.
func Look(v *hostconf.View, policyDir string) (Present, error) {
	p := Present{Files: map[string]hostconf.Seen{}}
	for _, name := range Shared() {
		seen, there, err := v.File(name)
		if err != nil {
			return p, err
		}
		if there {
			p.Files[name] = seen
		}
	}
	if v.HasGroup(account) {
		p.Group = account
	}
	var err error
	p.Policy, err = v.Names(policyDir, maxFiles)
	return p, err
}

// Wish is what the files say, of a host as it is.
func (f *Found) Wish(v *hostconf.View) (hostconf.State, error) {
	p, err := Look(v, f.Host.Serve.Policy)
	if err != nil {
		return hostconf.State{}, err
	}
	return f.State(p)
}
