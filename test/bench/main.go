// Command bench measures what a person feels: muxward beside raw tmux on the
// same server, in one run, as ratios of interleaved pairs. `make bench` runs
// it; nothing here is a test.
//
// Start reading at run.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"time"
)

func main() {
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case "pane":
			paneProgram(os.Args[2], os.Args[3:]...)
			return
		case "relay":
			relayProgram(os.Args[2:])
			return
		case "crowd":
			crowdProgram(os.Args[2:])
			return
		}
	}
	bin := flag.String("muxward", "bin/muxward", "the `program` to measure")
	quick := flag.Bool("quick", false, "a tenth of the samples")
	only := flag.String("only", "", "only measurements whose name contains `text`")
	flag.Parse()
	if err := run(*bin, *quick, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// measurement is one line of the report.
type measurement struct {
	name string
	goal string
	run  func(*bed, int) (string, error)
	n    int
}

func run(bin string, quick bool, only string) error {
	b, err := newBed(bin, 0)
	if err != nil {
		return err
	}
	defer b.close()
	fmt.Printf("%s, %d cores, load %s, tmux %s\n", runtime.Version(), runtime.NumCPU(), load(), b.version)
	fmt.Printf("%-34s %-44s %s\n", "", "raw → muxward (ratio of medians of pairs)", "goal")
	for _, m := range measurements() {
		if !strings.Contains(m.name, only) {
			continue
		}
		n := m.n
		if quick {
			n = max(n/10, 3)
		}
		text, err := m.run(b, n)
		if err != nil {
			why, _ := os.ReadFile(filepath.Join(b.dir, "serve.log"))
			why = why[max(0, len(why)-1024):] // the last of it
			return fmt.Errorf("%s: %w\nmuxward said: %s", m.name, err, why)
		}
		fmt.Printf("%-34s %-44s %s\n", m.name, text, m.goal)
	}
	fmt.Printf("load at the end %s; a ratio under load above 2 says little\n", load())
	return nil
}

func measurements() []measurement {
	return []measurement{
		// First, while this program is small: a child's most memory begins with its parent's (getrusage(2)).
		{"sockets scan: 100", "", scan(100), 20},
		{"sockets scan: 1,000", "", scan(1000), 20},
		{"sockets scan: 10,000, 2,000 processes", "≤ 300 ms, ≤ 64 MiB", scan(10_000), 20},
		{"key to echo, raw beside raw", "the noise", keyToEchoNoise, 1000},
		{"key to echo, bare relay", "no authorization at all", keyToEchoRelay, 1000},
		{"key to echo, owner", "p50 ≤ 1.5×, p99 ≤ 1.5×", keyToEchoOwner, 2000},
		{"key to echo, typist", "", keyToEchoTypist, 2000},
		{"50 guests at once: key to echo", "", guestsAtOnce, 10},
		{"attach to first full screen", "≤ 1.4×", attachTime, 60},
		{"command, bare relay", "no authorization at all", commandPassing(false, "display-message", "-p", "hello"), 200},
		{"command, bare relay and one flush", "as above, and to disk first", commandPassing(true, "display-message", "-p", "hello"), 200},
		{"command display-message", "≤ 1.15×", commandOne("display-message", "-p", "hello"), 200},
		{"command list-sessions", "≤ 1.15×", commandOne("list-sessions"), 200},
		{"command send-keys", "≤ 1.15×", commandOne("send-keys", "-t", "bench:idle", ""), 200},
		{"2,000 full redraws", "≤ 1.1×", redraws, 5},
		{"memory per idle attached person", "≤ 256 KiB", memory, 50},
		{"revoke with 100 attached", "p99 ≤ 5 ms", revoke, 200},
		{"1,000 attached, 10,000 grants", "revoke, lockdown ≤ 10 ms, first key ≤ 20 ms", livingCrowd(0), 200},
		{"1,000 attached to 20 servers", "the same", livingCrowd(livingHomes), 200},
		{"ssh: key to echo", "p50, p99 ≤ 1.0×", sshKeyToEcho, 1000},
		{"ssh: connect to first screen", "≤ 0.15×", sshAttachTime, 30},
		{"ssh: handshakes", "≥ 8×", sshHandshakes, 400},
		{"ssh: 2,000 full redraws", "≤ 1.0×", sshRedraws, 5},
		{"ssh: memory per attached person", "≤ 1/8", sshMemory, 200},
		{"ssh: keys beside a crowd", "as idle", sshCrowd, 1000},
		{"decision uncached, 1,000 grants", "≤ 5 µs", decisions, 1},
		{"record must / best effort", "", records, 300},
		{"sockets watch: a crash is told", "≤ 1 s", watchCrash, 10},
		{"sockets watch: idle", "≤ 0.1 %", watchIdle, 90},
		{"disk: one write and flush", "in each command", flushes, 300},
	}
}

func load() string {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(data))[0]
}

// series is a set of durations.
type series []time.Duration

func (s series) at(p float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := append(series(nil), s...)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i] < sorted[j] })
	return sorted[min(int(p*float64(len(sorted))), len(sorted)-1)]
}

// compare tells two interleaved series as medians, 99th percentiles and their
// ratios.
func compare(raw, ours series) string {
	r50, o50, r99, o99 := raw.at(.5), ours.at(.5), raw.at(.99), ours.at(.99)
	return fmt.Sprintf("p50 %s → %s (%.2f×)  p99 %s → %s (%.2f×)",
		short(r50), short(o50), ratio(o50, r50), short(r99), short(o99), ratio(o99, r99))
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(max(b, 1)) }

func short(d time.Duration) string {
	switch {
	case d < 10*time.Microsecond:
		return fmt.Sprintf("%d ns", d.Nanoseconds())
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}
