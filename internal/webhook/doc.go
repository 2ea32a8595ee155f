// Package webhook tells another system, such as a chat, what is asked for and what
// became of it: by an HTTPS POST that is signed, from a queue for which nobody waits.
//
// It says nothing that an approver is not told, takes no answer, and follows no
// redirects. It knows nothing of requests or people. Start reading at [Hook.Tell].
package webhook
