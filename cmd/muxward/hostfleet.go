package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"github.com/muxward/muxward/internal/hostconf"
	"github.com/muxward/muxward/internal/hostconf/bundle"
	"github.com/muxward/muxward/internal/hostconf/remote"
	"github.com/muxward/muxward/internal/tmux"
)

const (
	maxPlan    = 1 << 20 // bytes of one host's plan
	maxChanges = 10000   // changes in it, and all else that it lists
	maxShown   = 60      // lines of it that people are shown
	maxWord    = 4 << 10 // bytes of a word of it; diffs may have maxDiff
	maxDiff    = 1 << 20
)

// fleetFlags are those of a plan of many hosts.
type fleetFlags struct {
	inventory string
	ssh       string // ssh's file of settings
	atOnce    int
	patience  time.Duration
	sudo      bool
	sent      bool // the other end: the directory comes on standard input
}

func (f *fleetFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.inventory, "hosts", "", "ask the hosts of this `file` over ssh, one a line; - is standard input")
	fl.StringVar(&f.ssh, "ssh-config", "", "with --hosts: ssh's `file` of settings (ssh -F)")
	fl.IntVar(&f.atOnce, "at-once", 10, "with --hosts: how many `hosts` are asked at a time")
	fl.DurationVar(&f.patience, "timeout", time.Minute, "with --hosts: how long each may take")
	fl.BoolVar(&f.sudo, "sudo", false, "with --hosts: run muxward there by sudo -n")
	fl.BoolVar(&f.sent, "sent", false, "")
	_ = fl.MarkHidden("sent")
}

// check refuses what does not go together.
func (f *fleetFlags) check(h hostFlags, cmd *cobra.Command) error {
	if f.inventory == "" {
		for _, name := range []string{"ssh-config", "at-once", "timeout", "sudo"} {
			if cmd.Flags().Changed(name) {
				return fmt.Errorf("--%s is for --hosts", name)
			}
		}
		return nil
	}
	switch {
	case h.name != "" || h.root != "" || h.noOwners || f.sent:
		return errors.New("--host, --root and --no-owners are for one host, not for --hosts")
	case f.atOnce < 1 || f.atOnce > 200:
		return errors.New("--at-once is 1 to 200")
	case f.patience < time.Second || f.patience > time.Hour:
		return errors.New("--timeout is 1s to 1h")
	}
	return nil
}

// fleetHost is what `host plan --hosts --json` prints of a host.
type fleetHost struct {
	Host string `json:"host"`
	// Outcome is same, drift or failed.
	Outcome string `json:"outcome"`
	// Error says why it could not be told.
	Error   string   `json:"error,omitempty"`
	Seconds float64  `json:"seconds"`
	Plan    *planned `json:"plan,omitempty"`
}

// fleetPlan is all of it.
type fleetPlan struct {
	Schema int         `json:"schema"`
	Same   int         `json:"same"`
	Drift  int         `json:"drift"`
	Failed int         `json:"failed"`
	Hosts  []fleetHost `json:"hosts"`
}

// run asks all hosts of the inventory.
func (f *fleetFlags) run(cmd *cobra.Command, dir string, asJSON, quiet bool) error {
	hosts, err := f.read(cmd)
	if err != nil {
		return fmt.Errorf("--hosts %s: %w", f.inventory, err)
	}
	input, err := sendable(dir)
	if err != nil {
		return fmt.Errorf("the directory of hosts %s: %w", dir, err)
	}
	progress := newProgress(cmd, hosts)
	ctx := cmd.Context()
	if !signal.Ignored(syscall.SIGHUP) { // nohup(1)
		// Each ssh is of a process group of its own: when the terminal closes it is for us to end it.
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, syscall.SIGHUP)
		defer stop()
	}
	all := fleetPlan{Schema: 1, Hosts: make([]fleetHost, len(hosts))}
	remote.Ask(ctx, hosts, remote.Options{Config: f.ssh, AtOnce: f.atOnce, Patience: f.patience,
		MaxOut: maxPlan, MaxErr: 2000, Input: input, Command: f.command, Done: func(n int, a remote.Answer) {
			all.Hosts[n] = ofAnswer(a)
			progress.done(a)
		}})
	progress.end()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("not all hosts were asked: %w", err)
	}
	for _, h := range all.Hosts {
		switch h.Outcome {
		case "same":
			all.Same++
		case "drift":
			all.Drift++
		default:
			all.Failed++
		}
	}
	if asJSON {
		err = printJSON(cmd, all)
	} else {
		err = printFleet(newPaint(cmd), all, quiet)
	}
	switch {
	case err != nil:
		return err
	case all.Failed > 0:
		return fmt.Errorf("%d of %d hosts could not be told", all.Failed, len(all.Hosts))
	case all.Drift > 0:
		return errDrift{fmt.Errorf("%d of %d hosts differ from what their files say", all.Drift, len(all.Hosts))}
	}
	return nil
}

func (f *fleetFlags) read(cmd *cobra.Command) ([]remote.Host, error) {
	if f.inventory == "-" {
		return remote.Inventory(cmd.InOrStdin())
	}
	file, err := os.Open(f.inventory)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return remote.Inventory(file)
}

// command is what a host's shell is to run: words that need no quotes (remote.Inventory).
func (f *fleetFlags) command(h remote.Host) string {
	words := []string{"muxward", "host", "plan", "--sent", "--json"}
	if f.sudo {
		words = append([]string{"sudo", "-n"}, words...)
	}
	if h.Name != "" {
		words = append(words, "--host", h.Name)
	}
	return strings.Join(words, " ")
}

// sendable is a directory of hosts as it goes to a host: a bundle, whole and bounded, of a key
// that is made for it and comes before it. What it is good for the ssh connection says.
func sendable(dir string) ([]byte, error) {
	secret, public, err := note.GenerateKey(rand.Reader, "plan")
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	data, err := bundle.Create(dir, bundle.Manifest{Name: "plan", Serial: 1, Made: now, Expires: now.Add(time.Hour), Hosts: []string{"*"}}, signer)
	return append([]byte(public+"\n"), data...), err
}

// receive gives a directory with what the other end has sent, and done removes it.
func receive(r io.Reader) (dir string, done func(), err error) {
	data, err := io.ReadAll(io.LimitReader(r, bundle.MaxSize+(1<<10)))
	if err != nil {
		return "", nil, err
	}
	public, data, _ := bytes.Cut(data, []byte("\n"))
	keys, err := bundle.Keys(append(public, '\n'))
	if err != nil {
		return "", nil, fmt.Errorf("what was sent: %w", err)
	}
	b, err := bundle.Open(data, keys)
	if err != nil {
		return "", nil, fmt.Errorf("what was sent: %w", err)
	}
	if dir, err = os.MkdirTemp("", "muxward-plan-"); err != nil {
		return "", nil, err
	}
	done = func() { _ = os.RemoveAll(dir) }
	if err := b.Extract(dir); err != nil {
		done()
		return "", nil, err
	}
	return dir, done, nil
}

// ofAnswer makes what a host has said into what is told of it. The host may be anybody's.
func ofAnswer(a remote.Answer) fleetHost {
	h := fleetHost{Host: a.Host.At, Outcome: "failed", Seconds: float64(a.Took.Milliseconds()) / 1000}
	said := cut(tmux.OneLine(strings.TrimSpace(string(a.Stderr))), 300)
	switch {
	case a.Err != nil:
		h.Error = tmux.OneLine(a.Err.Error())
	case a.Code == 255:
		h.Error = "ssh: " + cmp.Or(said, "exit code 255")
	case a.Code != exitOK && a.Code != exitDrift:
		h.Error = cmp.Or(said, fmt.Sprintf("exit code %d", a.Code))
	}
	if h.Error != "" {
		return h
	}
	var plan planned
	err := countListed(a.Out)
	if err == nil {
		err = json.Unmarshal(a.Out, &plan)
	}
	switch {
	case err == nil && plan.Schema != 1:
		err = fmt.Errorf("it has schema %d: another muxward is there", plan.Schema)
	case err == nil && plan.drifts() != (a.Code == exitDrift):
		err = fmt.Errorf("it does not go with the exit code %d", a.Code)
	}
	if err != nil {
		h.Error = cut(tmux.OneLine("its plan makes no sense: "+err.Error()), 300)
		if said != "" {
			h.Error += "; and it says: " + said
		}
		return h
	}
	plan.Host, plan.Root = h.Host, tmux.OneLine(cut(plan.Root, maxWord))
	cleanPlan(&plan)
	h.Outcome, h.Plan = "same", &plan
	if plan.Drift = plan.drifts(); plan.Drift {
		h.Outcome = "drift"
	}
	return h
}

// countListed refuses a text of JSON that lists more than maxChanges things, in whatever lists.
// That is found before anything is made of them: a change of two bytes would be one of
// hundreds here.
func countListed(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	var lists []bool // of what is open: whether it is a list
	for n := 0; ; {
		token, err := d.Token()
		switch {
		case errors.Is(err, io.EOF):
			return nil // Unmarshal says what is missing
		case err != nil:
			return err
		}
		delim, _ := token.(json.Delim)
		if delim == ']' || delim == '}' {
			lists = lists[:len(lists)-1]
			continue
		}
		if len(lists) > 0 && lists[len(lists)-1] {
			n++
		}
		if n > maxChanges {
			return fmt.Errorf("it lists more than %d things", maxChanges)
		}
		if delim != 0 {
			lists = append(lists, delim == '[')
		}
	}
}

// cut gives the beginning of a text, at most so many bytes and whole characters.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// cleanPlan leaves nothing in a plan of somebody else that a terminal would obey.
func cleanPlan(p *planned) {
	words := []*string{&p.Set}
	for i := range p.Layers {
		words = append(words, &p.Layers[i])
	}
	for i := range p.Changes {
		c := &p.Changes[i]
		it := &c.Item
		c.Diff = cleanLines(cut(c.Diff, maxDiff))
		c.Do, it.Kind = hostconf.Doing(clean(string(c.Do))), hostconf.Kind(clean(string(it.Kind)))
		words = append(words, &c.Reason, &it.ID, &it.Why, &it.Path, &it.Target, &it.Owner, &it.Group, &it.Name, &it.Home, &it.State, &it.Comment)
		for j := range c.Differs {
			words = append(words, &c.Differs[j].What, &c.Differs[j].Have, &c.Differs[j].Want)
		}
	}
	if p.Broken != nil {
		words = append(words, &p.Broken.Set)
	}
	if p.Sockets != nil {
		words = append(words, p.Sockets.words()...)
	}
	for _, w := range words {
		*w = clean(*w)
	}
}

func clean(s string) string { return tmux.OneLine(cut(s, maxWord)) }

// printFleet tells of what differs, of what could not be told, and sums up.
func printFleet(p paint, all fleetPlan, quiet bool) error {
	for _, h := range all.Hosts {
		switch h.Outcome {
		case "failed":
			p.printf("%s %s: %s\n", p.bad("?"), h.Host, h.Error)
		case "same":
			p.printf("%s %s\n", p.good("="), h.Host)
		default:
			p.printf("%s %s\n", p.bad("≠"), h.Host)
			printBounded(p, h, quiet)
		}
	}
	sum := fmt.Sprintf("%d hosts: %d are as their files say, %d differ, %d could not be told", len(all.Hosts), all.Same, all.Drift, all.Failed)
	if all.Drift+all.Failed > 0 {
		return p.printf("%s\n", p.bad(sum))
	}
	return p.printf("%s\n", p.good(sum))
}

// printBounded shows the plan of one host, and of a long one the beginning.
func printBounded(p paint, h fleetHost, quiet bool) {
	var buf bytes.Buffer
	one := &cobra.Command{}
	one.SetOut(&buf)
	_ = printHostPlan(paint{out: &strictWriter{cmd: one}, colour: p.colour}, *h.Plan, quiet)
	lines := slices.Collect(strings.Lines(buf.String()))
	for i, line := range lines {
		if i == maxShown && len(lines) > maxShown+1 {
			p.printf("    … %d more lines (--json has all)\n", len(lines)-i)
			return
		}
		p.printf("    %s", line)
	}
}

// progress tells people how many have answered, and who has not, on a terminal only.
type progress struct {
	out     *os.File
	all     int
	waiting []string
}

func newProgress(cmd *cobra.Command, hosts []remote.Host) *progress {
	p := &progress{all: len(hosts)}
	if f, ok := cmd.ErrOrStderr().(*os.File); ok && isTerminal(f) {
		p.out = f
	}
	for _, h := range hosts {
		p.waiting = append(p.waiting, h.At)
	}
	return p
}

func (p *progress) done(a remote.Answer) {
	if i := slices.Index(p.waiting, a.Host.At); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
	if p.out != nil && len(p.waiting) > 0 {
		fmt.Fprintf(p.out, "\r\x1b[K%d of %d hosts have answered; not yet: %s", p.all-len(p.waiting), p.all, tmux.Clean(cut(strings.Join(p.waiting, " "), 40)))
	}
}

func (p *progress) end() {
	if p.out != nil {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
