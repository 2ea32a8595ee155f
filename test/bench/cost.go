package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/audit"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/policy"
)

// becomeTypist takes every verb but those of a typist from us, by a policy
// file, and gives them back.
func (b *bed) becomeTypist() (undo func(), err error) {
	path := filepath.Join(b.dir, "policy", "less.cedar")
	text := `@id("less") forbid (principal, action in [Action::"configure", Action::"execute"], resource);` + "\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return nil, err
	}
	before := b.generation()
	if err := b.serve.Process.Signal(syscall.SIGHUP); err != nil {
		return nil, err
	}
	if err := b.generationAfter(before); err != nil {
		return nil, err
	}
	return func() {
		before := b.generation()
		_ = os.Remove(path)
		_ = b.serve.Process.Signal(syscall.SIGHUP)
		_ = b.generationAfter(before)
	}, nil
}

func (b *bed) generation() int {
	out, _ := b.muxward("status", "--json")
	_, after, _ := strings.Cut(string(out), `"generation":`)
	n, _ := strconv.Atoi(strings.Trim(strings.SplitN(after, ",", 2)[0], " "))
	return n
}

func (b *bed) generationAfter(old int) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if b.generation() > old {
			return nil
		}
	}
	return fmt.Errorf("the policy was not loaded: generation is still %d", old)
}

// memory is how much muxward grows for each attached person who does nothing.
func memory(b *bed, n int) (string, error) {
	before, err := b.pss()
	if err != nil {
		return "", err
	}
	people := make([]*attached, 0, n)
	defer func() {
		for _, a := range people {
			a.close()
		}
	}()
	for range n {
		a, err := b.attach(false, "attach", "-t", "bench:idle")
		if err != nil {
			return "", err
		}
		people = append(people, a)
		a.quiet()
	}
	time.Sleep(2 * time.Second)
	after, err := b.pss()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d KiB for %d people, %d KiB each", after-before, n, (after-before)/n), nil
}

// pss is muxward's proportional memory in KiB.
func (b *bed) pss() (int, error) { return pssOf(b.serve.Process.Pid) }

// pssOf is a process's proportional memory in KiB.
func pssOf(pid int) (int, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "Pss:" {
			return strconv.Atoi(f[1])
		}
	}
	return 0, fmt.Errorf("no Pss in smaps_rollup")
}

// decisions measures one question at the policy with 1,000 grants. The same
// remembered by an attached person's permit is a benchmark of the gateway.
func decisions(b *bed, _ int) (string, error) {
	set, err := policy.Load(filepath.Join(b.dir, "policy"))
	if err != nil {
		return "", err
	}
	q := access.Question{
		Who: identity.Subject{Person: "p500", UID: -1, Door: "tmux"}, Verb: access.Type, At: time.Now(),
		Object: access.Object{
			Kind: access.Pane, Owner: b.owner(), Incarnation: "x",
			Session: access.SessionRef{ID: 5, Name: "s500"}, Window: access.WindowRef{ID: 7}, Pane: access.PaneRef{ID: 9},
		},
	}
	if !set.Decide(q).Allow {
		return "", fmt.Errorf("the decision that is measured is a refusal")
	}
	uncached := testing.Benchmark(func(t *testing.B) {
		for t.Loop() {
			set.Decide(q)
		}
	})
	return fmt.Sprintf("%d ns", uncached.NsPerOp()), nil
}

func (b *bed) owner() string {
	text, err := os.ReadFile(filepath.Join(b.dir, "policy", "people.yaml"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(strings.SplitN(strings.SplitN(string(text), "\n", 2)[1], ":", 2)[0])
}

// records measures writing one event of each class.
func records(b *bed, n int) (string, error) {
	ctx := context.Background()
	log, err := audit.Open(ctx, audit.Options{Dir: filepath.Join(b.dir, "bench-audit")})
	if err != nil {
		return "", err
	}
	defer log.Close(ctx)
	var must, best series
	for range n {
		for _, c := range []struct {
			class access.Class
			to    *series
		}{{access.MustRecordClass, &must}, {access.BestEffortClass, &best}} {
			begin := time.Now()
			if _, err := log.Append(ctx, c.class, access.Event{Kind: access.EventIntent, Person: "p"}); err != nil {
				return "", err
			}
			*c.to = append(*c.to, time.Since(begin))
		}
	}
	return fmt.Sprintf("must p50 %s p99 %s, best effort p50 %s p99 %s",
		short(must.at(.5)), short(must.at(.99)), short(best.at(.5)), short(best.at(.99))), nil
}

// flushes measures what the disk under the log takes for a small write and its
// flush: every command waits for one, whatever muxward does.
func flushes(b *bed, n int) (string, error) {
	f, err := os.Create(filepath.Join(b.dir, "flush"))
	if err != nil {
		return "", err
	}
	defer f.Close()
	var s series
	for range n {
		begin := time.Now()
		if _, err := f.Write(make([]byte, 400)); err != nil {
			return "", err
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			return "", err
		}
		s = append(s, time.Since(begin))
		time.Sleep(2 * time.Millisecond)
	}
	return fmt.Sprintf("p50 %s  p99 %s", short(s.at(.5)), short(s.at(.99))), nil
}
