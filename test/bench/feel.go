package main

import (
	"errors"
	"fmt"
	"os/exec"
	"time"
)

// keys measures n keystrokes, one at a time: how long until the pane program's
// echo of each is on the terminal.
func (a *attached) keys(n int) (series, error) {
	return a.keysEvery(2*time.Millisecond, n) // people do not type faster
}

// keysEvery is keys with a pause after each.
func (a *attached) keysEvery(pause time.Duration, n int) (series, error) {
	var out series
	one := make([]byte, 1)
	for i := range n {
		one[0] = 'a' + byte(i%26)
		_ = a.master.SetReadDeadline(time.Now().Add(patience))
		begin := time.Now()
		if _, err := a.master.Write(one); err != nil {
			return nil, err
		}
		if err := a.sees(one[0]); err != nil {
			return nil, err
		}
		out = append(out, time.Since(begin))
		time.Sleep(pause)
	}
	return out, nil
}

// sees reads until a byte is there.
func (a *attached) sees(c byte) error {
	for {
		n, err := a.master.Read(a.buf)
		if err != nil {
			return err
		}
		for _, b := range a.buf[:n] {
			if b == c {
				return nil
			}
		}
	}
}

func (b *bed) window(name, kind string) error {
	if b.windows[name] {
		return nil
	}
	b.windows[name] = true
	out, err := b.tmux("new-window", "-t", "bench", "-n", name, b.self+" pane "+kind)
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	// The status line would mix its letters with the echo.
	_, err = exec.Command("tmux", "-S", b.socket, "set-option", "-g", "status", "off").CombinedOutput()
	return err
}

func keyToEchoOwner(b *bed, n int) (string, error) {
	if err := b.window("echo", "echo"); err != nil {
		return "", err
	}
	return b.keyToEcho(n, func() (*attached, error) { return b.attach(false, "attach", "-t", "bench:echo") })
}

// keyToEchoNoise compares raw with raw: how far a ratio is from 1 by chance.
func keyToEchoNoise(b *bed, n int) (string, error) {
	if err := b.window("echo", "echo"); err != nil {
		return "", err
	}
	return b.keyToEcho(n, func() (*attached, error) { return b.attach(true, "attach", "-t", "bench:echo") })
}

// keyToEchoRelay compares with a program that only copies between its terminal
// and that of a tmux client: what standing between costs before anything is
// decided.
func keyToEchoRelay(b *bed, n int) (string, error) {
	if err := b.window("echo", "echo"); err != nil {
		return "", err
	}
	return b.keyToEcho(n, func() (*attached, error) {
		return b.onTerminal(exec.Command(b.self, "relay", "tmux", "-S", b.socket, "attach", "-t", "bench:echo"), nil)
	})
}

// keyToEcho takes turns, one batch each, so that a change of the machine's
// speed meets both.
func (b *bed) keyToEcho(n int, ours func() (*attached, error)) (string, error) {
	raw, err := b.attach(true, "attach", "-t", "bench:echo")
	if err != nil {
		return "", err
	}
	defer raw.close()
	mux, err := ours()
	if err != nil {
		return "", err
	}
	defer mux.close()
	if err := errors.Join(raw.until("PANE-READY"), mux.until("PANE-READY")); err != nil {
		return "", err
	}
	var r, m series
	const batch = 50
	for len(m) < n {
		for _, side := range []struct {
			a, other *attached
			to       *series
		}{{raw, mux, &r}, {mux, raw, &m}} {
			side.a.quiet()
			s, err := side.a.keys(batch)
			if err != nil {
				return "", err
			}
			*side.to = append(*side.to, s...)
			side.other.quiet()
		}
	}
	return compare(r, m), nil
}

// keyToEchoTypist is the same for somebody whose input is addressed: muxward
// is told that we hold less than everything.
func keyToEchoTypist(b *bed, n int) (string, error) {
	undo, err := b.becomeTypist()
	if err != nil {
		return "", err
	}
	defer undo()
	if err := b.window("echo", "echo"); err != nil {
		return "", err
	}
	return b.keyToEcho(n, func() (*attached, error) { return b.attach(false, "attach", "-t", "bench") })
}

// attachTime measures from the start of the client to the last of the first
// screen.
func attachTime(b *bed, n int) (string, error) {
	// A window of its own: what was typed elsewhere has moved the first line away.
	if err := b.window("first", "echo"); err != nil {
		return "", err
	}
	time.Sleep(time.Second) // until the program runs
	var r, m series
	for range n {
		for _, side := range []struct {
			raw bool
			to  *series
		}{{true, &r}, {false, &m}} {
			begin := time.Now()
			a, err := b.attach(side.raw, "attach", "-t", "bench:first")
			if err != nil {
				return "", err
			}
			err = a.until("PANE-READY")
			*side.to = append(*side.to, time.Since(begin))
			a.close()
			if err != nil {
				return "", err
			}
		}
	}
	return compare(r, m), nil
}

// commandOne measures a command as a process of the stock client.
func commandOne(args ...string) func(*bed, int) (string, error) {
	return func(b *bed, n int) (string, error) { return b.oneShots(n, args, args) }
}

// oneShots compares a command straight to the server with one that goes another way.
func (b *bed) oneShots(n int, ours, straight []string) (string, error) {
	var r, m series
	for range n {
		for _, side := range []struct {
			args []string
			to   *series
		}{{append([]string{"-S", b.socket}, straight...), &r}, {ours, &m}} {
			cmd := exec.Command("tmux", side.args...)
			cmd.Env = b.through()
			begin := time.Now()
			if out, err := cmd.CombinedOutput(); err != nil {
				return "", fmt.Errorf("%w: %s", err, out)
			}
			*side.to = append(*side.to, time.Since(begin))
		}
	}
	return compare(r, m), nil
}

// redraws measures how long 2,000 full screens take until the sentinel after
// them shows.
func redraws(b *bed, n int) (string, error) {
	if err := b.window("draw", "draw"); err != nil {
		return "", err
	}
	var r, m series
	for range n {
		for _, side := range []struct {
			raw bool
			to  *series
		}{{true, &r}, {false, &m}} {
			a, err := b.attach(side.raw, "attach", "-t", "bench:draw")
			if err != nil {
				return "", err
			}
			a.quiet()
			begin := time.Now()
			if _, err = a.master.Write([]byte{'g'}); err == nil {
				err = a.until("DRAWN-ALL")
			}
			*side.to = append(*side.to, time.Since(begin))
			a.close()
			if err != nil {
				return "", err
			}
		}
	}
	return compare(r, m), nil
}
