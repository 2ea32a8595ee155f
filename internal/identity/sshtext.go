package identity

import (
	"github.com/muxward/muxward/internal/teeth"
	"github.com/muxward/muxward/internal/tmux"
)

// harmless makes a text of others fit for a person's terminal, whose client may not.
func harmless(text string, most int) string {
	text = text[:min(len(text), most)]
	if teeth.Out(teeth.PAM) {
		return text
	}
	return tmux.Clean(text)
}
