package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/hostconf"
	"github.com/muxward/muxward/internal/hostconf/hostcheck"
	"github.com/muxward/muxward/internal/hostconf/hostfile"
	"github.com/muxward/muxward/internal/tmux"
)

// hostPatience is how long each check and each program of an apply may take.
const hostPatience = time.Minute

// contextFor bounds a step of a command.
func contextFor(cmd *cobra.Command, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(cmd.Context(), d)
}

// hostFlags are those of what compares a host with its files.
type hostFlags struct {
	name, root string
	noOwners   bool
	json       bool
}

func (f *hostFlags) add(cmd *cobra.Command) {
	f.addRoot(cmd)
	cmd.Flags().StringVar(&f.name, "host", "", "the `name` of this host in DIR (default: what hostname says)")
	cmd.Flags().BoolVar(&f.noOwners, "no-owners", false, "leave owners and accounts out")
}

func (f *hostFlags) addRoot(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.root, "root", "", "look at and change the tree in this `directory` in the place of /")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	_ = cmd.MarkFlagDirname("root")
}

// wanted is a host as its files say, and how to bring it about.
type wanted struct {
	found *hostfile.Found
	state hostconf.State // once it was asked for
	opt   hostconf.Options
}

// wish says what the files say of the host as it is.
func (w *wanted) wish(v *hostconf.View) (s hostconf.State, err error) {
	if s, err = w.found.Wish(v); err != nil {
		return s, usageError{err}
	}
	w.state = s
	return s, nil
}

// load reads what the files say of this host.
func (f *hostFlags) load(cmd *cobra.Command, dir string, strict bool) (*wanted, error) {
	name, err := nameOf(dir, f.name)
	if err != nil {
		return nil, usageError{err}
	}
	found, err := hostfile.Load(dir, name, strict)
	if err != nil {
		return nil, hostFileError(dir, err)
	}
	root, err := f.rootDir()
	if err != nil {
		return nil, err
	}
	return &wanted{found: found, opt: f.options(cmd, root, found)}, nil
}

// rootDir is the directory that stands for /, absolute.
func (f *hostFlags) rootDir() (string, error) {
	if f.root == "" {
		return "", nil
	}
	root, err := filepath.Abs(f.root)
	if err == nil {
		var info os.FileInfo
		if info, err = os.Stat(root); err == nil && !info.IsDir() {
			err = fmt.Errorf("%s is no directory", root)
		}
	}
	if err != nil {
		return "", usageError{fmt.Errorf("--root: %w", err)}
	}
	if root == "/" {
		return "", nil
	}
	return root, nil
}

func (f *hostFlags) options(cmd *cobra.Command, root string, found *hostfile.Found) hostconf.Options {
	tell := func(line string) { fmt.Fprintln(cmd.ErrOrStderr(), "muxward:", tmux.OneLine(line)) }
	var own map[string]string
	if found.Host.Policy.Directory != "" {
		own = found.PolicyFiles()
	}
	return hostconf.Options{Root: root, NoOwners: f.noOwners, Patience: hostPatience, Checks: append(hostcheck.For(found, tell), runsAs(root, own), runsOthers(root, f.noOwners), asksPAM(root)), Tell: tell,
		Recovering: takingBack(root), Returning: returning(root, f.noOwners)}
}

// errDrift is that of a plan that has something to do: exit code 2.
type errDrift struct{ error }

// planned is what `host plan --json` prints.
type planned struct {
	Schema int      `json:"schema"`
	Host   string   `json:"host"`
	Layers []string `json:"layers"`
	Drift  bool     `json:"drift"`
	hostconf.Plan
	// Sockets is nothing where the files do not say what is to be mended of them.
	Sockets *socketPart `json:"sockets,omitempty"`
}

// drifts reports whether an apply would do something, or could not.
func (p planned) drifts() bool { return p.Plan.Drift() || p.Sockets != nil && p.Sockets.differ() }

func newHostPlanCmd() *cobra.Command {
	var f hostFlags
	var many fleetFlags
	var quiet bool
	cmd := &cobra.Command{
		Use:   "plan [DIR]",
		Short: "tell what differs on this host, and why it matters",
		Long: `Compares this host with what the files in DIR (default: here) say of it, and changes
nothing. It sees what its caller may see: run it as root. It refuses then what apply
refuses: files that others may write to.

An apply that was broken off is told of, with how far it came: the next apply takes it
back first.

What the files have under sockets: mend: are differences, too: sockets of tmux and directories
of them that are open for others, wherever they are, as muxward sockets scan finds them. One
that is for people to mend, as it lies outside of tmux's own directories or has a second name,
is one as well, called blocked. Other warnings, or worse, are listed, and are for people.

With --hosts the hosts of an inventory are asked over the system's ssh, several at once:
each line is [USER@]HOST, and what the host is called in DIR, if that is not what hostname
says there. DIR goes along with the question, so that the hosts need muxward and nothing
else; nothing of them is changed. ssh has to come in without a password. What a host says
is bounded, and shown without what a terminal would obey.

Exit codes, of this command alone: 0 nothing differs; 2 something does; 1 it could not be
told, of any of the hosts, also where the command line or a file is wrong.`,
		Example: `  sudo muxward host plan hosts
  muxward host plan hosts --root /srv/image --no-owners
  sudo muxward host plan hosts --json | jq -r '.changes[] | .do + " " + .item.path'
  muxward host plan hosts --hosts inventory --sudo
  muxward host plan hosts --hosts inventory --json | jq -r '.hosts[] | select(.outcome != "same") | .host'`,
		Args: atMostOne("one directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := dirOf(args)
			if err := many.check(f, cmd); err != nil {
				return err
			}
			if many.inventory != "" {
				return many.run(cmd, dir, f.json, quiet)
			}
			remove := func() {}
			if many.sent {
				sent, done, err := receive(cmd.InOrStdin())
				if err != nil {
					return err
				}
				defer done()
				dir, remove = sent, done
			}
			w, err := f.load(cmd, dir, asRoot())
			if err != nil {
				return plainError(err)
			}
			plan, err := hostconf.Compare(cmd.Context(), w.wish, w.opt)
			if err != nil {
				return plainError(err)
			}
			all, err := w.planned(cmd.Context(), plan)
			if err != nil {
				return plainError(err)
			}
			remove() // before anything is said: whoever asked may be gone, and SIGPIPE ends us
			if f.json {
				err = printJSON(cmd, all)
			} else {
				err = printHostPlan(newPaint(cmd), all, quiet)
			}
			if err == nil && all.Drift {
				err = errDrift{errors.New("this host differs from what its files say; muxward host apply mends it")}
			}
			return err
		},
	}
	f.add(cmd)
	many.add(cmd)
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "leave out diffs")
	cmd.SetFlagErrorFunc(flagError)
	return cmd
}

// flagError is an error of the flags that is no usage error: its exit code is 1.
func flagError(c *cobra.Command, err error) error {
	return fmt.Errorf("%w; see %s --help", err, c.CommandPath())
}

// planned is a plan with what there is about sockets.
func (w *wanted) planned(ctx context.Context, plan hostconf.Plan) (all planned, err error) {
	all = planned{Schema: 1, Host: w.found.Name, Layers: w.found.Layers, Plan: plan}
	all.Sockets, err = w.sockets(ctx)
	all.Drift = all.drifts()
	return all, err
}

// plainError is an error whose exit code is 1 whatever it is about: 2 says that a plan has
// something to do, and nothing else.
func plainError(err error) error {
	var u usageError
	if errors.As(err, &u) {
		return u.error
	}
	return err
}

// thing names an item.
func thing(i hostconf.Item) string {
	if i.Path != "" {
		return i.Path
	}
	return string(i.Kind) + " " + i.Name
}

func printHostPlan(p paint, all planned, quiet bool) error {
	plan := all.Plan
	if b := plan.Broken; b != nil {
		what, more := "an apply", "the next apply takes it back first"
		if b.Undoing {
			what, more = "an undo", "the next one goes on with it"
		}
		if b.Running {
			more = "it is going on right now"
		}
		p.printf("%s %s of %s did not come to its end: %d of %d steps had reached the host; %s\n", p.bad("broken off:"), what,
			b.Began.Format(time.DateTime), b.Moved, b.Steps, more)
	}
	count := map[hostconf.Doing]int{}
	for _, c := range plan.Changes {
		count[c.Do]++
		printHostChange(p, c, quiet)
	}
	if all.Sockets != nil {
		all.Sockets.print(p)
	}
	sum := fmt.Sprintf("%s: %d to make, %d to change, %d to remove, %d blocked; %d are as they should be", all.Host,
		count[hostconf.Make], count[hostconf.Mend], count[hostconf.Remove], count[hostconf.Block], plan.Same)
	if n := count[hostconf.Skip]; n > 0 {
		sum += fmt.Sprintf(", %d do not apply here", n)
	}
	if n := count[hostconf.Keep]; n > 0 {
		sum += fmt.Sprintf(", %d are kept as somebody has changed them", n)
	}
	if s := all.Sockets; s != nil && s.differ() {
		sum += fmt.Sprintf("; of sockets %d to mend, %d for people", len(s.Mend)+s.MoreMend, len(s.Blocked)+s.MoreBlocked)
	}
	if all.drifts() {
		return p.printf("%s\n", p.bad(tmux.OneLine(sum)))
	}
	return p.printf("%s\n", p.good(tmux.OneLine(sum)))
}

func printHostChange(p paint, c hostconf.Change, quiet bool) {
	do := string(c.Do)
	switch c.Do {
	case hostconf.Make:
		do = p.good(do)
	case hostconf.Remove, hostconf.Block:
		do = p.bad(do)
	case hostconf.Keep, hostconf.Skip:
		do = p.dim(do)
	}
	p.printf("%s %s %s\n    why: %s\n", c.Item.ID, do, tmux.OneLine(thing(c.Item)), tmux.OneLine(c.Item.Why))
	if c.Reason != "" {
		p.printf("    %s\n", tmux.OneLine(c.Reason))
	}
	for _, d := range c.Differs {
		switch {
		case d.Have == "" && d.Want == "":
			p.printf("    %s\n", d.What)
		default:
			p.printf("    %s: it is %s, and should be %s\n", d.What, tmux.OneLine(orNone(d.Have)), tmux.OneLine(orNone(d.Want)))
		}
	}
	if c.Diff == "" || quiet {
		return
	}
	for line := range strings.Lines(cleanLines(strings.TrimSuffix(c.Diff, "\n"))) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "+"):
			line = p.good(line)
		case strings.HasPrefix(line, "-"):
			line = p.bad(line)
		}
		p.printf("    %s\n", line)
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func newHostApplyCmd() *cobra.Command {
	var f hostFlags
	var b bundleFlags
	cmd := &cobra.Command{
		Use:   "apply [DIR | --bundle FILE]",
		Short: "bring this host into the state that its files describe",
		Long: `Brings this host into the state that the files in DIR (default: here) describe. Before
anything moves, the policy is loaded and passes its own tests, tmux's configuration is run
by a tmux server of its own, and sshd reads its part, where there is one: what is broken
never lands. Each file is put in its place at once, and what was there is kept. An
apply that is broken off, by kill -9 too, is taken back by the next one.

Last, what the files say of sockets is mended, as by muxward sockets fix, for two minutes at
most: no session is ended, and muxward host undo does not open them again. Where one of them
is not mended, or is for people to mend, the exit code is 1.

If a muxward serves here, it is asked afterwards how it is, and whether it has taken the
policy. If it is not well, and was before, everything is put back. Changed settings of
muxward itself (/etc/muxward/muxward.yaml) count when it is started again.

Files that others may write to are not applied, be it by a group that is not their
owner's alone, nor such as belong to anybody but root, the caller, or who calls sudo. What
somebody puts in its way meanwhile has everything put back. A second apply changes nothing.

With --bundle the directory comes out of a signed file, which is used if it is whole,
signed by a key of /etc/muxward/bundle.keys, for this host, not expired, and not older
than the last one that has landed. The first one says what bundles of this host are called:
--allow-name REASON takes one of another name, and from then on that name; --allow-older
REASON takes one that is older, and nothing else. /var/lib/muxward-bundles/log.jsonl has a
line of each that is tried, with that reason, and one of what came of it. --host says which
file of hosts/ is meant, not which bundles are for this host.

Nobody else than root and the caller may be able to write to that file of keys.

Exit codes: 0 the host is as its files say; 1 it is as before, and the error says why, or
what is not; 2 the command line or a file is wrong.`,
		Example: `  sudo muxward host apply hosts
  muxward host apply hosts --root /srv/image --no-owners
  sudo muxward host apply --bundle prod.bundle`,
		Args: atMostOne("one directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if b.file == "" {
				if b.keys != "" || b.older != "" || b.other != "" {
					return usageError{errors.New("--bundle-keys, --allow-older and --allow-name are for --bundle")}
				}
				root, err := f.rootDir()
				if err != nil {
					return err
				}
				first, _, err := settleFirst(cmd.Context(), f.settling(cmd, root))
				if err != nil {
					return err
				}
				w, result, err := f.apply(cmd, dirOf(args), nil)
				if err != nil {
					return err
				}
				return f.endApply(cmd, w, behind(first, result))
			}
			if len(args) > 0 {
				return usageError{errors.New("give a directory or --bundle, not both")}
			}
			l, err := f.unpack(cmd, b)
			if err != nil {
				return err
			}
			w, result, err := f.apply(cmd, l.dir, l)
			ended := l.end(err)
			if err == nil { // it has landed, whether it can be told or not
				err = f.endApply(cmd, w, behind(l.settled, result))
			}
			return errors.Join(err, ended)
		},
	}
	f.add(cmd)
	b.add(cmd)
	return cmd
}

// apply brings the host into the state that the files in a directory describe.
func (f *hostFlags) apply(cmd *cobra.Command, dir string, l *landing) (*wanted, hostconf.Result, error) {
	w, err := f.load(cmd, dir, true)
	if err != nil {
		return nil, hostconf.Result{}, err
	}
	watchHealth(w)
	if l != nil {
		w.opt.Checks = append(w.opt.Checks, hostconf.Check{Name: "what is written down of bundles", Run: func(context.Context, string) error { return l.try(w.opt) }})
	}
	result, err := hostconf.Apply(cmd.Context(), w.wish, w.opt)
	if err != nil {
		return w, result, fmt.Errorf("apply: %w", err)
	}
	return w, result, nil
}

// endApply mends what the files say of sockets, once they are in force, and tells of all.
func (f *hostFlags) endApply(cmd *cobra.Command, w *wanted, r hostconf.Result) error {
	done, err := w.mendSockets(cmd)
	if err != nil {
		err = fmt.Errorf("the files have landed; of the sockets: %w", err)
	}
	return errors.Join(f.printResult(cmd, applied{r, done}, "applied", "this host is as its files say"), err)
}

func (f *hostFlags) printResult(cmd *cobra.Command, r applied, did, nothing string) error {
	if f.json {
		return printJSON(cmd, r)
	}
	p := newPaint(cmd)
	if b := r.Recovered; b != nil {
		p.printf("what was broken off at %s was taken back first\n", b.Began.Format(time.DateTime))
	}
	back := ""
	if did == putBack {
		back = "undone: "
	}
	for _, c := range r.Done {
		p.printf("%s %s%s %s\n", c.Item.ID, back, c.Do, tmux.OneLine(thing(c.Item)))
	}
	for _, c := range r.Left {
		p.printf("%s\n", p.dim(tmux.OneLine(fmt.Sprintf("%s %s %s: %s", c.Item.ID, c.Do, thing(c.Item), c.Reason))))
	}
	for _, d := range r.Sockets {
		printDone(p, d)
	}
	n := len(r.Done) + len(r.Sockets)
	if n == 0 {
		return p.printf("%s\n", p.good("nothing to do: "+nothing))
	}
	return p.printf("%s\n", p.good(fmt.Sprintf("%s: %d changes", did, n)))
}

// putBack is what an undo did.
const putBack = "put back"

func newHostUndoCmd() *cobra.Command {
	var f hostFlags
	cmd := &cobra.Command{
		Use:   "undo",
		Short: "put back what the last apply has done",
		Long: `Puts back what the last muxward host apply has done. What somebody has changed since
is left as it is, and named. Called again, it puts back the apply before that one. Of an
apply that was broken off it takes back what was done, and no more.

Where muxward would run as root again by what comes back, and its state is the account's
that it runs as now, nothing is put back: stop muxward, have muxward-helper give-back give
the state to root, and undo then. An account that has something in its state stays.`,
		Example: `  sudo muxward host undo`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			root, err := f.rootDir()
			if err != nil {
				return err
			}
			o := f.settling(cmd, root)
			r, ended, err := settleFirst(cmd.Context(), o)
			if err == nil && !ended && r.Recovered == nil { // else that was it
				r, err = hostconf.Undo(cmd.Context(), hostfile.Set, o)
			}
			if err != nil {
				return err
			}
			return f.printResult(cmd, applied{Result: r}, putBack, "nothing was changed")
		},
	}
	f.addRoot(cmd)
	cmd.Flags().BoolVar(&f.noOwners, "no-owners", false, "leave owners and accounts out")
	return cmd
}
