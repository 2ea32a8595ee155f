package guard

import (
	"slices"
	"testing"

	"github.com/muxward/muxward/internal/tmux"
)

// A server whose account only a directory has is not asked whom it lists, as tmux would have the directory say
// each name, every few seconds, and serve nobody until it answers. Others are asked.
func TestNotAskedWhomItLists(t *testing.T) {
	for _, files := range []bool{true, false} {
		q, hidden := questions(tmux.ParseOptions{Version: tmux.Reference(), Aliases: tmux.DefaultAliases()}, true, files)
		if slices.Contains(q, "server-access") != files || len(hidden) > 0 || !slices.Contains(q, "list-panes") {
			t.Errorf("account in the files: %t; it is asked %q, hidden %q", files, q, hidden)
		}
	}
}
