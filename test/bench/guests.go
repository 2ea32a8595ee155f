package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

const (
	guestsNow = 50
	// guestPause is between two keys of each: ten a second is fast typing.
	guestPause = 100 * time.Millisecond
	guestBatch = 20
)

// guestsAtOnce measures how long 50 people wait for the echo of a key who type at
// once, each into a pane of their own of one server: 50 guests, beside 50 plain tmux
// clients at a plain server, in turn.
func guestsAtOnce(host *bed, n int) (string, error) {
	if os.Geteuid() != 0 {
		return "skipped: people with accounts of their own need root", nil
	}
	b, err := newBed(host.bin, guestsNow)
	if err != nil {
		return "", err
	}
	defer b.close()
	plain := b.dir + "/plain"
	defer func() { _ = exec.Command("tmux", "-S", plain, "kill-server").Run() }()
	var raw, guests []*attached
	defer func() {
		for _, a := range append(raw, guests...) {
			a.close()
		}
	}()
	for i := range guestsNow {
		name := fmt.Sprint("c", i)
		a, err := b.at(plain, name, []string{"-S", plain, "-f", b.dir + "/tmux.conf"}, name, nil)
		if err != nil {
			return "", err
		}
		raw = append(raw, a)
		if a, err = b.at(b.socket, name, nil, b.owner()+"/"+name, guest(i)); err != nil {
			return "", fmt.Errorf("guest %d: %w", i, err)
		}
		guests = append(guests, a)
	}
	var r, g series
	for range n {
		for _, side := range []struct {
			name   string
			people []*attached
			to     *series
		}{{"plain", raw, &r}, {"guests", guests, &g}} {
			s, err := together(side.people)
			if err != nil {
				return "", fmt.Errorf("%s: %w", side.name, err)
			}
			*side.to = append(*side.to, s...)
		}
	}
	return compare(r, g), nil
}

// at has somebody come to a new session with a pane that echoes, of the server at a
// socket. The flags are how the session's owner and they name that server, nil: they
// come through muxward.
func (b *bed) at(socket, session string, flags []string, target string, who *syscall.Credential) (*attached, error) {
	begin := exec.Command("tmux", append(flags[:len(flags):len(flags)], "new-session", "-d", "-s", session, "-x", "200", "-y", "50", b.self+" pane echo")...)
	begin.Env = b.through()
	if out, err := begin.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	// The status line would mix its letters with the echo.
	if out, err := exec.Command("tmux", "-S", socket, "set-option", "-g", "status", "off").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	a, err := b.onTerminal(exec.Command("tmux", append(flags[:len(flags):len(flags)], "attach", "-t", target)...), who)
	if err != nil {
		return nil, err
	}
	if err := a.until("PANE-READY"); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// together has all type, each in their own time.
func together(people []*attached) (series, error) {
	var mu sync.Mutex
	var all series
	var failed error
	var wg sync.WaitGroup
	for i, a := range people {
		a.quietFor(5 * time.Millisecond)
		wg.Go(func() {
			time.Sleep(time.Duration(i) * guestPause / guestsNow)
			s, err := a.keysEvery(guestPause, guestBatch)
			mu.Lock()
			defer mu.Unlock()
			all, failed = append(all, s...), errors.Join(failed, err)
		})
	}
	wg.Wait()
	return all, failed
}
