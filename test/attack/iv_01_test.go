package attack

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/test/host"
)

// share has the owner make an invite and gives its number and its code.
func (w *world) share(args ...string) (id int64, code string) {
	w.t.Helper()
	r := w.Muxward(owner, append([]string{"share", "--json"}, args...)...)
	var made struct {
		ID   int64
		Code string
	}
	if err := json.Unmarshal([]byte(r.Out), &made); r.Code != 0 || err != nil || made.Code == "" {
		w.t.Fatalf("share %q: %+v", args, r)
	}
	return made.ID, made.Code
}

// joins has an attacker come with a code, which must not help them.
func (w *world) joins(who, code, how string) host.Result {
	w.t.Helper()
	r := w.Muxward(who, "join", code)
	if r.Code == 0 {
		w.gain("%s comes by %s", who, how)
	}
	return r
}

// Mallory knows the number of an invite, as anybody may, and guesses the rest, a code
// after the other. Meanwhile bob, who has the code of another, comes in with it. Nothing
// in the log helps who reads it. In the control run codes are short and all are heard.
//
// Carol has got hold of a copy of the store, and comes with what she finds in it. In the
// control run codes are kept as they are.
//
// Whoever sits at bob's account comes to what is bound to the key that bob joined with,
// by the other door. In the control run what is bound to a key counts with any.
func TestIV01Guess(t *testing.T) {
	row{ssh: true, teeth: "teeth_chain", restless: true, gains: 3, attack: func(w *world) {
		w.Must(owner, "new-session", "-d", "-s", "iv", "cat")
		id, code := w.share("--role", "viewer", "-t", "iv", "--uses", "3")
		guess(w, id)
		if r := w.Muxward(viewer, "join", code); r.Code != 0 {
			w.t.Errorf("bob does not come in with his code: %+v", r)
		}
		searchCopy(w, id)
		checkSecret(w, code)

		w.Must(owner, "new-session", "-d", "-s", "bound", "cat")
		_, bound := w.share("--role", "typist", "-t", "bound", "--bind")
		if r := w.Muxward(viewer, "join", bound); r.Code == 0 || !strings.Contains(r.Err, "come by ssh") {
			w.t.Errorf("without a key: %+v", r)
		}
		if r := w.SSH(viewer, "x@127.0.0.1", "join", bound); r.Code != 0 || !strings.Contains(r.Out, "you are typist on mwalice/bound") {
			w.t.Fatalf("bob does not come by ssh: %+v", r)
		}
		if r := w.SSH(viewer, "x@127.0.0.1", "tmux", "send-keys", "-t", "mwalice/bound", "x"); r.Code != 0 {
			w.t.Errorf("bob may not type with his key: %+v", r)
		}
		if r := w.Tmux(viewer, "send-keys", "-t", "mwalice/bound", "x"); r.Code == 0 {
			w.gain("bob's account types without his key")
		}
	}}.run(t)
}

// guess tries as many codes as a letter has.
func guess(w *world, id int64) {
	w.t.Helper()
	const letters = "0123456789abcdefghjkmnpqrstvwxyz"
	waits, began := 0, time.Now()
	for i := range letters {
		r := w.joins(stranger, fmt.Sprintf("%d-0000-0000-0000-000%c", id, letters[i]), "guessing")
		switch {
		case r.Code == 0:
			return
		case strings.Contains(r.Err, "too many codes were wrong"):
			waits++
		case !strings.Contains(r.Err, "this code opens nothing"):
			w.t.Errorf("mallory hears: %+v", r)
		}
	}
	if w.control {
		return
	}
	most := 5 + 1 + int(time.Since(began)/(10*time.Second)) // five, and one each ten seconds
	if heard := len(letters) - waits; heard > most {
		w.t.Errorf("%d wrong codes were heard, want %d at most", heard, most)
	}
	told := 0
	if !soon(func() bool { // what is only counted is written each second
		told = 0
		for _, e := range w.Audit() {
			if e.Person == stranger && failed(e) {
				told += max(e.Count, 1)
			}
		}
		return told >= len(letters)
	}) {
		w.t.Errorf("mallory has tried %d codes, of which the log has %d", len(letters), told)
	}
}

// searchCopy looks for codes in the store.
func searchCopy(w *world, id int64) {
	w.t.Helper()
	data, err := os.ReadFile(filepath.Join(w.State, "grants.db"))
	if err != nil {
		w.t.Fatal(err)
	}
	found := regexp.MustCompile(fmt.Sprintf(`"id":%d,.*?"sum":"([0-9a-f]{64})"`, id)).FindSubmatch(data)
	if found == nil {
		w.t.Fatal("the invite is not in the store: this is no test")
	}
	sum, err := hex.DecodeString(string(found[1]))
	if err != nil {
		w.t.Fatal(err)
	}
	plain := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' {
			return r
		}
		return '0'
	}, strings.ToValidUTF8(string(sum[:16]), "0"))
	for _, secret := range []string{plain, string(found[1][:16]), string(found[1][48:])} {
		w.joins(typist, fmt.Sprintf("%d-%s", id, secret), "a copy of the store")
	}
}

// checkSecret looks for a secret where it has no business.
func checkSecret(w *world, code string) {
	w.t.Helper()
	_, secret, _ := strings.Cut(code, "-")
	err := filepath.WalkDir(w.State, func(path string, e os.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // muxward writes meanwhile
		}
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		for _, form := range []string{secret, strings.ReplaceAll(secret, "-", "")} {
			if strings.Contains(string(data), form) && !w.control {
				w.t.Errorf("the code is in %s", path)
			}
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}
