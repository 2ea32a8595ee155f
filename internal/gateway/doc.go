// Package gateway is the line: every request of every door passes through
// [Gateway.Handle], which resolves names to ids, asks the policy, writes the
// decision, executes exactly what was decided, and writes the outcome.
//
// It also keeps the permits that are in use ([Live]), so that a right that is
// lost ends at once whatever rests on it ([Gateway.Reconsider]).
//
// It knows no socket, no terminal and no file: it declares the small
// interfaces it needs, and package daemon brings the parts together. A Permit
// can be made only here, and the executor takes nothing else.
//
// Start reading at [Gateway.Handle].
package gateway
