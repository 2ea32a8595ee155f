package fidelity

import (
	"os"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

func TestMain(m *testing.M) {
	code := tmuxtest.Accounts(m)
	host.Clean()
	os.Exit(code)
}
