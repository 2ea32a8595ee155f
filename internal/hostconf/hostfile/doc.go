// Package hostfile reads what a directory of files, kept under version control, says of
// hosts: host.yaml, groups/NAME.yaml and hosts/NAME.yaml over it, session profiles, the
// policy and tmux files beside them. It makes of that, for one host, the state that package hostconf
// compares and applies, and writes a first such directory.
//
// It is strict: an unknown key is an error with its place and the nearest key that there
// is. It changes no host and decides nothing about people: that is the policy's. Start
// reading at [Host], then load.go and render.go.
package hostfile
