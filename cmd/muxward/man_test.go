package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// TestManPages keeps docs/man in step with the commands: `make man` writes
// them anew.
func TestManPages(t *testing.T) {
	dir := t.TempDir()
	root := newRoot()
	root.DisableAutoGenTag = true
	hideDefaults(root)
	header := &doc.GenManHeader{Title: "MUXWARD", Section: "1", Source: "muxward", Manual: "muxward", Date: new(time.Time)}
	if err := doc.GenManTree(root, header, dir); err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(dir + "/*.1")
	if err != nil || len(pages) < 10 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	committed := filepath.Join("..", "..", "docs", "man")
	for _, p := range pages {
		want, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		want = bytes.Replace(want, []byte(`"Jan 0001"`), []byte(`""`), 1) // no date: it would be another one each month
		at := filepath.Join(committed, filepath.Base(p))
		if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
			if err := os.WriteFile(at, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got, err := os.ReadFile(at); err != nil || string(got) != string(want) {
			t.Errorf("%s is not up to date (%v); run: make man", at, err)
		}
	}
}

var _ = flag.Bool("update", false, "write docs/man anew")

// hideDefaults keeps what differs from machine to machine out of the pages.
func hideDefaults(cmd *cobra.Command) {
	for _, name := range []string{"state", "policy"} {
		if f := cmd.Flags().Lookup(name); f != nil {
			f.DefValue = ""
		}
		if f := cmd.PersistentFlags().Lookup(name); f != nil {
			f.DefValue = ""
		}
	}
	for _, sub := range cmd.Commands() {
		hideDefaults(sub)
	}
}
