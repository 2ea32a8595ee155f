// Package picture draws one window of a session as one person may see it, on
// their terminal: the panes that they may view with what is in them, the place
// of the others as a plain area, and a line of muxward's own below.
//
// It is pure: it knows no terminal, no server and no right. What is not to be
// seen is never given to it.
//
// Start with [Compose], then [Picture.Since].
package picture
