// Package remote asks many hosts the same over the system's ssh: several at once, each with a
// deadline and a bound on what it may say.
//
// What is asked, and what the answers mean, it does not know. A host may be anybody's by now:
// its answer is bytes, and whoever shows them cleans them. Start reading at [Ask].
package remote
