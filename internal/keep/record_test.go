package keep

import (
	_ "embed"
	"testing"
)

//go:embed testdata/record1.json
var record1 []byte

// The record in testdata was written by the first version of muxward. Every
// later one must be able to adopt the server that it names.
func TestFirstRecordIsRead(t *testing.T) {
	r, err := parseRecord(record1)
	if err != nil {
		t.Fatal(err)
	}
	a := r.Account
	if r.ID != "eb3080aa" || r.Owner != "mwalice" || r.PID != 26110 || r.Start != 569503 || r.Exe != "/usr/bin/tmux" ||
		r.Mark != "d676e9fdbed37d7ca11541e384873d3d" || r.Boot != "8e84ab74-238e-4656-b70a-6cb613294c92" ||
		a.Name != "mwalice" || a.UID != 61001 || a.GID != 61001 || a.Shell != "/bin/sh" || a.Home == "" {
		t.Errorf("read as %+v", r)
	}
}
