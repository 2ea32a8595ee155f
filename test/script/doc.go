// Package script tells stories: *.txtar files in which alice, bob, carol and
// mallory meet at real doors with real tmux. script_test.go has the commands
// that the stories use beside those of testscript.
package script
