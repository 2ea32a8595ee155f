package sockets

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

const (
	lookGrace = 5 * time.Second // beyond the time that a look may take, to give what it saw
	maxLook   = 1 << 30         // bytes of that
)

// lookout is what a process is asked that looks for another, and sight its answer.
type lookout struct {
	Time     time.Duration `json:"time"`
	Dirs     []Path        `json:"dirs"`
	Far      []Path        `json:"far"`
	Only     Path          `json:"only"`
	Settle   time.Duration `json:"settle"`
	Patience time.Duration `json:"patience"`
	Locks    bool          `json:"locks"`
}

// newLookout asks for looks with opt. Who is asked has a small environment: what ours
// names is said.
func newLookout(most time.Duration, opt Options) lookout {
	dirs := append(paths[Path](opt.Dirs), Path(os.Getenv("TMUX_TMPDIR")))
	return lookout{most, dirs, paths[Path](opt.Far), Path(opt.Only), opt.Settle, opt.Patience, opt.Locks}
}

func (l lookout) options() Options {
	return Options{Dirs: paths[string](l.Dirs), Far: paths[string](l.Far), Only: string(l.Only), Settle: l.Settle, Patience: l.Patience, Locks: l.Locks}
}

// paths keeps the bytes of names in JSON.
func paths[To, From ~string](from []From) (to []To) {
	for _, f := range from {
		to = append(to, To(f))
	}
	return to
}

// Look is [Look] by a process that ends with it. Who waits in a file system whose
// question was read, and is not answered, can neither be called back nor killed, and
// holds its whole process: that is not ours.
func (m Mender) Look(ctx context.Context, most time.Duration, opt Options) (Scan, error) {
	if err := refuseSetuid(); err != nil {
		return Scan{}, err
	}
	end := time.Now().Add(most + lookGrace)
	ask, answers, stop, err := m.start(ctx, end)
	if err != nil {
		return Scan{}, fmt.Errorf("start a process that looks: %w", err)
	}
	defer stop()
	// Whoever ends the program does not wait for it.
	defer context.AfterFunc(ctx, func() { _ = answers.SetReadDeadline(time.Now()) })()
	var seen sight
	err = json.NewEncoder(ask).Encode(newLookout(most, opt))
	if err == nil {
		seen, err = readSight(answers, maxLook)
	}
	switch {
	case ctx.Err() != nil:
		return Scan{}, ctx.Err()
	case err != nil:
		return Scan{}, fmt.Errorf("the process that looks gave no answer: %w", err)
	case seen.Error != "":
		return Scan{}, errors.New(seen.Error)
	}
	return seen.Scan, nil
}

// ServeLook is the process that looks.
func ServeLook(in io.Reader, out io.Writer) error {
	var ask lookout
	if err := json.NewDecoder(in).Decode(&ask); err != nil {
		return fmt.Errorf("what to look at cannot be read: %w", err)
	}
	time.AfterFunc(ask.Time+lookGrace, func() { os.Exit(1) }) // nobody waits for it any more
	ctx, cancel := context.WithTimeout(context.Background(), ask.Time)
	defer cancel()
	var seen sight
	opt := ask.options()
	opt.near = toFDs()
	scan, err := Look(ctx, opt)
	if seen.Scan = scan; err != nil {
		seen.Error = err.Error()
	}
	return writeSight(out, seen)
}
