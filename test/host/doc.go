// Package host starts a whole muxward for tests: the real program, real tmux,
// real accounts. It is what the stories, the attacks and the measurements
// stand on.
//
// Start reading at [Start]. A package that uses it has a TestMain that calls
// tmuxtest.Accounts.
package host
