package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/hostconf"
	"github.com/muxward/muxward/internal/hostconf/bundle"
	"github.com/muxward/muxward/internal/hostconf/hostfile"
	"github.com/muxward/muxward/internal/tmux"
)

// bundleFlags are those of an apply of a bundle.
type bundleFlags struct {
	file, keys string
	older      string // why one that is older is used all the same
	other      string // why one of another name is
}

// bundleState is where a host keeps which bundles were used.
const bundleState = "/var/lib/muxward-bundles"

func (b *bundleFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&b.file, "bundle", "", "take the directory of hosts from this `file` (muxward policy bundle)")
	cmd.Flags().StringVar(&b.keys, "bundle-keys", "", "the `file` of keys that it may be signed by (default "+bundleKeys+")")
	cmd.Flags().StringVar(&b.older, "allow-older", "", "use a bundle that is older than the last one; the `reason` is written down")
	cmd.Flags().StringVar(&b.other, "allow-name", "", "use a bundle of another name than the last one; the `reason` is written down, and the host takes that name from then on")
}

// useLine is a line of what was used: log.jsonl beside what was seen. There are two of each
// apply: that it is tried, and what came of it.
type useLine struct {
	Time    time.Time `json:"time"`
	Outcome string    `json:"outcome"` // tried, landed, failed, or unknown
	Error   string    `json:"error,omitempty"`
	// Host is what the host is called, As what --host says that it is.
	Host   string `json:"host"`
	As     string `json:"as,omitempty"`
	Root   string `json:"root,omitempty"`
	Name   string `json:"name"`
	Serial uint64 `json:"serial"`
	Digest string `json:"digest"`
	Key    string `json:"key"`
	// Older says why it was used although it was older, Other why although it has another name.
	Older string `json:"allow_older,omitempty"`
	Other string `json:"allow_name,omitempty"`
	UID   int    `json:"uid"`
	Sudo  string `json:"sudo_user,omitempty"`
}

// landing is the use of a bundle, from when it is known that it may be used until it is known what
// came of it.
type landing struct {
	dir    string // its files
	used   *used
	bundle *bundle.Bundle
	line   useLine
	before bundle.Seen
	names  []string // of bundles that were used before
	// raising is held while something of what counts as used is written: an apply goes on without a
	// check whose time is over.
	raising sync.Mutex
	raised  bool
	over    bool // what came of it is known: nothing is raised any more
	// settled is what was taken back of an earlier one that was broken off.
	settled hostconf.Result
}

// unpack opens a bundle, sees whether it may be used here, and writes down that it is tried. The
// caller ends the landing.
func (f *hostFlags) unpack(cmd *cobra.Command, b bundleFlags) (_ *landing, err error) {
	root, err := f.rootDir()
	if err != nil {
		return nil, err
	}
	opened, err := b.open(root)
	if err != nil {
		return nil, err
	}
	names, err := f.hostNames(root)
	if err != nil {
		return nil, err
	}
	l := &landing{bundle: opened, line: useLine{Host: names[0], As: f.name, Root: root, Name: opened.Name, Serial: opened.Serial, Digest: opened.Digest,
		Key: opened.Key, UID: os.Getuid(), Sudo: os.Getenv("SUDO_USER")}}
	if l.used, err = openUsed(root); err != nil {
		return nil, fmt.Errorf("nothing has changed, as it cannot be told which bundles were used: %w", err)
	}
	tried := false
	defer func() {
		if err != nil && tried {
			err = errors.Join(err, l.write("failed", err))
		}
		if err != nil {
			l.close()
		}
	}()
	if l.settled, _, err = l.used.settle(cmd.Context(), f.settling(cmd, root)); err != nil {
		return nil, fmt.Errorf("an apply of a bundle was broken off: %w", err)
	}
	if l.names, err = l.used.names(); err == nil {
		l.before, err = l.used.seen(opened.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("nothing has changed, as it cannot be told which bundles were used: %w", err)
	}
	if err := l.admit(b, names); err != nil {
		return nil, fmt.Errorf("%s: %w; nothing has changed", b.file, err)
	}
	if err := l.write("tried", nil); err != nil {
		return nil, fmt.Errorf("nothing has changed, as it could not be written down: %w", err)
	}
	tried = true
	// What who was killed has left there goes.
	if err := errors.Join(l.used.dir.RemoveAll(unpacked), l.used.dir.Mkdir(unpacked, 0o700)); err != nil {
		return nil, err
	}
	l.dir = filepath.Join("/", root, bundleState, unpacked)
	return l, opened.Extract(l.dir)
}

// unpacked has the files of the bundle that is tried.
const unpacked = "unpacked"

// hostNames are what this host is called: as it says itself, and that without its domain. What is
// in another root is called as who names it says.
func (f *hostFlags) hostNames(root string) ([]string, error) {
	if root != "" && f.name != "" {
		return []string{f.name}, nil
	}
	name, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("cannot tell what this host is called: %w", err)
	}
	short, _, _ := strings.Cut(name, ".")
	return slices.Compact([]string{name, short}), nil
}

// admit says whether the bundle may be used: as it is, or as somebody answers for it.
func (l *landing) admit(b bundleFlags, names []string) error {
	err := l.bundle.Called(l.names)
	if errors.Is(err, bundle.ErrName) && b.other != "" {
		err, l.line.Other = nil, b.other
	}
	if err != nil {
		return err
	}
	err = l.bundle.Admit(names, time.Now(), l.before)
	if errors.Is(err, bundle.ErrOlder) && b.older != "" {
		err, l.line.Older = nil, b.older
	}
	return err
}

// attempt is what was so before a bundle is tried: who is killed can be told of by it, and it is
// put back if it did not land.
type attempt struct {
	Number int         `json:"number"` // of the apply
	Before bundle.Seen `json:"before"`
	Names  []string    `json:"names,omitempty"`
	Line   useLine     `json:"line"`
	// Back: it has not landed, and is being taken back. It is said before that is begun, as afterwards
	// the host would have no record of it.
	Back bool `json:"back,omitempty"`
}

// attempted has the attempt that has not ended.
const attempted = "attempt"

// try writes down what was so before, and raises.
func (l *landing) try(o hostconf.Options) error {
	l.raising.Lock()
	defer l.raising.Unlock()
	if l.over {
		return errOver
	}
	n, err := hostconf.Next(o)
	if err != nil {
		return err
	}
	data, err := json.Marshal(attempt{Number: n, Before: l.before, Names: l.names, Line: l.line})
	if err == nil {
		err = l.used.write(attempted, append(data, '\n'))
	}
	if err != nil {
		return err
	}
	return l.raise()
}

// settling are the options of who takes back what was broken off.
func (f *hostFlags) settling(cmd *cobra.Command, root string) hostconf.Options {
	tell := func(line string) { fmt.Fprintln(cmd.ErrOrStderr(), "muxward:", tmux.OneLine(line)) }
	return hostconf.Options{Root: root, NoOwners: f.noOwners, Patience: hostPatience, Tell: tell, Recovering: takingBack(root), Returning: returning(root, f.noOwners)}
}

// takingBack writes down of an attempt that was broken off that it is taken back. settleFirst does that
// where it finds one; this is for one that is begun and killed between that and what it came before. Nobody
// else writes the attempt: it is written with the lock of applies held.
func takingBack(root string) func(number int) error {
	return func(number int) error {
		if _, err := os.Lstat(filepath.Join("/", root, bundleState, attempted)); err != nil {
			return nil
		}
		dir, err := hostconf.OpenOwn(root, bundleState)
		if err != nil {
			return err
		}
		u := &used{dir: dir}
		defer u.close()
		a, err := u.attempt(root)
		if err != nil || a.Number != number || a.Back {
			return err
		}
		return u.setBack(&a)
	}
}

// attempt reads the attempt that has not ended.
func (u *used) attempt(root string) (a attempt, err error) {
	f, err := u.dir.Open(attempted)
	if err != nil {
		return a, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err == nil {
		err = json.Unmarshal(data, &a)
	}
	if err == nil && (a.Number < 1 || a.Line.Name == "") {
		err = errors.New("it has no number or no name")
	}
	if err != nil {
		err = fmt.Errorf("%s is damaged: %w; look into log.jsonl beside it for what was tried last, and remove it", filepath.Join("/", root, bundleState, attempted), err)
	}
	return a, err
}

// setBack writes down that it is taken back.
func (u *used) setBack(a *attempt) error {
	a.Back = true
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return u.write(attempted, data)
}

// settleFirst is settle for whatever else would take back what was broken off, an apply without a
// bundle, an undo, or a setup: afterwards nobody could tell whether the bundle had landed. The
// result is what was taken back; ended says that there was an attempt that has not landed.
func settleFirst(ctx context.Context, o hostconf.Options) (res hostconf.Result, ended bool, err error) {
	if _, err := os.Lstat(filepath.Join("/", o.Root, bundleState, attempted)); err != nil {
		return res, false, nil // there is none; who cannot look there cannot apply either
	}
	u, err := openUsed(o.Root)
	if err == nil {
		defer u.close()
		res, ended, err = u.settle(ctx, o)
	}
	if err != nil {
		return res, ended, fmt.Errorf("an apply of a bundle was broken off: %w", err)
	}
	return res, ended, nil
}

// behind gives a result of what was done after what was taken back.
func behind(first, then hostconf.Result) hostconf.Result {
	if then.Recovered == nil {
		then.Recovered = first.Recovered
	}
	then.Done, then.Left = append(first.Done, then.Done...), append(first.Left, then.Left...)
	return then
}

// settle ends an attempt that was broken off: it is taken back unless it has landed, and what counted
// before counts again. Where that cannot be told, nothing that is older may be used.
func (u *used) settle(ctx context.Context, o hostconf.Options) (res hostconf.Result, ended bool, err error) {
	a, err := u.attempt(o.Root)
	if errors.Is(err, fs.ErrNotExist) {
		return res, false, nil
	}
	if err != nil {
		return res, false, err
	}
	fate, res, err := hostconf.Settle(ctx, hostfile.Set, a.Number, o, func(fate hostconf.Fate) error {
		if fate != hostconf.TakenBack || a.Back {
			return nil
		}
		return u.setBack(&a)
	})
	if err != nil {
		return res, false, err
	}
	if a.Back {
		fate = hostconf.TakenBack
	}
	l := &landing{used: u, line: a.Line}
	switch fate {
	case hostconf.Landed:
		err = l.write("landed", nil)
	case hostconf.TakenBack:
		if err = errors.Join(u.put(a.Line.Name, a.Before), u.pin(a.Names)); err == nil {
			err = l.write("failed", errors.New("it was broken off, and is taken back"))
		}
	default:
		err = l.write("unknown", errors.New("it was broken off, and it cannot be told what came of it"))
	}
	if err != nil {
		return res, false, err
	}
	return res, fate != hostconf.Landed, u.remove(attempted)
}

// raise writes down that none that is older may be used from now on. It is done once all checks are
// over, before anything moves: who is killed after that can use the same one again.
func (l *landing) raise() error {
	l.raised = true // if it fails half way, too: then all of it is put back
	err := l.used.put(l.bundle.Name, l.bundle.After(l.before))
	if err == nil {
		err = l.used.pin([]string{l.bundle.Name})
	}
	return err
}

// errOver is the error of who comes after all is over.
var errOver = errors.New("its time was over")

// end writes down what came of it. What has not landed is not what was used last.
func (l *landing) end(failed error) error {
	defer l.close()
	l.raising.Lock()
	defer l.raising.Unlock()
	l.over = true
	var err error
	switch {
	case failed == nil && !l.raised:
		err = l.raise()
	case failed != nil && l.raised && !errors.Is(failed, hostconf.ErrHalf):
		err = errors.Join(l.used.put(l.bundle.Name, l.before), l.used.pin(l.names))
	}
	outcome := "landed"
	if failed != nil {
		outcome = "failed"
	}
	if err = errors.Join(err, l.write(outcome, failed)); err == nil && !errors.Is(failed, hostconf.ErrHalf) {
		err = l.used.remove(attempted)
	}
	return err
}

func (l *landing) write(outcome string, failed error) error {
	line := l.line
	line.Time, line.Outcome = time.Now().UTC(), outcome
	if failed != nil {
		line.Error = tmux.OneLine(failed.Error())
	}
	entry, err := json.Marshal(line)
	failpoint.Step("bundle log " + outcome)
	if err == nil {
		_, err = l.used.log.Write(append(entry, '\n'))
	}
	if err == nil {
		err = l.used.log.Sync()
	}
	return err
}

func (l *landing) close() {
	_ = l.used.dir.RemoveAll(unpacked) // what is left there the next one removes
	l.used.close()
}

// open opens the bundle. All of it hangs on the keys, so nobody else may have written those.
func (b bundleFlags) open(root string) (*bundle.Bundle, error) {
	name, in, path := filepath.Join("/", root, bundleKeys), root, bundleKeys
	if b.keys != "" {
		at, err := filepath.Abs(b.keys)
		if err != nil {
			return nil, keysError(err)
		}
		name, in, path = b.keys, filepath.Dir(at), "/"+filepath.Base(at)
	}
	text, err := hostconf.ReadTrusted(in, path, maxKeys)
	if err != nil {
		return nil, keysError(err)
	}
	return openBundle(b.file, name, text)
}

// used is what was used on a host: a file for each name of bundles, and a log.
type used struct {
	dir *os.Root
	log *os.File
}

// openUsed opens it, and holds it: one apply of a bundle at a time.
func openUsed(root string) (*used, error) {
	dir, err := hostconf.OpenOwn(root, bundleState)
	if err != nil {
		return nil, err
	}
	u := &used{dir: dir}
	if u.log, err = dir.OpenFile("log.jsonl", os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
		dir.Close()
		return nil, err
	}
	if err := unix.Flock(int(u.log.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		u.close()
		return nil, fmt.Errorf("another apply of a bundle is going on: %w", err)
	}
	return u, nil
}

func (u *used) close() {
	if u.log != nil {
		_ = u.log.Close()
	}
	_ = u.dir.Close()
}

// seen is what was used of a name.
func (u *used) seen(name string) (bundle.Seen, error) {
	var s bundle.Seen
	f, err := u.dir.Open(name + ".json")
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 1<<16))
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err == nil && s.Serial == 0 {
		err = errors.New("it has no serial")
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", filepath.Join(bundleState, name+".json"), err)
	}
	return s, err
}

// pinned has the name of the bundles that this host takes.
const pinned = "name"

// names are those of bundles that this host takes; none if none was used.
func (u *used) names() (out []string, err error) {
	f, err := u.dir.Open(pinned)
	if err == nil {
		defer f.Close()
		data, err := io.ReadAll(io.LimitReader(f, 1<<16))
		return strings.Fields(string(data)), err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	d, err := u.dir.Open(".") // of before there were such files
	if err != nil {
		return nil, err
	}
	defer d.Close()
	all, err := d.Readdirnames(-1)
	for _, n := range all {
		if name, ok := strings.CutSuffix(n, ".json"); ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out, err
}

func (u *used) pin(names []string) error {
	if len(names) == 0 {
		return u.remove(pinned)
	}
	return u.write(pinned, []byte(strings.Join(names, "\n")+"\n"))
}

// put writes down what was used last of a name; the zero value is that nothing was.
func (u *used) put(name string, seen bundle.Seen) error {
	if seen.Serial == 0 {
		return u.remove(name + ".json")
	}
	data, err := json.Marshal(seen)
	if err != nil {
		return err
	}
	return u.write(name+".json", append(data, '\n'))
}

func (u *used) remove(name string) error {
	failpoint.Step("bundle remove " + name)
	if err := u.dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return u.sync()
}

func (u *used) write(name string, data []byte) error {
	f, err := u.dir.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	failpoint.Step("bundle write " + name)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = u.dir.Rename(name+".new", name)
	}
	if err != nil {
		return err
	}
	return u.sync()
}

func (u *used) sync() error {
	d, err := u.dir.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
