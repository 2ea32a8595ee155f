// Package teeth takes checks out of muxward, for the control runs of test/attack: an
// attack that does not succeed without the check that stops it is no test of that check.
//
// In the muxward that people run there is no such thing: [Out] is false, nothing is
// read, and the compiler removes what depends on it. Only a build with the tag teeth
// reads the environment, once, as it starts: MUXWARD_TEETH=decide,chain takes those two
// out. It does not start with a name that is none.
//
// A check is written once, where it belongs, in a function as small as can be that also
// asks Out. A new one has a name in checks.go and a control run.
package teeth
