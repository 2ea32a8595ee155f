package pam

import (
	"fmt"

	"github.com/muxward/muxward/internal/siblings"
)

// programName is what asks PAM.
const programName = "muxward-pam"

// FindProgram finds muxward-pam: beside this program, or in libexec beside its directory.
func FindProgram() (string, error) {
	path, err := siblings.Find(programName)
	if err != nil {
		return "", fmt.Errorf("%w, or leave ssh: {pam: ...} out", err)
	}
	return path, nil
}

// CheckProgram refuses a program that others could put theirs in the place of: it hears
// passwords, with our rights.
func CheckProgram(path string) error { return siblings.CheckProgram(path) }
