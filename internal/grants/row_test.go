package grants

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
)

// golden is a row of form 1. What it says must be read for as long as that form
// is, so it does not change.
const golden = `{"id":7,"who":"bob","what":"typist","verbs":["view","scroll","suggest","type"],` +
	`"on":{"kind":"pane","owner":"alice","incarnation":"one","session":1,"session_name":"work","window_index":2,"window":7,"pane":9,"pane_index":3},` +
	`"target":"alice/work:2.3","until":"2026-11-26T13:00:00Z","reason":"pairs",` +
	`"giver":{"person":"alice","account":"alice","uid":1000,"door":"ctl"},"source":"command line","at":"2026-11-26T12:00:00Z"}`

// TestRowsAreWords: what lies on disk is the same for every muxward, however its
// verbs and kinds are counted.
func TestRowsAreWords(t *testing.T) {
	g := typist("bob", noon.Wall.Add(time.Hour))
	g.ID, g.State = 7, Given
	c, err := changeTo(g, false)
	if err != nil || c.body != golden {
		t.Errorf("%v, written\n%s\nwant\n%s", err, c.body, golden)
	}
	if back, pending, err := readBody(golden); err != nil || pending || fmt.Sprintf("%+v", back) != fmt.Sprintf("%+v", g) {
		t.Errorf("%v %v, read\n%+v\nwant\n%+v", err, pending, back, g)
	}
	g.Giver.MFA = true
	if c, err := changeTo(g, false); err != nil || c.body != strings.Replace(golden, `"door":"ctl"`, `"door":"ctl","mfa":true`, 1) {
		t.Errorf("%v, given with a second factor it is\n%s", err, c.body)
	}
	for _, verb := range access.Verbs() {
		for kind := access.Host; kind <= access.Pane; kind++ {
			g.Verbs, g.On.Kind = access.SetOf(verb), kind
			if g.On.Owner = "alice"; kind == access.Host {
				g.On.Owner = ""
			}
			if _, err := changeTo(g, true); err != nil {
				t.Errorf("%v on a %v: %v", verb, kind, err)
			}
		}
	}
}

// TestAnotherMuxward: a store that a later muxward wrote is not damaged: it is left
// as it is, without a copy, and nothing in it counts.
func TestAnotherMuxward(t *testing.T) {
	for what, edit := range map[string]func(form *int, body string) string{
		"form":  func(form *int, body string) string { *form = 2; return `{"new":"row"}` },
		"verb":  func(_ *int, body string) string { return strings.Replace(body, `"view"`, `"guess"`, 1) },
		"field": func(_ *int, body string) string { return strings.Replace(body, `"who"`, `"whom"`, 1) },
		"kind":  func(_ *int, body string) string { return strings.Replace(body, `"kind":"pane"`, `"kind":"popup"`, 1) },
	} {
		path := filepath.Join(t.TempDir(), "grants.db")
		s := openStore(t, path, noon)
		give(t, s, typist("bob", time.Time{}))
		h := s.head
		var body string
		if err := s.db.QueryRow("SELECT body FROM grants").Scan(&body); err != nil {
			t.Fatal(err)
		}
		old := sumOf(1, body)
		h.Sums.xor(old)
		body = edit(&h.Form, body)
		sum := sumOf(1, body)
		h.Sums.xor(sum)
		inStore(t, s, func(tx *sql.Tx) error {
			if _, err := tx.Exec("UPDATE grants SET body = ?, sum = ?", body, sum[:]); err != nil {
				return err
			}
			return writeHead(context.Background(), tx, h)
		})
		_ = s.Close()
		_, err := OpenStore(context.Background(), path, noon)
		var d *Damaged
		if err == nil || errors.As(err, &d) || !strings.Contains(err.Error(), "another muxward wrote it") {
			t.Errorf("%s: %v", what, err)
		}
		noCopy(t, path)
	}
}

func inStore(t *testing.T, s *Store, f func(*sql.Tx) error) {
	t.Helper()
	tx, err := s.db.Begin()
	if err == nil {
		err = f(tx)
	}
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func noCopy(t *testing.T, path string) {
	t.Helper()
	if copies, err := filepath.Glob(path + ".*"); err != nil || len(copies) != 0 {
		t.Errorf("copies %v, %v", copies, err)
	}
}

// TestNotDamaged: whatever keeps muxward from a store says nothing of what is in
// it: it is not called damaged, and nobody is told to move it away.
func TestNotDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grants.db")
	s := openStore(t, path, noon)
	give(t, s, typist("bob", time.Time{}))
	refused := func(what, path string, ctx context.Context) {
		t.Helper()
		_, err := OpenStore(ctx, path, noon)
		var d *Damaged
		if err == nil || errors.As(err, &d) || strings.Contains(err.Error(), "move") {
			t.Errorf("%s: %v", what, err)
		}
		noCopy(t, path)
	}
	refused("open elsewhere", path, context.Background())
	_ = s.Close()
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	refused("no time left", path, gone)
	link := filepath.Join(t.TempDir(), "grants.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	refused("a link", link, context.Background())
	if s = openStore(t, path, noon); len(s.List()) != 1 {
		t.Errorf("afterwards: %v", ids(s))
	}
}
