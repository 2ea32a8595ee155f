package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/hostconf"
	"github.com/muxward/muxward/internal/hostconf/hostfile"
	"github.com/muxward/muxward/internal/hostconf/proof"
	"github.com/muxward/muxward/internal/procfs"
	"github.com/muxward/muxward/internal/sockets"
	"github.com/muxward/muxward/internal/tmux"
)

// checkup is one line of what doctor tells.
type checkup struct {
	proof.Proof
	// Part is kernel, muxward, files or sockets.
	Part string `json:"part"`
	// Score is 0 to 100, of what could be told.
	Score int `json:"score"`
	// Maps are the items of benchmarks that ask for the same.
	Maps []benchmarkItem `json:"maps,omitempty"`
}

// benchmarkItem is an item of a published benchmark.
type benchmarkItem struct {
	Benchmark string `json:"benchmark"`
	ID        string `json:"id"`
	Note      string `json:"note,omitempty"`
}

// examined is what `doctor --json` prints.
type examined struct {
	Schema   int       `json:"schema"`
	Host     string    `json:"host"`
	Time     time.Time `json:"time"`
	Score    int       `json:"score"`
	Holds    int       `json:"holds"`
	Broken   int       `json:"broken"`
	Unknown  int       `json:"unknown"`
	Controls []checkup `json:"controls"`
}

func newDoctorCmd() *cobra.Command {
	var f verifyFlags
	var brief bool
	cmd := &cobra.Command{
		Use:   "doctor [DIR]",
		Short: "tell on one page what holds on this host, and what does not",
		Long: `Tells on one page how this host is: what the kernel has of what promises rest on,
whether a muxward serves and its doors hold (as muxward host verify), what differs from
the files in DIR (as muxward host plan), and what is wrong with tmux's sockets (as muxward
sockets scan). It changes nothing, except that a session is opened and ended for each
account of --as. Without DIR it is here, if there are any; root has to name it, and files
that others may write to are refused then.

Each control has a score: 100 if it holds, 0 if not; of files and settings the part that
is as it should be. The host's is their mean, of what could be told. It is no measure of
safety: one open socket is one too many.

Items of benchmarks are named where they ask for the same thing. DISA has withdrawn those
on tmux's locks (V2R1 of the STIG for RHEL 8, V2R2 of that for RHEL 9). No item of CIS is
about tmux.

Exit codes: 0 everything holds; 1 something does not; 2 the command line or a file is
wrong; 3 nothing is broken, and not everything could be told.`,
		Example: `  sudo muxward doctor hosts --as alice
  sudo muxward doctor --json | jq '.controls[] | select(.outcome == "broken") | .id'`,
		Args: atMostOne("one directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := f.maybeLoad(args)
			if err != nil {
				return err
			}
			e, err := f.examine(cmd, args, found)
			if err != nil {
				return err
			}
			if f.json {
				err = printJSON(cmd, e)
			} else {
				err = printExamined(newPaint(cmd), e, brief)
			}
			proofs := make([]proof.Proof, len(e.Controls))
			for i, c := range e.Controls {
				proofs[i] = c.Proof
			}
			return proofError(err, proofs)
		},
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&brief, "brief", "b", false, "leave out what holds")
	cmd.Flags().StringVar(&f.name, "host", "", "the `name` of this host in DIR (default: what hostname says)")
	f.addVerify(cmd)
	return cmd
}

// examine looks at everything.
func (f *verifyFlags) examine(cmd *cobra.Command, args []string, found *hostfile.Found) (examined, error) {
	ctx, cancel := contextFor(cmd, 2*verifyTime)
	defer cancel()
	e := examined{Schema: 1, Time: time.Now().UTC().Truncate(time.Second)}
	e.Host, _ = os.Hostname()
	for _, p := range proof.Kernel() {
		e.Controls = append(e.Controls, checkup{Proof: p, Part: "kernel"})
	}
	proofs, err := f.prove(ctx, found)
	if err != nil {
		return e, err
	}
	for _, p := range proofs {
		e.Controls = append(e.Controls, checkup{Proof: p, Part: "muxward"})
	}
	if p, serves := f.rightsOf(ctx, found); serves {
		e.Controls = append(e.Controls, checkup{Proof: p, Part: "muxward"})
	}
	e.Controls = append(e.Controls, accountControls("")...)
	files, err := f.filesControls(ctx, cmd, args, found)
	if err != nil {
		return e, err
	}
	e.Controls = append(e.Controls, files...)
	e.Controls = append(e.Controls, socketControls(ctx)...)
	e.sum()
	return e, nil
}

// rightsOf tells as whom the muxward runs that serves this host, as the kernel has it. One that does not
// answer has ended, and its number may be another process's: MW-V001 says so. One that is for root's own tmux
// alone is root's.
func (f *verifyFlags) rightsOf(ctx context.Context, found *hostfile.Found) (proof.Proof, bool) {
	state, err := f.stateOf(found)
	if err != nil {
		return proof.Proof{}, false
	}
	at, err := config.FindServing(state)
	if err != nil {
		return proof.Proof{}, false
	}
	if _, up, _ := askStatus(ctx, state); !up {
		return proof.Proof{}, false
	}
	if c, err := config.Load(at.File); err == nil && c.User {
		return proof.Proof{}, false
	}
	return rightsOf(at.PID), true
}

// rightsOf tells as whom a muxward runs.
func rightsOf(pid int) proof.Proof {
	p := proof.Proof{ID: "MW-V002", Title: "the muxward that people speak with has none of root's rights", Outcome: proof.Holds,
		Lost: "whoever takes it over is root: muxward setup --separated (or account: muxward under serve in host.yaml, and muxward host apply), then systemctl restart muxward"}
	uid, err := procfs.RealUID(pid)
	switch {
	case err != nil:
		p.Outcome, p.Evidence = proof.Unknown, []string{err.Error()}
	case uid == 0:
		p.Outcome, p.Evidence = proof.Broken, []string{fmt.Sprintf("process %d runs as root", pid)}
	default:
		p.Evidence = []string{fmt.Sprintf("process %d runs as uid %d", pid, uid)}
	}
	return p
}

// sum gives each control its score, if it has none, and the host's.
func (e *examined) sum() {
	total, n := 0, 0
	for i := range e.Controls {
		c := &e.Controls[i]
		switch c.Outcome {
		case proof.Holds:
			c.Score = 100
			e.Holds++
		case proof.Broken:
			e.Broken++
		default:
			if c.Outcome == proof.Unknown {
				e.Unknown++
			}
			continue
		}
		total, n = total+c.Score, n+1
	}
	if n > 0 {
		e.Score = total / n
	}
}

// filesControls makes a control of each id of the plan.
func (f *verifyFlags) filesControls(ctx context.Context, cmd *cobra.Command, args []string, found *hostfile.Found) ([]checkup, error) {
	unknown := func(why string) []checkup {
		return []checkup{{Part: "files", Proof: proof.Proof{ID: "MW-H100", Title: "this host is as its files say", Outcome: proof.Unknown, Evidence: []string{why}}}}
	}
	if found == nil {
		return unknown("no directory of hosts is named: muxward doctor DIR"), nil
	}
	w, err := f.load(cmd, dirOf(args), asRoot())
	if err != nil {
		return nil, err
	}
	plan, err := hostconf.Compare(ctx, w.wish, w.opt)
	if err != nil {
		return unknown(err.Error()), nil
	}
	items, bad := map[string]int{}, map[string][]string{}
	for _, i := range w.state.Items {
		items[i.ID]++
	}
	for _, c := range plan.Changes {
		if c.Do != hostconf.Keep && c.Do != hostconf.Skip {
			items[c.Item.ID] = max(items[c.Item.ID], len(bad[c.Item.ID])+1)
			bad[c.Item.ID] = append(bad[c.Item.ID], fmt.Sprintf("%s %s", c.Do, thing(c.Item)))
		}
	}
	var out []checkup
	for _, t := range hostfile.Titles() {
		n := items[t.ID]
		if n == 0 {
			continue
		}
		c := checkup{Part: "files", Proof: proof.Proof{ID: t.ID, Title: t.Title, Outcome: proof.Holds, Lost: "what the files ask for is not so; muxward host plan tells why it matters"}}
		if len(bad[t.ID]) > 0 {
			c.Outcome, c.Evidence, c.Score = proof.Broken, bad[t.ID], 100*(n-len(bad[t.ID]))/n
		}
		out = append(out, c)
	}
	if plan.Broken != nil {
		out = append(out, checkup{Part: "files", Proof: proof.Proof{ID: "MW-H100", Title: "no apply was broken off", Outcome: proof.Broken,
			Evidence: []string{fmt.Sprintf("%d of %d steps had reached the host", plan.Broken.Moved, plan.Broken.Steps)}, Lost: "the host is between two states until the next apply"}})
	}
	return out, nil
}

// socketControls makes a control of each kind of finding that counts.
func socketControls(ctx context.Context) []checkup {
	f := socketFlags{limits: sockets.DefaultLimits(), time: time.Minute}
	f.opt.Settle = 2 * time.Second
	f.limits.Locks = "rhel-9"
	r, err := f.look(ctx)
	if err != nil {
		return []checkup{{Part: "sockets", Proof: proof.Proof{ID: "MW-S000", Title: "tmux's sockets can be looked at", Outcome: proof.Unknown, Evidence: []string{err.Error()}}}}
	}
	seen := map[string][]string{}
	worst := map[string]sockets.Severity{}
	for _, x := range r.findings {
		seen[x.ID] = append(seen[x.ID], fmt.Sprintf("%s: %s", x.Path, x.Evidence))
		worst[x.ID] = max(worst[x.ID], x.Severity)
	}
	var out []checkup
	for _, rule := range sockets.Rules() {
		maps := itemsOf(rule.ID)
		c := checkup{Part: "sockets", Maps: maps, Proof: proof.Proof{ID: rule.ID, Title: "not so: " + rule.Title, Outcome: proof.Holds, Lost: rule.Why, Evidence: seen[rule.ID]}}
		switch {
		case len(seen[rule.ID]) > 0:
			c.Outcome, c.Title = proof.Broken, rule.Title
			if worst[rule.ID] < sockets.Warning && len(maps) == 0 {
				c.Outcome = proof.Skipped // it is told of, and nobody has to act
			}
			if withdrawn(maps) {
				c.Outcome = proof.Skipped
			}
		case !askedOf(rule.ID):
			if len(r.scan.Skipped) > 0 { // what was not looked at may be so
				c.Outcome, c.Evidence = proof.Unknown, []string{"not all could be looked at"}
			}
			out = append(out, c)
			continue
		default:
			continue // nobody was asked
		}
		if len(c.Evidence) > 5 {
			c.Evidence = append(c.Evidence[:5:5], fmt.Sprintf("and %d more", len(c.Evidence)-5))
		}
		out = append(out, c)
	}
	if len(r.scan.Skipped) > 0 {
		out = append(out, checkup{Part: "sockets", Proof: proof.Proof{ID: "MW-S000", Title: "all of tmux's sockets could be looked at", Outcome: proof.Unknown, Evidence: []string{"muxward sockets scan names what could not"}}})
	}
	return out
}

// askedOf reports whether a finding is of what servers say when they are asked, which doctor
// does not do.
func askedOf(id string) bool {
	return id >= "MW-S022" && id <= "MW-S029"
}

// withdrawn reports whether items of benchmarks are all withdrawn.
func withdrawn(maps []benchmarkItem) bool {
	return len(maps) > 0 && !slices.ContainsFunc(maps, func(m benchmarkItem) bool { return !strings.HasPrefix(m.Note, "withdrawn") })
}

// itemsOf names the items of benchmarks that ask for what a finding is about: their ids and
// titles were read in the release that is named.
func itemsOf(id string) []benchmarkItem {
	if id == "MW-S006" {
		return []benchmarkItem{{"DISA STIG for RHEL 9", "RHEL-09-232245", "the sticky bit on public directories; here only those above tmux's sockets are looked at"}}
	}
	var out []benchmarkItem
	for _, b := range sockets.Benchmarks() {
		item, ok := map[string]string{"MW-S031": b.After, "MW-S032": b.Command, "MW-S033": b.Shell, "MW-S034": b.Start}[id]
		if ok {
			out = append(out, benchmarkItem{b.Title, item, "withdrawn in " + b.Withdrawn})
		}
	}
	return out
}

func printExamined(p paint, e examined, brief bool) error {
	part, held := "", 0
	for _, c := range e.Controls {
		if c.Part != part {
			part = c.Part
			p.printf("%s\n", p.dim("— "+part))
		}
		if c.Outcome == proof.Holds {
			held++
			if brief || c.Part == "sockets" {
				continue // there are thirty of them
			}
		}
		if c.Outcome == proof.Unknown && c.Part == "sockets" && c.ID != "MW-S000" {
			continue // MW-S000 says it once
		}
		word := map[proof.Outcome]string{proof.Holds: p.good("ok  "), proof.Broken: p.bad("BAD "), proof.Unknown: p.dim("?   "), proof.Skipped: p.dim("-   ")}[c.Outcome]
		p.printf("%s %3d %s %s\n", word, c.Score, c.ID, tmux.OneLine(c.Title))
		if c.Outcome == proof.Holds {
			continue
		}
		for _, line := range c.Evidence {
			p.printf("         %s\n", tmux.OneLine(line))
		}
		if c.Outcome == proof.Broken && c.Lost != "" {
			p.printf("         so: %s\n", tmux.OneLine(c.Lost))
		}
		for _, m := range c.Maps {
			p.printf("         %s\n", p.dim(tmux.OneLine(fmt.Sprintf("%s: %s (%s)", m.Benchmark, m.ID, m.Note))))
		}
	}
	sum := fmt.Sprintf("%s: score %d of 100; %d controls hold, %d do not, %d could not be told", e.Host, e.Score, e.Holds, e.Broken, e.Unknown)
	if e.Broken > 0 {
		return p.printf("%s\n", p.bad(tmux.OneLine(sum)))
	}
	return p.printf("%s\n", p.good(tmux.OneLine(sum)))
}
