package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// home is a tmux server to which people come, with the directory in which programs in its
// panes write down what they were given.
type home struct {
	owner, socket, dir string
	pid                int
	program            string              // ours, as its panes run it
	who                *syscall.Credential // as whom it runs, nil for ourselves
}

// firstHome is the uid of the first of those with homes.
const firstHome = 29000

func homeOwner(i int) string { return fmt.Sprint("h", i) }

// build has each of those who have homes start their server through muxward, as they would. Our
// own is there as well, and nobody comes to it.
func (b *bed) build(homes int) error {
	program := b.dir + "/bench" // where we lie is for nobody else to see
	data, err := os.ReadFile(b.self)
	if err == nil {
		err = os.WriteFile(program, data, 0o755)
	}
	if err != nil {
		return err
	}
	for i := range homes {
		uid := firstHome + i
		h := home{owner: homeOwner(i), dir: fmt.Sprint(b.dir, "/home", i), program: program,
			who: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
		if err := errors.Join(os.Mkdir(h.dir, 0o700), os.Chown(h.dir, uid, uid)); err != nil {
			return err
		}
		if out, err := b.tmuxAs(h.who, "new-session", "-d", "-s", "home", "cat"); err != nil {
			return fmt.Errorf("the server of %s: %w: %s", h.owner, err, out)
		}
		if h.pid, h.socket, err = b.serverOf(h.owner); err != nil {
			return err
		}
		b.homes = append(b.homes, h)
	}
	return nil
}

// serverOf finds somebody's tmux server.
func (b *bed) serverOf(owner string) (pid int, socket string, err error) {
	files, err := filepath.Glob(b.dir + "/d/run/servers/*.json")
	for _, path := range files {
		data, rerr := os.ReadFile(path)
		var rec struct {
			ID, Owner string
			PID       int
		}
		if rerr = errors.Join(rerr, json.Unmarshal(data, &rec)); rerr == nil && rec.Owner == owner {
			return rec.PID, b.dir + "/d/run/servers/" + rec.ID + "/s", nil
		}
		err = errors.Join(err, rerr)
	}
	return 0, "", errors.Join(fmt.Errorf("the guarded server of %s was not found", owner), err)
}

// tmuxAs is tmux as somebody else.
func (b *bed) tmuxAs(who *syscall.Credential, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "tmux", args...)
	cmd.Env, cmd.WaitDelay = b.through(), time.Second
	if who != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	}
	return cmd.CombinedOutput()
}
