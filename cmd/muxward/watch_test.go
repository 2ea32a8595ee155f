package main

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/muxward/muxward/internal/policy"
)

// TestReloadOnce: what has changed is put in force once, whoever finds it and however
// many do at the same time, and is in force for each of them when they are done; what is
// in force is left alone; and what is broken is read again by who asks for that.
func TestReloadOnce(t *testing.T) {
	d := granter(t)
	dir := t.TempDir()
	d.config.Policy = dir
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var early atomic.Int32
	loads := func(asked ...bool) int32 {
		before := d.policy.Generation()
		var loaded atomic.Int32
		var wg sync.WaitGroup
		for _, asked := range asked {
			wg.Go(func() {
				if d.reload(t.Context(), asked) {
					loaded.Add(1)
				}
				if d.policy.Generation() == before {
					early.Add(1)
				}
			})
		}
		wg.Wait()
		return loaded.Load()
	}
	write("people.yaml", "people:\n  alice: {}\n  bob: {}\n")
	for i := range 20 {
		write("grants.yaml", "grants: []\n"+strings.Repeat("# changed\n", i))
		early.Store(0)
		if n := loads(true, false, true, false); n != 1 || early.Load() != 0 {
			t.Fatalf("a change was loaded %d times, and %d were done before", n, early.Load())
		}
		before := d.policy.Generation()
		if n := loads(true, false); n != 0 || d.policy.Generation() != before {
			t.Fatalf("what is in force was loaded %d times", n)
		}
	}
	write("grants.yaml", "grants: [{}]\n")
	if n := loads(false); n != 0 || d.policy.Broken() == nil {
		t.Fatalf("a broken policy was loaded %d times: %v", n, d.policy.Broken())
	}
	digest, err := policy.Digest(dir)
	if err != nil {
		t.Fatal(err)
	}
	write("grants.yaml", "grants: []\n")
	if d.digest, err = policy.Digest(dir); err != nil || d.digest == digest { // as if it was read while it was written
		t.Fatal(err)
	}
	if n := loads(false); n != 0 {
		t.Fatal("what nobody asks for was read again")
	}
	if n := loads(true); n != 1 || d.policy.Broken() != nil {
		t.Errorf("the mended policy was loaded %d times: %v", n, d.policy.Broken())
	}
}
