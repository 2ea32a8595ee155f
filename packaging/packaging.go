// Package packaging holds the files that muxward installs: units of systemd, and a service
// of PAM. It is no code: those who install them are elsewhere. Start reading at [Files].
package packaging

import "embed"

//go:embed pam.d systemd
var files embed.FS

// Files are the files, by their names in this directory.
func Files() embed.FS { return files }
