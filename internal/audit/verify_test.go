package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/muxward/muxward/internal/access"
)

// sample writes a log of several segments and gives copies of it.
func sample(t testing.TB) (key note.Verifier, again func(t testing.TB) string) {
	t.Helper()
	dir := newDir(t)
	l := open(t, Options{Dir: dir, SegmentSize: 4000})
	for i := range 100 {
		best(t, l, access.Event{Kind: access.EventAttach, Person: fmt.Sprint("person", i), Note: "hello"})
	}
	shut(t, l)
	return publicKey(t, dir), snap(t, dir)
}

// edit changes the lines of the segment that holds record seq; i is the index
// of that record.
func edit(t testing.TB, dir string, seq uint64, change func(lines [][]byte, i int) [][]byte) {
	t.Helper()
	segs, err := listSegments(dir)
	if err != nil {
		t.Fatal(err)
	}
	seg := segs[holding(segs, seq)]
	path := filepath.Join(dir, seg.name)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ls := bytes.SplitAfter(data, []byte("\n"))
	ls = change(ls[:len(ls)-1], int(seq-seg.first))
	if err := os.WriteFile(path, bytes.Join(ls, nil), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTamperingIsFound(t *testing.T) {
	key, again := sample(t)
	remove := func(dir, name string) { os.Remove(filepath.Join(dir, name)) }
	secondSegment := func(dir string) segment { segs, _ := listSegments(dir); return segs[1] }
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, dir string)
		kind   string
		seq    uint64 // 0: any
	}{
		{"changed byte", func(t *testing.T, dir string) {
			edit(t, dir, 17, func(l [][]byte, i int) [][]byte {
				l[i] = bytes.Replace(l[i], []byte("hello"), []byte("jello"), 1)
				return l
			})
		}, "changed", 17},
		{"two changed records", func(t *testing.T, dir string) {
			for _, seq := range []uint64{90, 17} {
				edit(t, dir, seq, func(l [][]byte, i int) [][]byte {
					l[i] = bytes.Replace(l[i], []byte("person"), []byte("persom"), 1)
					return l
				})
			}
		}, "changed", 90},
		{"unreadable record", func(t *testing.T, dir string) {
			edit(t, dir, 17, func(l [][]byte, i int) [][]byte { l[i][0] = '['; return l })
		}, "unreadable", 17},
		{"changed number", func(t *testing.T, dir string) {
			edit(t, dir, 17, func(l [][]byte, i int) [][]byte { l[i] = bytes.Replace(l[i], []byte("17"), []byte("97"), 1); return l })
		}, "unreadable", 17},
		{"lost newline", func(t *testing.T, dir string) {
			edit(t, dir, 17, func(l [][]byte, i int) [][]byte { l[i][len(l[i])-1] = ' '; return l })
		}, "missing", 18},
		{"dropped record", func(t *testing.T, dir string) {
			edit(t, dir, 17, func(l [][]byte, i int) [][]byte { return append(l[:i], l[i+1:]...) })
		}, "missing", 17},
		{"dropped and renumbered", func(t *testing.T, dir string) {
			edit(t, dir, 17, func(l [][]byte, i int) [][]byte {
				for j := i + 1; j < len(l); j++ {
					l[j] = bytes.Replace(l[j], fmt.Appendf(nil, `"seq":%d`, 17+j-i), fmt.Appendf(nil, `"seq":%d`, 16+j-i), 1)
				}
				return append(l[:i], l[i+1:]...)
			})
		}, "changed", 17},
		{"reordered", func(t *testing.T, dir string) {
			edit(t, dir, 17, func(l [][]byte, i int) [][]byte { l[i], l[i+1] = l[i+1], l[i]; return l })
		}, "reordered", 17},
		{"repeated", func(t *testing.T, dir string) {
			edit(t, dir, 17, func(l [][]byte, i int) [][]byte { return append(l[:i+1], l[i:]...) })
		}, "inserted", 17},
		{"inserted rubbish", func(t *testing.T, dir string) {
			edit(t, dir, 17, func(l [][]byte, i int) [][]byte { l[i] = append([]byte("rubbish\n"), l[i]...); return l })
		}, "inserted", 17},
		{"zeroed", func(t *testing.T, dir string) {
			edit(t, dir, 17, func(l [][]byte, i int) [][]byte { l[i] = make([]byte, len(l[i])); return l })
		}, "missing", 18},
		{"very long line", func(t *testing.T, dir string) {
			edit(t, dir, 17, func(l [][]byte, i int) [][]byte {
				l[i] = append(bytes.Repeat([]byte("x"), 3*maxLine), '\n')
				return l
			})
		}, "unreadable", 17},
		{"cut tail", func(t *testing.T, dir string) {
			edit(t, dir, 100, func(l [][]byte, i int) [][]byte { return l[:i] })
		}, "cut", 100},
		{"torn tail", func(t *testing.T, dir string) {
			edit(t, dir, 100, func(l [][]byte, i int) [][]byte { l[i] = l[i][:10]; return l[:i+1] })
		}, "cut", 100},
		{"cut tail, hashes too", func(t *testing.T, dir string) {
			edit(t, dir, 100, func(l [][]byte, i int) [][]byte { return l[:i] })
			remove(dir, hashesFile)
		}, "cut", 100},
		{"missing segment", func(t *testing.T, dir string) { remove(dir, secondSegment(dir).name) }, "missing", 0},
		{"missing first segment", func(t *testing.T, dir string) { remove(dir, segmentName(1)) }, "missing", 1},
		{"changed, without hashes", func(t *testing.T, dir string) {
			edit(t, dir, 17, func(l [][]byte, i int) [][]byte {
				l[i] = bytes.Replace(l[i], []byte("hello"), []byte("jello"), 1)
				return l
			})
			remove(dir, hashesFile)
		}, "changed", 0},
		{"changed, hashes too", func(t *testing.T, dir string) {
			edit(t, dir, 17, func(l [][]byte, i int) [][]byte {
				l[i] = bytes.Replace(l[i], []byte("hello"), []byte("jello"), 1)
				return l
			})
			rehash(t, dir)
		}, "changed", 0},
		{"forged checkpoint", func(t *testing.T, dir string) {
			path := filepath.Join(dir, checkpointsFile)
			data, _ := os.ReadFile(path)
			signed, _ := cutNote(data)
			forged := bytes.Replace(signed, []byte("\nformat"), []byte("\nformax"), 1)
			if err := os.WriteFile(path, append(append(data, forged...), '\n'), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "checkpoint", 0},
		{"all records gone", func(t *testing.T, dir string) {
			segs, _ := listSegments(dir)
			for _, seg := range segs {
				remove(dir, seg.name)
			}
		}, "cut", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := again(t)
			proved(t, dir)
			tt.change(t, dir)
			rep, err := Verify(t.Context(), dir, key, VerifyOptions{})
			if !errors.Is(err, ErrTampered) {
				t.Fatalf("verify: %v, %+v", err, rep)
			}
			for _, p := range rep.Problems {
				if p.Kind == tt.kind && (tt.seq == 0 || p.Seq == tt.seq) {
					return
				}
			}
			t.Errorf("want %s of %d, found:\n%+v", tt.kind, tt.seq, rep.Problems)
		})
	}
}

// Whatever single byte of records, checkpoints is changed: it is found, and
// a log that is changed in what was signed does not open.
func TestEveryByteCounts(t *testing.T) {
	key, again := sample(t)
	dir := again(t)
	segs, _ := listSegments(dir)
	for _, name := range []string{segs[0].name, segs[len(segs)-1].name, checkpointsFile} {
		path := filepath.Join(dir, name)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(data); i += 7 {
			bad := bytes.Clone(data)
			bad[i] ^= 1 << (i % 8)
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			rep, err := Verify(t.Context(), dir, key, VerifyOptions{})
			if name == checkpointsFile && strings.Contains(strings.Join(rep.Notes, " "), "the last checkpoint is not whole") {
				continue // as a power cut would leave it: what it signed counts as not signed yet
			}
			if err == nil {
				t.Fatalf("%s byte %d (%q to %q): %+v", name, i, data[i], bad[i], rep)
			}
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	proved(t, dir)
}

// rehash makes the stored hashes anew from the records, as a forger would.
func rehash(t testing.TB, dir string) frontier {
	t.Helper()
	var tree frontier
	var hashes, room []byte
	segs, err := listSegments(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, seg := range segs {
		f, err := os.Open(filepath.Join(dir, seg.name))
		if err != nil {
			t.Fatal(err)
		}
		for ls := (lines{r: f}); ; {
			line, _, err := ls.next()
			if err != nil {
				break
			}
			var leaf [32]byte
			leaf, room = leafHash(line, room)
			hashes = tree.add(leaf, hashes)
		}
		f.Close()
	}
	if err := os.WriteFile(filepath.Join(dir, hashesFile), hashes, 0o600); err != nil {
		t.Fatal(err)
	}
	return tree
}

// Somebody who has the log's signing key can rewrite all there is, but not the
// checkpoint that was kept elsewhere.
func TestStolenKeyCannotRewriteWhatWasWitnessed(t *testing.T) {
	key, again := sample(t)
	dir := again(t)
	witnessed, err := LastCheckpoint(dir)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := os.ReadFile(filepath.Join(filepath.Dir(dir), keyFile))
	if err != nil {
		t.Fatal(err)
	}
	stolen, err := note.NewSigner(strings.TrimSpace(string(secret)))
	if err != nil {
		t.Fatal(err)
	}
	opt := VerifyOptions{Checkpoints: [][]byte{witnessed}}

	// Control run: what was not rewritten agrees, also after it has grown.
	shut(t, open(t, Options{Dir: dir}))
	if rep, err := Verify(t.Context(), dir, key, opt); err != nil {
		t.Fatalf("%v %+v", err, rep)
	}
	for name, rewrite := range map[string]func(dir string){
		"changed": func(dir string) {
			edit(t, dir, 17, func(l [][]byte, i int) [][]byte {
				l[i] = bytes.Replace(l[i], []byte("hello"), []byte("jello"), 1)
				return l
			})
		},
		"shorter": func(dir string) {
			segs, _ := listSegments(dir)
			for _, seg := range segs[1:] {
				os.Remove(filepath.Join(dir, seg.name))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := again(t)
			rewrite(dir)
			tree := rehash(t, dir)
			c := Checkpoint{Origin: stolen.Name(), Size: uint64(tree.size), Root: tree.root(), Format: Format}
			signed, err := c.sign(stolen)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, checkpointsFile), append(signed, '\n'), 0o600); err != nil {
				t.Fatal(err)
			}
			proved(t, dir) // alone, the forgery is perfect
			rep, err := Verify(t.Context(), dir, key, opt)
			if !errors.Is(err, ErrTampered) || (rep.Problems[0].Kind != "rewritten" && rep.Problems[0].Kind != "cut") ||
				!strings.Contains(rep.Problems[0].What, "kept elsewhere") {
				t.Errorf("%v %+v", err, rep.Problems)
			}
		})
	}
}

func TestOpenRefusesATamperedLog(t *testing.T) {
	_, again := sample(t)
	for name, change := range map[string]func(dir string){
		"cut": func(dir string) { edit(t, dir, 105, func(l [][]byte, i int) [][]byte { return l[:i-3] }) },
		"changed": func(dir string) {
			segs, _ := listSegments(dir)
			edit(t, dir, segs[len(segs)-1].first+1, func(l [][]byte, i int) [][]byte {
				l[i] = bytes.Replace(l[i], []byte("hello"), []byte("jello"), 1)
				return l
			})
		},
		"no records": func(dir string) {
			segs, _ := listSegments(dir)
			for _, seg := range segs {
				os.Remove(filepath.Join(dir, seg.name))
			}
		},
		"no checkpoints": func(dir string) { os.Truncate(filepath.Join(dir, checkpointsFile), 0) },
		"forged": func(dir string) {
			path := filepath.Join(dir, checkpointsFile)
			data, _ := os.ReadFile(path)
			i := bytes.LastIndex(data, []byte("format"))
			data[i+7] = '0'
			os.WriteFile(path, data, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := again(t)
			change(dir)
			before := snapNames(t, dir)
			l, err := Open(t.Context(), Options{Dir: dir})
			if err == nil {
				shut(t, l)
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), "tampered") || !strings.Contains(err.Error(), "audit verify") {
				t.Errorf("%v", err)
			}
			if after := snapNames(t, dir); after != before {
				t.Errorf("the log was touched: %s, before %s", after, before)
			}
		})
	}
}

// snapNames gives names and sizes in a directory.
func snapNames(t testing.TB, dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := ""
	for _, e := range entries {
		if info, err := e.Info(); err == nil && e.Name() != "lock" {
			out += fmt.Sprintf("%s %d, ", e.Name(), info.Size())
		}
	}
	return out
}

// Stored hashes are for speed and for naming the changed record: a log without
// them, or with wrong ones, is as good, and gets new ones when it is opened.
func TestHashesAreMadeAnew(t *testing.T) {
	key, again := sample(t)
	for name, change := range map[string]func(path string){
		"removed": func(path string) { os.Remove(path) },
		"short":   func(path string) { os.Truncate(path, 1000) },
		"wrong":   func(path string) { os.WriteFile(path, bytes.Repeat([]byte("x"), 32*250), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := again(t)
			change(filepath.Join(dir, hashesFile))
			if rep, err := Verify(t.Context(), dir, key, VerifyOptions{}); err != nil && name != "wrong" {
				t.Errorf("%v %+v", err, rep)
			}
			shut(t, open(t, Options{Dir: dir}))
			if rep := proved(t, dir); len(rep.Notes) != 0 {
				t.Errorf("%+v", rep)
			}
		})
	}
}

// A log is proved while it is written.
func TestVerifyWhileWriting(t *testing.T) {
	dir := newDir(t)
	l := open(t, Options{Dir: dir, SegmentSize: 50 << 10})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for i := range 4000 {
			_, _ = l.Append(context.Background(), access.Class(min(i%50, 1)), access.Event{Kind: access.EventAttach, Count: i})
		}
	}()
	for running := true; running; {
		select {
		case <-ended:
			running = false
		default:
		}
		proved(t, dir)
	}
}

func TestVerifyWithoutALog(t *testing.T) {
	_, key := testKey(t, "muxward/x")
	for _, dir := range []string{t.TempDir(), "/nonexistent"} {
		if _, err := Verify(t.Context(), dir, key, VerifyOptions{}); err == nil || errors.Is(err, ErrTampered) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

// The log in testdata was written by the first version of this package. Every
// later one must prove it, for ever.
func TestFirstFormatVerifies(t *testing.T) {
	text, err := os.ReadFile("testdata/format1/audit.pub")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParseVerifier(string(text))
	if err != nil {
		t.Fatal(err)
	}
	rep, err := Verify(t.Context(), "testdata/format1/audit", key, VerifyOptions{})
	if err != nil || rep.Records < 10 || rep.Signed != rep.Records {
		t.Errorf("%v %+v", err, rep)
	}
}
