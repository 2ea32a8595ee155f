// Package fidelity tests two promises about the tmux door: its owner cannot
// tell it from tmux, and nobody else gets more than was granted to them.
//
// The first is tested by command lines (testdata/commands) and by scenes on
// real terminals, run through muxward and again on plain tmux; the second by
// every offered command on every form of target, for three people. What a guest
// was granted is as at plain tmux: keys (TestKeyCorpus), and work in real programs
// (testdata/interactions), after each step of which the screens are the same.
//
// It is not where attacks on the door's protocol are (test/attack).
//
// Start reading at TestCommandLines, TestScenes, TestStrangers and
// TestInteractions.
package fidelity
