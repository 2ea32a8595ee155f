// Package access holds the nouns of a decision: [Verb], [Role], [Object],
// [Question], [Decision], [Obligation] and [Event].
//
// It is not where anything is decided (internal/policy), carried out
// (internal/executor) or written (internal/audit): those rooms meet here, so
// that none of them has to know another. Values of this package are plain and
// immutable once handed over.
//
// Start reading at [Question]: "may this person do this verb to this object?"
package access
