package control

import (
	"errors"
	"fmt"
	"strings"
)

// MaxLine is the longest command line that is sent, in bytes.
const MaxLine = 1 << 20

// checkLine refuses what would not arrive as one command line: an empty line
// detaches the client, a newline starts another command, a NUL ends this one.
func checkLine(line string) error {
	switch {
	case strings.TrimSpace(line) == "":
		return fmt.Errorf("an empty command line: %w", ErrNotExecuted)
	case len(line) > MaxLine:
		return fmt.Errorf("a command line of %d bytes, at most %d can be sent: %w", len(line), MaxLine, ErrNotExecuted)
	case strings.ContainsAny(line, "\n\x00"):
		return fmt.Errorf("a command line with a newline or a NUL: quote its arguments: %w", ErrNotExecuted)
	}
	return nil
}

// checkSession refuses what is not the id of a session.
func checkSession(id string) error {
	if len(id) > 1 && id[0] == '$' && strings.Trim(id[1:], "0123456789") == "" {
		return nil
	}
	return errors.New("control: Options.Session has to be an id such as $3")
}
