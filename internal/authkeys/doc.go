// Package authkeys reads the ~/.ssh/authorized_keys of accounts, as sshd's
// StrictModes has it: what others could have written is refused.
//
// It does not know what keys are (internal/identity does). A home may be on a
// file system that does not answer: whoever calls [Read] gives it a goroutine.
package authkeys
