package sandbox

import (
	"strings"
	"testing"
)

const plain = "Name:\tx\nUid:\t7\t7\t7\t7\nGid:\t8\t8\t8\t8\nGroups:\t\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n" +
	"CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n"

func TestRights(t *testing.T) {
	r, err := parseRights([]byte(plain))
	if err != nil || len(r.Left()) != 0 || r.Seccomp != 2 {
		t.Fatal(r, err, r.Left())
	}
	for from, to := range map[string]string{
		"Uid:\t7\t7\t7\t7":          "Uid:\t7\t7\t0\t7",
		"Gid:\t8\t8\t8\t8":          "Gid:\t0\t8\t8\t8",
		"Groups:\t":                 "Groups:\t12 0",
		"CapBnd:\t0000000000000000": "CapBnd:\t0000000000000001",
		"CapInh:\t0000000000000000": "CapInh:\t0000000800000000",
		"NoNewPrivs:\t1":            "NoNewPrivs:\t0",
	} {
		r, err := parseRights([]byte(strings.Replace(plain, from, to, 1)))
		if err != nil || len(r.Left()) != 1 {
			t.Errorf("%q: %v %v", to, r.Left(), err)
		}
	}
	for _, from := range []string{"Uid:\t7", "CapEff:\t0", "CapBnd"} {
		if r, err := parseRights([]byte(strings.Replace(plain, from, "X", 1))); err == nil {
			t.Errorf("without %q: %v", from, r)
		}
	}
	if own, err := OwnRights(); err != nil || len(own.UIDs) != 4 {
		t.Error(own, err)
	}
}
