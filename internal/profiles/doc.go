// Package profiles reads the file of session profiles: named sessions whose program, account
// and secrets are the host's to say. It is strict: every mistake has its line, its column and
// the nearest word that would be right.
//
// It is not the place where a profile is offered (the policy makes grants of it) nor where its
// program is started (internal/keep), and it looks no account up.
//
// Start reading at [Read], then [Check].
package profiles
