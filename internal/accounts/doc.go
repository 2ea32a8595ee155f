// Package accounts reads the account files of a host: passwd(5) and group(5). It has
// no dependencies, so that also a process with root's rights may have it.
//
// It proves nobody, keeps nothing and has no deadlines: identity.Accounts has.
//
// Start with [Files].
package accounts
