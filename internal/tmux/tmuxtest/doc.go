// Package tmuxtest is support for tests that need the real thing: a tmux
// server in a temporary directory, a program in a pane that records what it
// receives, a stock tmux client on a terminal whose screen can be read, and
// accounts other than the one that runs the tests.
//
// It is not a fake of anything, and no program may import it outside tests.
//
// A package that uses it has one line of set-up:
//
//	func TestMain(m *testing.M) { os.Exit(tmuxtest.Main(m)) }
//
// With [Accounts] instead of [Main] the tests run, where they may (as root on
// Linux), in a mount namespace of their own in which the accounts mwalice,
// mwbob, mwcarol, mwmallory and mwwork exist. The host is not touched.
//
// The tmux is the one in PATH, or the first that MUXWARD_TMUX lists (several are
// separated by colons; tests of the protocols try all of them).
//
// Everything lives under one short directory in /tmp, and everything started
// is killed by its own descriptor when the test ends, when the test binary
// ends, and when the test binary is killed: see reaper.go.
//
// Start reading with [Main], then [Start], [NewRecorder] and [Attach].
package tmuxtest
