package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
)

// TestQRCode: what is drawn is the code, with its border, and only on a terminal.
func TestQRCode(t *testing.T) {
	const line = "ssh -t -p 2222 bastion.example.org join 1234-abcd-efgh-jkmn-pqrs"
	size, dark, err := qrCode(line)
	if err != nil {
		t.Fatal(err)
	}
	drawn := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(halfBlocks(size, dark), "")
	rows := strings.Split(strings.TrimSuffix(drawn, "\n"), "\n")
	if len(rows) != (size+2*quiet+1)/2 {
		t.Fatalf("%d lines for %d modules", len(rows), size)
	}
	for i, row := range rows {
		for x, cell := range []rune(row) {
			for half, blocks := range map[int]string{0: "█▀", 1: "█▄"} {
				if got, want := strings.ContainsRune(blocks, cell), dark(x-quiet, 2*i+half-quiet); got != want {
					t.Fatalf("module %d,%d is dark: %v", x, 2*i+half, got)
				}
			}
		}
	}
	if !dark(0, 0) || size > 40 {
		t.Errorf("it is of %d modules", size)
	}
	var b bytes.Buffer
	if err := showQR(&b, line); err != nil || b.Len() > 0 {
		t.Errorf("where nobody looks: %q, %v", b.String(), err)
	}
}
