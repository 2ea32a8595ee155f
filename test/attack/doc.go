// Package attack tries to get past muxward: one file for each attack, which
// begins with what the attacker wants, in prose, and then tries it with the
// whole program, real tmux and real accounts.
//
// Every attack runs twice. The first run must gain nothing, and after it the
// oracles of harness_test.go are asked: no file of the attacker's making, no
// byte of the secret session, no byte in a pane beyond what was permitted,
// servers and ids as before, every attempt in a log that verifies, and a
// daemon that is calm again. The second is the control run, against a muxward
// without the check in question (teeth_*, see internal/teeth) or with a policy that
// permits it; there the attack must succeed, or it proves nothing.
//
// What nobody has thought of is tried at random, by seeds that can be given again: see TestRandomUse.
//
// Start reading at row in harness_test.go.
package attack
