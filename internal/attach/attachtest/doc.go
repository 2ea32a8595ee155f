// Package attachtest is support for tests of what reaches a person's terminal:
// [Judge] says whether bytes are on the list of what may, and [Emulate] which
// modes they leave the terminal in. Both are written a second time, apart from
// the tables and the filter of package attach, so that a mistake there is a
// difference here.
//
// It decides nothing, and no program may import it outside tests.
package attachtest
