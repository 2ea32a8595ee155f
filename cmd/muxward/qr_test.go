package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"rsc.io/qr"
)

// TestQRCode: what is drawn is the code, with its border, and only on a terminal.
func TestQRCode(t *testing.T) {
	const line = "ssh -t -p 2222 bastion.example.org join 1234-abcd-efgh-jkmn-pqrs"
	code, err := qr.Encode(line, qr.L)
	if err != nil {
		t.Fatal(err)
	}
	drawn := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(halfBlocks(code), "")
	rows := strings.Split(strings.TrimSuffix(drawn, "\n"), "\n")
	if len(rows) != (code.Size+2*quiet+1)/2 {
		t.Fatalf("%d lines for %d modules", len(rows), code.Size)
	}
	for i, row := range rows {
		for x, cell := range []rune(row) {
			for half, dark := range map[int]string{0: "█▀", 1: "█▄"} {
				if got, want := strings.ContainsRune(dark, cell), code.Black(x-quiet, 2*i+half-quiet); got != want {
					t.Fatalf("module %d,%d is dark: %v", x, 2*i+half, got)
				}
			}
		}
	}
	if !code.Black(0, 0) || code.Size > 40 {
		t.Errorf("it is of %d modules", code.Size)
	}
	var b bytes.Buffer
	if err := showQR(&b, line); err != nil || b.Len() > 0 {
		t.Errorf("where nobody looks: %q, %v", b.String(), err)
	}
}
