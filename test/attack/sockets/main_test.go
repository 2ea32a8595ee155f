package sockets

import (
	"fmt"
	"os"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

func TestMain(m *testing.M) {
	if at := os.Getenv(hostileAt); at != "" {
		fmt.Fprintln(os.Stderr, hostile(at))
		os.Exit(1)
	}
	code := tmuxtest.Accounts(m)
	host.Clean()
	os.Exit(code)
}

// The people of the attacks.
const (
	owner    = host.Alice
	viewer   = host.Bob
	typist   = host.Carol
	stranger = host.Mallory
	root     = "root"
)
