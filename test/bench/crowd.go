package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/muxward/muxward/internal/server/ctld"
)

// crowdSize is how many people are attached while one of them is revoked.
const crowdSize = 100

// revoke measures how long it takes to revoke one of 100 attached people, each
// with an account of their own: from the call until it has returned, when
// their display is closed and nothing of theirs is under way. Whoever was
// revoked is let in again, so that there are always 100.
func revoke(host *bed, n int) (string, error) {
	if os.Geteuid() != 0 {
		return "skipped: people with accounts of their own need root", nil
	}
	b, err := newBed(host.bin, crowdSize)
	if err != nil {
		return "", err
	}
	defer b.close()
	people := make([]*attached, crowdSize)
	defer func() {
		for _, a := range people {
			if a != nil {
				a.close()
			}
		}
	}()
	for i := range people {
		if people[i], err = b.join(i); err != nil {
			return "", err
		}
	}
	var s series
	for turn := range n {
		i := turn % crowdSize
		took, err := b.revokeOne(i, people[i])
		if err != nil {
			return "", err
		}
		s = append(s, took)
		if people[i], err = b.join(i); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("p50 %s  p99 %s of %d", short(s.at(.5)), short(s.at(.99)), n), nil
}

// hire gives the people accounts that only muxward sees: in a mount namespace
// of its own, a longer list lies over /etc/passwd.
func (b *bed) hire() error {
	list, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return err
	}
	for i := range b.people {
		list = fmt.Appendf(list, "c%d:x:%d:%[2]d::/:/bin/sh\n", i, firstUID+i)
	}
	for i := range b.owners {
		list = fmt.Appendf(list, "%s:x:%d:%[2]d::/:/bin/sh\n", homeOwner(i), firstHome+i)
	}
	path := b.dir + "/passwd"
	if err := os.WriteFile(path, list, 0o644); err != nil {
		return err
	}
	args := append([]string{"sh", "-c", `mount --bind "$0" /etc/passwd && exec "$@"`, path}, b.serve.Args...)
	b.serve.Path, b.serve.Args = "/bin/sh", args
	b.serve.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	return nil
}

// guest is the account of one of the people.
func guest(i int) *syscall.Credential {
	return &syscall.Credential{Uid: uint32(firstUID + i), Gid: uint32(firstUID + i)}
}

// join attaches one of the people.
func (b *bed) join(i int) (*attached, error) {
	a, err := b.onTerminal(exec.Command("tmux", "attach", "-t", b.owner()+"/bench"), guest(i))
	if err != nil {
		return nil, err
	}
	if err := a.until("idle"); err != nil {
		return nil, errors.Join(fmt.Errorf("person %d does not come in: %w", i, err))
	}
	return a, nil
}

// revokeOne revokes an attached person, sees them out, and lets them in again.
func (b *bed) revokeOne(i int, a *attached) (time.Duration, error) {
	a.quietFor(5 * time.Millisecond)
	call := ctld.Call{Act: "revoke", Person: fmt.Sprintf("c%d", i), Reason: "measured"}
	begin := time.Now()
	if err := call.Do(context.Background(), b.dir+"/d/run/ctl", nil); err != nil {
		return 0, err
	}
	took := time.Since(begin)
	if err := a.until("you may not view this any more"); err != nil {
		return 0, err
	}
	a.close()
	call.Undo = true
	return took, call.Do(context.Background(), b.dir+"/d/run/ctl", nil)
}
