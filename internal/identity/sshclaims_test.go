package identity

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// mustOwn are the keys of somebody's own file.
func mustOwn(t *testing.T, person string, lines ...string) []*SSHKey {
	t.Helper()
	keys, err := ParseAccountKeys([]byte(strings.Join(lines, "\n")), person, person+"/authorized_keys")
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// Mallory lists bob's public key as hers and waits. His file is away for a while, or
// empty while it is written: his key becomes hers at no time.
func TestKeyWhoseFileIsAway(t *testing.T) {
	key, fresh := line(newSigner(t).PublicKey()), line(newSigner(t).PublicKey())
	bob, mallory, both := mustOwn(t, "bob", key), mustOwn(t, "mallory", key), mustOwn(t, "mallory", fresh)
	var c SSHClaims
	for name, step := range []struct {
		own  []*SSHKey
		want string
	}{
		{append(mallory[:1:1], bob...), ""}, // at once: nobody's
		{mallory, ""},
	} {
		if kept, _ := c.Take(nil, step.own); owners(kept) != step.want {
			t.Errorf("new to both, %d: %q", name, owners(kept))
		}
	}
	c = SSHClaims{}
	for i, step := range []struct {
		listed, own []*SSHKey
		want        string
	}{
		{nil, bob, "bob"},
		{nil, append(mallory[:1:1], bob...), "bob"},
		{nil, mallory, ""}, // his is away
		{nil, append(mallory[:1:1], bob...), "bob"},
		{nil, both, "mallory"},
		{mustKeys(t, key, "mallory"), append(mallory[:1:1], bob...), ""}, // an administrator has given it to her
		{nil, bob, ""},
	} {
		kept, wrong := c.Take(step.listed, step.own)
		if owners(kept) != step.want {
			t.Errorf("%d: the key is %q's, and not %q's: %v", i, owners(kept), step.want, wrong)
		}
	}
}

func mustKeys(t *testing.T, text, person string) []*SSHKey {
	t.Helper()
	return []*SSHKey{mustKey(t, text, person)}
}

// owners are the people of keys.
func owners(keys []*SSHKey) string {
	var who []string
	for _, k := range keys {
		who = append(who, k.person)
	}
	return strings.Join(who, " ")
}

// An administrator lists a key with conditions. Its holder lists it without any: the
// conditions hold.
func TestConditionsAreNotTakenOff(t *testing.T) {
	key := line(newSigner(t).PublicKey())
	listed := mustKeys(t, `from="10.0.0.0/8" `+key, "bob")
	var c SSHClaims
	kept, wrong := c.Take(listed, mustOwn(t, "bob", key))
	if len(kept) > 0 || len(wrong) > 0 {
		t.Errorf("%v, %v", owners(kept), wrong)
	}
}

// Bob's key is in mallory's file alone. Who comes with it and says that they are bob is
// not let in as her; who says nothing about that is.
func TestWhoIsMeant(t *testing.T) {
	isPerson := func(name string) bool { return name == "bob" || name == "mallory" }
	for _, c := range []struct {
		user string
		own  bool
		ok   bool
	}{
		{"bob", true, false}, {"bob+work", true, false}, {"mallory", true, true}, {"mallory+work", true, true},
		{"x", true, true}, {"bob", false, true},
	} {
		if err := (&SSHProof{person: "mallory", own: c.own}).meant(c.user, isPerson); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
	w := newWorld(t, "", "", nil)
	w.table, _ = NewSSHKeys(mustOwn(t, "alice", line(w.alice.PublicKey())), nil, nil, isPerson)
	if pr, err := w.prover.check(at("203.0.113.1"), w.alice.PublicKey()); err != nil || !pr.own {
		t.Errorf("%+v, %v", pr, err)
	}
}

// Anybody may fill a file of their own with whatever they like: little is told of it, and
// little held.
func TestFloodOfLines(t *testing.T) {
	keys, err := ParseAccountKeys(bytes.Repeat([]byte("a\n"), maxAccountLines), "bob", "authorized_keys")
	if err == nil || len(keys) > 0 || len(err.Error()) > 2<<10 || !strings.Contains(err.Error(), fmt.Sprint(maxAccountLines-maxToldOwn)) {
		t.Errorf("%d keys, %v", len(keys), err)
	}
	text := append(bytes.Repeat([]byte("a\n"), 500_000), line(newSigner(t).PublicKey())...)
	if keys, err := ParseAccountKeys(text, "bob", "authorized_keys"); err == nil || len(keys) > 0 || len(err.Error()) > 1<<10 {
		t.Errorf("%d keys, %.200v", len(keys), err)
	}
	var c SSHClaims
	var others, hers []string
	for range 2 * maxToldOwn {
		others = append(others, line(newSigner(t).PublicKey()))
	}
	hers = append(hers, others...)
	c.Take(nil, mustOwn(t, "bob", others...))
	if kept, wrong := c.Take(nil, mustOwn(t, "mallory", hers...)); len(kept) > 0 || len(wrong["mallory"]) != maxToldOwn+1 {
		t.Errorf("%d, %v", len(kept), wrong)
	}
}
