// Package packaging holds the files that are installed on a host: units, the PAM service,
// a configuration to start from. muxward setup renders them, and packages install them: there
// is one source of each.
//
// It decides nothing about where they go. Start reading at [Files].
package packaging
