package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
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
// clients at panes of that server, in turn.
func guestsAtOnce(host *bed, n int) (string, error) {
	if os.Geteuid() != 0 {
		return "skipped: people with accounts of their own need root", nil
	}
	b, err := newBed(host.bin, guestsNow)
	if err != nil {
		return "", err
	}
	defer b.close()
	if out, err := exec.Command("tmux", "-S", b.socket, "set-option", "-g", "status", "off").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	var raw, guests []*attached
	defer func() {
		for _, a := range append(raw, guests...) {
			a.close()
		}
	}()
	for i := range guestsNow {
		for _, name := range []string{fmt.Sprint("r", i), fmt.Sprint("c", i)} {
			if out, err := b.tmux("new-session", "-d", "-s", name, "-x", "200", "-y", "50", b.self+" pane echo"); err != nil {
				return "", fmt.Errorf("%w: %s", err, out)
			}
		}
		a, err := b.attach(true, "attach", "-t", fmt.Sprint("r", i))
		if err != nil {
			return "", err
		}
		raw = append(raw, a)
		if a, err = b.onTerminal(exec.Command("tmux", "attach", "-t", fmt.Sprintf("%s/c%d", b.owner(), i)), guest(i)); err != nil {
			return "", err
		}
		guests = append(guests, a)
		if err := errors.Join(raw[i].until("PANE-READY"), guests[i].until("PANE-READY")); err != nil {
			return "", fmt.Errorf("person %d does not come in: %w", i, err)
		}
	}
	var r, g series
	for range n {
		for _, side := range []struct {
			people []*attached
			to     *series
		}{{raw, &r}, {guests, &g}} {
			s, err := together(side.people)
			if err != nil {
				return "", err
			}
			*side.to = append(*side.to, s...)
		}
	}
	return compare(r, g), nil
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
