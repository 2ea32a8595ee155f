//go:build teeth_ssh

package sshd

// strict reads whatever is there. It is for the control runs of test/attack.
const strict = false

// crowded lets everybody come.
func crowded(int, int) bool { return false }

// tiresome hears everybody for ever.
func tiresome(int) bool { return false }

// fails has nobody wait.
const fails = false

// mayPass takes everything over.
func mayPass(string, string) bool { return true }

// sound takes every TERM.
func sound(string) bool { return true }

// waits loses what there is no room for.
const waits = false

// cleans shows text as it comes.
const cleans = false

// stands takes every proof for one that holds.
func stands(error) bool { return true }
