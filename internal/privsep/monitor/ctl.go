package monitor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/muxward/muxward/internal/passed"
)

// ctl makes the control socket anew: our directory is ours alone and locked, so
// what is there is an old one. Everybody may ask there; what they get is decided.
func (s *setting) ctl() (*os.File, error) {
	path := filepath.Join(s.config.Run(), "ctl")
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	l, err := passed.Listen(path)
	if err != nil {
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	defer l.Close()
	l.SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o666); err != nil {
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	f, err := l.File()
	if err != nil {
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	return f, nil
}
