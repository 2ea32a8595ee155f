// Package nss asks the name service switch of a host (nsswitch.conf(5)) about accounts that are
// in no file of it: those that a directory service has (LDAP, SSSD, winbind). It is used only
// where root's configuration says so.
//
// What a directory says is believed of accounts of its own, and of nothing else: names and numbers
// of the account files are those files', and so are their groups ([Files] of internal/accounts). It
// is asked by processes of their own (getent(1)) without any rights, so many at once and no more,
// each with a deadline; an answer is taken strictly, and only if the directory says it in both
// directions. An answer counts for a while after it was given; then, nobody is known.
//
// It proves nobody, and lists nobody: there is no asking for all accounts.
//
// Start with [Switch].
package nss
