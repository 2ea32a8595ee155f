package attach

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// Who types no more directly is a guest from then on, and tmux hears of their next size without pixels.
func TestPixelsAreNotAGuestsThatWasTheOwner(t *testing.T) {
	p := newPerson(t, Size{80, 24}, false)
	at := attach(t, p, Direct)
	for _, want := range []Window{{Size{90, 30}, 900, 600}, {Size: Size{91, 31}}} {
		p.withFD(func(fd int) {
			ws := &unix.Winsize{Col: uint16(want.Cols), Row: uint16(want.Rows), Xpixel: 900, Ypixel: 600}
			if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, ws); err != nil {
				t.Fatal(err)
			}
		})
		at.Resize()
		eventually(t, "the size is heard of", func() error {
			w, err := at.display.(*Pty).Window()
			if err == nil && w != want {
				err = fmt.Errorf("it is %+v", w)
			}
			return err
		})
		if err := at.SetMode(t.Context(), Addressed, Guest()); err != nil {
			t.Fatal(err)
		}
	}
}

// How large a terminal is in pixels tmux hears of the owner's at home alone: a guest would say what everybody's
// programs and images are measured by.
func TestPixelsAreTheOwners(t *testing.T) {
	for what, c := range map[string]struct {
		filter Policy
		want   Window
	}{
		"a guest":                 {Guest(), Window{Size: Size{90, 30}}},
		"a guest with every verb": {DirectGuest(), Window{Size: Size{90, 30}}},
		"the owner":               {Owner(), Window{Size{90, 30}, 900, 600}},
	} {
		p := newPerson(t, Size{80, 24}, false)
		at := attach(t, p, Watch, func(cfg *Config) { cfg.Filter = c.filter })
		p.withFD(func(fd int) {
			if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: 90, Row: 30, Xpixel: 900, Ypixel: 600}); err != nil {
				t.Fatal(err)
			}
		})
		at.Resize()
		eventually(t, what+" is heard of", func() error {
			w, err := at.display.(*Pty).Window()
			if err == nil && w != c.want {
				err = fmt.Errorf("it is %+v", w)
			}
			return err
		})
	}
}
