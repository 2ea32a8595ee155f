package wire

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRelay puts a relay between stock clients and real servers of every pair
// of versions: it reads typed messages at one side and writes them at the
// other, and nobody notices.
func TestRelay(t *testing.T) {
	for _, server := range tmuxes(t) {
		s := startServer(t, server)
		for _, client := range tmuxes(t) {
			t.Run(filepath.Base(filepath.Dir(filepath.Dir(client)))+" to "+filepath.Base(filepath.Dir(filepath.Dir(server))), func(t *testing.T) {
				relayed(t, s, client)
			})
		}
		s.alive(t)
	}
}

func relayed(t *testing.T, s *realServer, client string) {
	sock := door(t, func(ctx context.Context, c *Conn, h *Hello) error {
		real, err := Dial(ctx, s.sock, s.framing)
		if err != nil {
			return err
		}
		defer real.Close()
		if err := real.Identify(ctx, h); err != nil {
			return err
		}
		return relay(ctx, c, real)
	})
	data := strings.Repeat("0123456789\n", 50_000)
	file := filepath.Join(t.TempDir(), "file")
	for _, tt := range []struct {
		args     []string
		in       string
		out, err string
		code     int
	}{
		{args: []string{"list-sessions", "-F", "#{session_name}"}, out: "work\n"},
		{args: []string{"has-session", "-t", "=nobody"}, err: "can't find session: nobody\n", code: 1},
		{args: []string{"load-buffer", "-b", "x", "-"}, in: data},
		{args: []string{"save-buffer", "-b", "x", file}},
		{args: []string{"load-buffer", "-b", "y", file}},
		{args: []string{"save-buffer", "-b", "y", "-"}, out: data},
	} {
		out, errs, code := stock(t, client, tt.in, append([]string{"-S", sock}, tt.args...)...)
		if out != tt.out || errs != tt.err || code != tt.code {
			t.Errorf("%q: %d bytes, %q, %d", tt.args, len(out), errs, code)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != data {
		t.Errorf("the file has %d bytes, %v", len(b), err)
	}
}

// relay copies both ways until the client has gone.
func relay(ctx context.Context, client, server *Conn) error {
	back := make(chan error, 1)
	go func() {
		for {
			m, err := server.ReadMsg(ctx)
			if err == nil {
				err = client.WriteMsg(ctx, m)
			}
			if err != nil {
				back <- err
				return
			}
		}
	}()
	for {
		m, err := client.ReadMsg(ctx)
		if err == nil {
			err = server.WriteMsg(ctx, m)
		}
		if err != nil {
			_ = server.Close()
			backErr := <-back
			if errors.Is(err, io.EOF) && (errors.Is(backErr, ErrClosed) || errors.Is(backErr, io.EOF)) {
				return nil
			}
			return errors.Join(err, backErr)
		}
	}
}
