package control

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// firstSession is the id of a session of the server, if it has one.
func firstSession(s *tmuxtest.Server) string {
	id, _, _ := strings.Cut(s.Run("list-sessions", "-F", "#{session_id}"), "\n")
	return id
}

// needSessionless skips what only a server can show that answers those who
// attach to no session.
func needSessionless(t testing.TB, s *tmuxtest.Server) {
	t.Helper()
	if !sessionless(t, s) {
		tmuxtest.Skip(t, "from 3.4 on tmux does not answer those who are attached to no session")
	}
}
