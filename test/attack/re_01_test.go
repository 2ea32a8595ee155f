package attack

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// openedUp are options by which an owner lets programs talk to terminals.
const openedUp = `set -s set-clipboard on
set -g set-titles on
set -g set-titles-string "#T"
set -g allow-rename on
set -g mouse on
set -g monitor-bell on
set -g bell-action any
set -as terminal-features "xterm*:clipboard:title:ccolour:cstyle:mouse:focus:hyperlinks:sixel"
`

// hostile is what a program prints to attack who watches.
func hostile() []string {
	return []string{
		"\x1b]52;c;TUFSSw==\x07", "\x1b]52;p;?\x07", "\x1b]0;MARKTITLE\x07", "\x1b]2;MARKTITLE\x1b\\", "\x1bkMARKTITLE\x1b\\",
		"\x1b]4;1;?\x07", "\x1b]4;1;rgb:00/00/00\x07", "\x1b]7;file://h/MARK\x07", "\x1b]8;;http://MARK/\x07link\x1b]8;;\x07",
		"\x1b]9;MARK\x07", "\x1b]10;?\x07", "\x1b]11;red\x07", "\x1b]12;red\x07", "\x1b]50;MARK\x07", "\x1b]104\x07",
		"\x1b]777;notify;MARK;x\x07", "\x1b]1337;File=inline=1:TUFSSw==\x07", "\x1bPtmux;\x1b\x1b]52;c;TUFSSw==\x07\x1b\\",
		"\x1bPq#0;2;0;0;0#0~~\x1b\\", "\x1b_Gf=24;TUFSSw==\x1b\\", "\x1b^MARK\x1b\\", "\x1bXMARK\x1b\\", "\x1b[5i", "\x1b[4i",
		"\x1b[21t", "\x1b[8;200;200t", "\x1b[6n", "\x1b[c", "\x1b[>q", "\x1b[?1003h", "\x1b[?1004h", "\x1b[>4;2m", "\x1b[>1u",
		"\x05", "\x9d52;c;TUFSSw==\x9c", "\xe2\x80\xae",
	}
}

// strange finds, beside bells, what no terminal of a viewer's may get: strings of whatever
// kind, answers, window operations, printing, keyboard protocols.
func strange(got []byte) (found []string) {
	for i := 0; i < len(got); i++ {
		if got[i] == 0x05 || got[i] >= 0x80 && got[i] < 0xa0 && (i == 0 || got[i-1] < 0x80) {
			found = append(found, fmt.Sprintf("%q", got[i]))
		}
		if got[i] != 0x1b || i+1 >= len(got) {
			continue
		}
		switch c := got[i+1]; c {
		case ']', 'P', '_', '^', 'X', 'k', 'c':
			found = append(found, fmt.Sprintf("%q", got[i:min(len(got), i+16)]))
		case '[':
			j := i + 2
			for j < len(got) && got[j] < 0x40 {
				j++
			}
			if j >= len(got) {
				continue
			}
			args := string(got[i+2 : j])
			if bytes.IndexByte([]byte("intcqux"), got[j]) >= 0 && !(got[j] == 'q' && strings.HasSuffix(args, " ")) ||
				got[j] == 'm' && strings.HasPrefix(args, ">") {
				found = append(found, fmt.Sprintf("%q", got[i:j+1]))
			}
		}
	}
	return found
}

// A program prints what sets clipboards and titles, asks terminals questions,
// prints, draws pictures or switches keyboards, on a server whose owner let it.
// Who merely watches gets none of it. In the control run the owner watches the
// same server past muxward, and the owner's terminal does get some.
func TestRE01HostileOutput(t *testing.T) {
	shownByPackage(t, "attach.TestHostileSequencesDoNotReachAGuest", "attach.TestFuzzedOutputStaysOnTheListHoweverItIsCut",
		"attach.FuzzFilter")
	b := lay(t, host.Config{TmuxConf: openedUp})
	dir := tmuxtest.Dir(t, tmuxtest.Account{})
	show := func(name string, data []byte, watchers ...*tmuxtest.Terminal) {
		t.Helper()
		file := dir + "/" + name
		if err := os.WriteFile(file, append(data, []byte("\x18\x1b\\\x1b[?47l\r\n"+name+"-END\r\n")...), 0o644); err != nil {
			t.Fatal(err)
		}
		b.server.Run("respawn-pane", "-k", "-t", "other:0.0", "cat "+file+"; exec cat")
		for _, x := range watchers {
			x.WaitFor(name + "-END")
		}
	}
	v := b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/other")
	v.WaitFor("[other]")
	raw := b.Terminal(owner, tmuxtest.TerminalConfig{}, "-S", b.server.Socket, "attach", "-t", "other")
	raw.WaitFor("[other]")
	show("list", []byte(strings.Join(hostile(), "")), v, raw)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range soak.N(1000, 10) {
		var fuzz []byte
		for range 100 {
			s := []byte(hostile()[rng.IntN(len(hostile()))])
			s[rng.IntN(len(s))] = byte(rng.IntN(256))
			fuzz = append(fuzz, s[:rng.IntN(len(s)+1)]...)
		}
		show(fmt.Sprintf("fuzz%d", i), fuzz, v)
	}
	if found := strange(v.Bytes()); len(found) > 0 {
		t.Errorf("the viewer's terminal got %d: %v", len(found), found[:min(len(found), 8)])
	}
	if found := strange(raw.Bytes()); len(found) < 2 {
		t.Errorf("control run: past muxward the owner's terminal gets %v only", found)
	}
	b.VerifyAudit()
}
