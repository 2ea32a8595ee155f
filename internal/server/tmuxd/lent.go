package tmuxd

import (
	"slices"
	"strings"

	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// lend takes out of what a client says of itself what is the account's that it runs as,
// if that is not the person's: their own server is to hear nothing of it. What is left
// is about their terminal.
func (s *Server) lend(who identity.Identity, h *wire.Hello) {
	if _, own := who.UID(); own || who.IsNobody() {
		return
	}
	h.Env = slices.DeleteFunc(h.Env, func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return name != "TERM" && name != "COLORTERM" && name != "LANG" && name != "SSH_CONNECTION" && !strings.HasPrefix(name, "LC_")
	})
	h.Cwd = "/"
	if s.Home != nil {
		if dir := s.Home(who.Person()); strings.HasPrefix(dir, "/") {
			h.Cwd = dir
		}
	}
}
