package keep

import (
	"errors"
	"fmt"
	"testing"
)

// A pane is told less than the log of what is root's to know, however deep that stands.
func TestPanesAreToldLess(t *testing.T) {
	err := fmt.Errorf("open: %w", &hushed{errors.New("/root/secret"), "it cannot be read"})
	if got := saidOf(err); got != "it cannot be read" {
		t.Errorf("a pane is told %q", got)
	}
	if got := saidOf(errors.New("no place")); got != "no place" {
		t.Errorf("a pane is told %q", got)
	}
}
