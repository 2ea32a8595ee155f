package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/boombuler/barcode/qr"
	"golang.org/x/sys/unix"
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
	modules, dark, err := qrCode(text)
	if err != nil {
		return fmt.Errorf("draw the QR code: %w", err)
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if side := modules + 2*quiet; err != nil || int(size.Col) < side || int(size.Row) < (side+1)/2 {
		return nil // it would be of no use
	}
	_, err = io.WriteString(w, halfBlocks(modules, dark))
	return err
}

// qrCode gives how many modules the code of a text has on a side, and which are dark;
// none is outside of it.
func qrCode(text string) (size int, dark func(x, y int) bool, err error) {
	code, err := qr.Encode(text, qr.L, qr.Auto)
	if err != nil {
		return 0, nil, err
	}
	size = code.Bounds().Dx()
	return size, func(x, y int) bool {
		if x < 0 || y < 0 || x >= size || y >= size {
			return false
		}
		r, _, _, _ := code.At(x, y).RGBA()
		return r == 0
	}, nil
}

// halfBlocks draws a code with two modules in each cell, dark on light whatever the
// terminal's colours are.
func halfBlocks(size int, dark func(x, y int) bool) string {
	const inColour, plain = "\x1b[38;5;16;48;5;231m", "\x1b[0m"
	var b strings.Builder
	for y := -quiet; y < size+quiet; y += 2 {
		b.WriteString(inColour)
		for x := -quiet; x < size+quiet; x++ {
			switch upper, lower := dark(x, y), dark(x, y+1); {
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
