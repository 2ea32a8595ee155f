package audit

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/muxward/muxward/internal/access"
)

func TestSmoke(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	for life := range 3 {
		l, err := Open(t.Context(), Options{Dir: dir, SegmentSize: 3000})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			class := access.MustRecordClass
			if i%2 == 0 {
				class = access.BestEffortClass
			}
			if _, err := l.Append(t.Context(), class, access.Event{Kind: access.EventIntent, Request: uint64(i), Person: "bob", Note: "x\x1b\u202e\n"}); err != nil {
				t.Fatal(err)
			}
		}
		_ = life
		if err := l.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		key, _ := ParseVerifier(l.Verifier())
		rep, err := Verify(t.Context(), dir, key, VerifyOptions{})
		fmt.Printf("%+v %v\n", rep, err)
		if err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for rec, err := range Query(t.Context(), dir, Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n < 5 {
			fmt.Printf("%s\n", rec.Line)
		}
	}
	fmt.Println(n)
}
