// Package policy reads a directory of policy files and answers questions
// about it: Cedar in, Decision out.
//
// A directory holds
//
//   - people.yaml: who there is, by uid and Unix account, and their groups;
//   - grants.yaml and *.grants.yaml: standing grants, each "who, which role or
//     verbs, on what, until when, why";
//   - ssh.yaml, if there is one: what people may reach through the ssh door besides
//     tmux, which nothing else permits;
//   - *.cedar: further permit and forbid policies, over the schema that
//     `muxward policy schema` prints;
//   - *.test.yaml: what the author expects of all that, for `muxward policy
//     test`.
//
// [Load] makes a [Set] of it, or tells every mistake with its place. A Set is
// immutable, has no clock and does no I/O: [Set.Decide] rests on the Question
// alone. [Engine] holds the Set in force and a generation that grows whenever
// an answer may have changed.
//
// It is not where denials that came later are kept (internal/grants), nor
// where answers are cached and enforced (internal/gateway).
//
// What decides, in this order:
//
//  1. A governing verb (see [Governing]) is refused to whoever comes from
//     inside a pane: who may type there does not thereby speak as its owner.
//  2. A forbid that holds on any path to the object, or that cannot be
//     evaluated, refuses. A permit that cannot be evaluated refuses as well.
//  3. Owners may do everything on their own server; grants permit what they
//     say, downwards; permits permit. Permits and grants count only for the
//     path that was asked for, forbids for every session that holds the
//     window.
//  4. Everything else is refused.
//
// Start reading at [Set.Decide].
package policy
