package acts

import "github.com/muxward/muxward/internal/grants"

// ShownSuggestion is a suggestion as it is told: whose it is, and whether it is the asker's own.
type ShownSuggestion struct {
	grants.Suggestion
	On   Where  `json:"on"`
	From string `json:"from"`
	Mine bool   `json:"mine"`
}
