package main

import (
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
	"rsc.io/qr"
)

// quiet is how many light modules lie around a code: scanners want them.
const quiet = 2

// showQR shows text as a QR code where a person looks and there is room for it: on a
// terminal.
func showQR(w io.Writer, text string) error {
	f, ok := w.(*os.File)
	if !ok || !isTerminal(f) {
		return nil
	}
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return err
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if side := code.Size + 2*quiet; err != nil || int(size.Col) < side || int(size.Row) < (side+1)/2 {
		return nil // it would be of no use
	}
	_, err = io.WriteString(w, halfBlocks(code))
	return err
}

// halfBlocks draws a code with two modules in each cell, dark on light whatever the
// terminal's colours are.
func halfBlocks(code *qr.Code) string {
	const inColour, plain = "\x1b[38;5;16;48;5;231m", "\x1b[0m"
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		b.WriteString(inColour)
		for x := -quiet; x < code.Size+quiet; x++ {
			switch upper, lower := code.Black(x, y), code.Black(x, y+1); {
			case upper && lower:
				b.WriteString("█")
			case upper:
				b.WriteString("▀")
			case lower:
				b.WriteString("▄")
			default:
				b.WriteString(" ")
			}
		}
		b.WriteString(plain + "\n")
	}
	return b.String()
}
