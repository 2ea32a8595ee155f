package hostfile

import (
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/hostconf"
)

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
	seen, there, err := v.File(serveFile)
	if err != nil {
		return p, err
	}
	if c, err := config.Parse(serveFile, []byte(seen.Content)); there && err == nil { // one that is broken says nothing
		p.Served, p.Account = true, c.Account
	}
	for _, it := range v.Made("setup") {
		if it.Kind == hostconf.Account {
			p.Accounts = append(p.Accounts, it.Name)
		}
	}
	if v.HasGroup(account) {
		p.Group = account
	}
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
