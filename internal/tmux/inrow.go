package tmux

import "github.com/muxward/muxward/internal/teeth"

// inRow has tmux make question marks of the newlines that fields hold, so that no text is a row
// of its own.
func inRow(fields string) string {
	if teeth.Out(teeth.Rows) {
		return fields
	}
	return "#{s/\n/?/:" + fields + "}"
}
