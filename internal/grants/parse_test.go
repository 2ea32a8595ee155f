package grants

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/soak"
)

// stored is what a store holds.
func stored(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile(storeOfThree(t))
	if err != nil {
		t.Fatal(err)
	}
	text, _, _, err := readHalves(data)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// storeOfThree is the path of a store with three revocations.
func storeOfThree(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "revocations.json")
	d, err := OpenDenials(path)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for _, den := range []Denial{
		{Person: "bob", Reason: "left", By: "root", At: at},
		{Person: "carol", Scope: pane("alice", "one", "work", 1, 2, 7, 3, 9), Target: "alice/work:2.3", By: "alice", At: at},
		{Person: "mallory", Scope: access.Object{Kind: access.Server, Owner: "alice"}, Target: "alice", By: "alice", At: at},
	} {
		if err := d.Add(den); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// TestDamagedStores: a store that does not say what was revoked is refused,
// not read for as much as can be made out.
func TestDamagedStores(t *testing.T) {
	good := string(stored(t))
	if list, err := parse([]byte(good)); err != nil || len(list) != 3 {
		t.Fatalf("the good one: %d, %v", len(list), err)
	}
	for name, text := range map[string]string{
		"key": strings.Replace(good, `"person": "bob"`, `"pesron": "bob"`, 1), "no person": strings.Replace(good, `"person": "bob"`, `"person": ""`, 1),
		"no name": strings.Replace(good, `"bob"`, `"Bob B"`, 1), "scope": strings.Replace(good, `"scope"`, `"scoqe"`, 1),
		"cut": good[:len(good)/2], "empty": "", "more": good + "[]", "object": "{}", "half": strings.TrimRight(good, "]\n"),
		"kind": strings.Replace(good, `"Kind": 4`, `"Kind": 9`, 1), "owner": strings.Replace(good, `"Owner": "alice"`, `"Owner": ""`, 1),
	} {
		if text == good {
			t.Errorf("%s: nothing was damaged", name)
		}
		if list, err := parse([]byte(text)); err == nil {
			t.Errorf("%s: read as %+v", name, list)
		}
	}
}

// TestBitFlips: whichever bit has turned, the store is refused, or holds the
// revocations that it held before: those of the half before last count no more.
func TestBitFlips(t *testing.T) {
	path := storeOfThree(t)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, half, _, err := readHalves(good)
	if err != nil {
		t.Fatal(err)
	}
	// Where something is written: behind that are empty lines.
	places := []int{0, firstPage, firstPage + int(half)}
	refused := 0
	for range soak.N(100_000, 2000) {
		bad := bytes.Clone(good)
		i := places[rand.IntN(3)] + rand.IntN(len(want)+200)
		bad[i] ^= 1 << rand.IntN(8)
		text, _, _, err := readHalves(bad)
		if err != nil {
			refused++
			continue
		}
		if !bytes.Equal(text, want) {
			t.Fatalf("byte %d is %q: %s", i, bad[i], text)
		}
	}
	if refused == 0 {
		t.Error("nothing is refused")
	}
	t.Logf("%d refused", refused)
}

// FuzzStore: what is read is written again to the same.
func FuzzStore(f *testing.F) {
	f.Add(stored(f))
	for _, seed := range []string{"[]", "null", "", "[{}]", `[{"person":"bob"}]`, `[{"person":"bob","PERSON":"x"}]`, `[[]]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := parse(data)
		if err != nil {
			return
		}
		text, err := json.MarshalIndent(list, "", "\t")
		if err != nil {
			return // a time that JSON cannot hold
		}
		again, err := parse(text)
		if err != nil || len(again) != len(list) {
			t.Fatalf("%s is written %s and read %+v, %v", data, text, again, err)
		}
		for i := range list {
			list[i].At, again[i].At = time.Time{}, time.Time{} // zones are spelt anew
			if !reflect.DeepEqual(list[i], again[i]) {
				t.Fatalf("%+v became %+v", list[i], again[i])
			}
		}
	})
}
