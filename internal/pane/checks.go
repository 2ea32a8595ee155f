package pane

import (
	"os"

	"github.com/muxward/muxward/internal/teeth"
)

// refuses gives what keeps a session from beginning, as PAM has it.
func refuses(err error) error {
	if teeth.Out(teeth.Session) {
		return nil
	}
	return err
}

// passed are variables that only builds for tests go by; the programs of a session do not get
// them.
func passed() (env []string) {
	for _, name := range teeth.Variables() {
		env = append(env, name+"="+os.Getenv(name))
	}
	return env
}
