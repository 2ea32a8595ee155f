// Command muxward-helper is the only process of muxward with root's rights: it
// starts `muxward serve` as an account that has none, and does for it what is
// listed in internal/privsep/monitor/table.go, and nothing else.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/privsep/holder"
	"github.com/muxward/muxward/internal/privsep/monitor"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == monitor.HoldKeys {
		end(1, holder.Run(os.Args[2:]))
	}
	var given config.Config
	f := flag.NewFlagSet("muxward-helper", flag.ExitOnError)
	file := f.String("config", "/etc/muxward/muxward.yaml", "configuration `file`; it has account: NAME")
	f.StringVar(&given.State, "state", "", "`directory` of the log and revocations")
	f.StringVar(&given.Policy, "policy", "", "policy `directory`")
	f.StringVar(&given.Doors, "doors", "", "`directory` of the doors")
	f.StringVar(&given.Tmux, "tmux", "", "the tmux `program`")
	f.StringVar(&given.SSH.Listen, "ssh", "", "open the SSH door at this `address`")
	f.StringVar(&given.Account, "account", "", "for look and give-back: the `account` that has the state, where the configuration does not say so any more")
	f.Usage = func() {
		fmt.Fprint(os.Stderr, "muxward-helper runs muxward as an account without rights, and keeps root's.\n"+
			"Start it as root: muxward-helper --config /etc/muxward/muxward.yaml\n"+
			"muxward-helper give-back gives the state back to root, while nobody serves.\n"+
			"muxward-helper look --account NAME says what would keep the state from being handed over.\n\n")
		f.PrintDefaults()
	}
	args := os.Args[1:]
	back := len(args) > 0 && args[0] == monitor.GiveBackArg
	look := len(args) > 0 && args[0] == monitor.LookArg
	if back || look {
		args = args[1:]
	}
	_ = f.Parse(args) // ends by itself
	if f.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "muxward-helper: there is no %q; see muxward-helper --help\n", f.Arg(0))
		os.Exit(2)
	}
	if given.Account != "" && !back && !look {
		fmt.Fprintln(os.Stderr, "muxward-helper: --account is for give-back and look; to run muxward as an account, put account: NAME into the configuration")
		os.Exit(2)
	}
	if look {
		if err := monitor.Look(given, *file); err != nil {
			end(1, err)
		}
		return
	}
	if back {
		if err := monitor.GiveBack(given, *file); err != nil {
			end(1, err)
		}
		return
	}
	end(monitor.Run(given, *file))
}

func end(code int, err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "muxward-helper:", err)
	} else if len(os.Args) > 1 && os.Args[1] == monitor.HoldKeys {
		code = 0
	}
	os.Exit(code)
}
