package attack

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// any1 is one of several.
func any1[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// randomBytes are any bytes but the one that stops a client, which is pressed behind the prefix only: what
// else a shell would do with it is not asked here.
func randomBytes(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.IntN(256))
	}
	return strings.ReplaceAll(string(b), "\x1a", "")
}

// randomSize is a terminal's, often a small one, and never a tiny one.
func randomSize(r *rand.Rand) [2]int {
	return any1(r, [2]int{10 + r.IntN(190), 3 + r.IntN(57)}, [2]int{10 + r.IntN(190), 3 + r.IntN(57)},
		[2]int{10, 3}, [2]int{500, 200}, [2]int{80, 3 + r.IntN(6)}, [2]int{10 + r.IntN(4), 24})
}

// randomCorpus gives what terminals send: see internal/attach/testdata/keys.
func randomCorpus(t *testing.T) (all []string) {
	t.Helper()
	files, err := filepath.Glob("../../internal/attach/testdata/keys/*")
	if err != nil || len(files) == 0 {
		t.Fatal("no corpus of keys", err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			if fields := strings.Split(line, "\t"); !strings.HasPrefix(line, "#") && len(fields) > 1 {
				keys := strings.ReplaceAll(fields[1], `\e`, "\x1b")
				if u, err := strconv.Unquote(`"` + strings.ReplaceAll(keys, `"`, `\"`) + `"`); err == nil {
					keys = u
				}
				all = append(all, strings.ReplaceAll(keys, "\x1a", ""))
			}
		}
	}
	return all
}

// Keys behind the prefix, keys for what those open, and what terminals report by themselves.
var (
	prefixed = strings.Fields("c n p l o ; z { } [ ] ? s w q t = i ~ D ! \" % \x0f \x1b1 \x1b2 \x1b5 m M E " +
		"\x1b[A \x1b[1;5C \x1b[1;3D 0 1 2 ' . , $ f L : ( ) r \x02 \x1a \x1a d < > C /")
	inside  = []string{"q", "\r", "\x1b", "\x03", "y", "n", "j", "k", "/x\r", "v", " ", "G", "g", "?a\r", "t", "x", "X", "O", "r", "\x13abc"}
	halves  = []string{"\xc3", "\xe2\x82", "\xf0\x9f\x98", "\x80\x80", "\xff\xfe", "😀", "e\u0301", "\u200d", "\xed\xa0\x80"}
	encoded = []string{"\x1b[97;5u", "\x1b[27;5;97~", "\x1b[97:65;6:1u", "\x1b[57399;1u", "\x1b[13;2u", "\x1b[1;1:3A",
		"\x1b[?1u", "\x1b[999999999;99999u", "\x1b[27;99;99999~", "\x1b[;;;;;u"}
	reports = []string{"\x1b[I", "\x1b[O", "\x1b[?1;2c", "\x1b[>41;354;0c", "\x1bP>|xterm(370)\x1b\\", "\x1b]11;rgb:0000/0000/0000\x1b\\",
		"\x1b]10;rgb:ff/ff/ff\x07", "\x1b[8;24;80t", "\x1b[4;600;800t", "\x1b[12;44R", "\x1b[?2026;2$y", "\x1b]52;c;QUJDQUJD\x07",
		"\x1bP1$r0m\x1b\\", "\x1b[?997;1n", "\x1b[4;65535;65535t", "\x1b[8;0;0t", "\x1b]11;", "\x1bP"}
)

// keys is something that somebody presses at a terminal.
func (p *play) keys(r *rand.Rand, letter string) string {
	switch r.IntN(24) {
	case 0, 1, 2, 3, 4, 5:
		return p.mark(letter) + ";"
	case 6, 7, 8:
		return any1(r, p.corpus...)
	case 9, 10, 11:
		return "\x02" + any1(r, prefixed...)
	case 12, 13:
		return any1(r, inside...)
	case 14:
		return fmt.Sprintf("\x1b[<%d;%d;%d%s", any1(r, 0, 1, 2, 3, 32, 35, 64, 65, 66, 128, 8, 16, 4, 200), r.IntN(200)-2, r.IntN(60)-2, any1(r, "M", "m"))
	case 15:
		return "\x1b[M" + string([]byte{byte(32 + r.IntN(200)), byte(32 + r.IntN(220)), byte(32 + r.IntN(220))})
	case 16:
		return "\x1b[200~" + strings.Repeat(p.mark(letter)+";", 1+r.IntN(20)) + any1(r, "\x1b[201~", "\x1b[201~", "", "\x1b[20", "\x1b[201~\x1b[201~")
	case 17:
		return "\x1b[200~" + strings.Repeat(any1(r, "x", "é", "\x1b", "\n", "ab cd\r"), r.IntN(3000)) + "\x1b[201~"
	case 18:
		return any1(r, halves...)
	case 19:
		return any1(r, encoded...)
	case 20:
		return any1(r, reports...)
	case 21:
		return "\x1b[" + randomBytes(r, r.IntN(12))
	case 22:
		return randomBytes(r, r.IntN(60))
	default:
		return "\x02:" + p.command(r, p.guests[letter]) + "\r"
	}
}

// programs writes programs for panes that print what upsets terminals, and one that prints the secret.
func (p *play) programs(r *rand.Rand) {
	p.t.Helper()
	write := func(name, text string) {
		if err := os.WriteFile(p.dir+"/"+name, []byte(text), 0o644); err != nil {
			p.t.Fatal(err)
		}
	}
	for i := range 12 {
		var b strings.Builder
		for range 60 {
			b.WriteString(randomOutput(r))
		}
		write(fmt.Sprintf("p%d", i), b.String())
	}
	write("noise.sh", `n=$1
stty raw -echo 2>/dev/null
case $((n % 7)) in
0) stty cooked echo; timeout 0.3 yes ;;
1) exec cat ;;
esac
i=0
while [ $i -lt 400 ]; do cat `+p.dir+`/p$(( (n + i) % 12 )) || exit; i=$((i+1)); n=$((n*7+i)); sleep 0.$((n % 3))$((n % 9)); done
exec cat
`)
	write("secret.sh", "stty -echo\nwhile :; do printf '\\033]2;"+p.secret+"\\007"+p.secret+"\\r\\n'; sleep 0.3; done\n")
}

// program is a command for a pane.
func (p *play) program(n int) string { return fmt.Sprintf("sh %s/noise.sh %d", p.dir, n) }

// randomOutput is something that a program prints.
func randomOutput(r *rand.Rand) string {
	n := strconv.Itoa(any1(r, 0, 1, 2, 5, 24, 79, 80, 81, 200, 9999, 65535, 2147483647))
	switch r.IntN(4) {
	case 0:
		return any1(r, "\x1b[?1049h", "\x1b[?1049l", "\x1b[?47h", "\x1b]2;title"+n+"\x07", "\x1b]0;"+strings.Repeat("é", r.IntN(300))+"\x1b\\",
			"\x1bkname"+n+"\x1b\\", "\x07", "\x1b["+n+"A", "\x1b["+n+"B", "\x1b["+n+"C", "\x1b["+n+";"+n+"H", "\x1b["+n+"L", "\x1b["+n+"M",
			"\x1b["+n+"P", "\x1b["+n+"@", "\x1b["+n+"X", "\x1b["+n+"S", "\x1b["+n+"T", "\x1b[J", "\x1b[2J", "\x1b[3J", "\x1b[1;"+n+"r", "\x1b[5;3r",
			"\x1b[r", "\x1b[?6h", "\x1b[?7l", "\x1b[?7h", "\x1b[4h", "\x1b[4l", "\x1b(0lqqk\x1b(B", "\x1b#8", "\x1bc", "\x1b[!p")
	case 1:
		return any1(r, "\x1bPq\"1;1;10;10#0;2;0;0;0#0!20~-~\x1b\\", "\x1b_Ga=T,f=24,s=1,v=1;AAAA\x1b\\", "\x1bPtmux;\x1b\x1b]2;pass\x07\x1b\\",
			"\x1b]52;c;QUJD\x07", "\x1b]52;c;?\x07", "\x1b]8;;http://x/"+strings.Repeat("a", r.IntN(500))+"\x1b\\link\x1b]8;;\x1b\\",
			"\x1b]10;?\x07", "\x1b]4;1;?\x07", "\x1b]7;file://h/x\x07", "\x1b]133;A\x07", "\x1b[6n", "\x1b[c", "\x1b[>c", "\x1b[>q",
			"\x1b[18t", "\x1b[14t", "\x1b[22t", "\x1b[23t", "\x1b[8;"+n+";"+n+"t", "\x1bP$qr\x1b\\", "\x1bP+q544e\x1b\\", "\x1b]1337;File=inline=1:AAAA\x07")
	case 2:
		return any1(r, "\x1b[?1000h", "\x1b[?1002h", "\x1b[?1003h", "\x1b[?1006h", "\x1b[?1005h", "\x1b[?1003l", "\x1b[?2004h", "\x1b[?2004l",
			"\x1b[?1004h", "\x1b[>4;2m", "\x1b[>1u", "\x1b[<u", "\x1b[?1h", "\x1b=", "\x1b[?25l", "\x1b[?25h", "\x1b["+n+" q", "\x1b[?2026h", "\x1b[?2026l")
	default:
		return any1(r, "\x1b[38;2;1;2;"+n+"m", "\x1b[4:3m", "\x1b[58:2::1:2:3m", "\x1b[0m", "\x1b["+strings.Repeat("1;", 40)+"m", "\x1b[48;5;"+n+"m",
			"漢字", "😀👨‍👩‍👧", "e\u0301\u0301\u0301", strings.Repeat("\u0301", 30), "\u200d", "\ufe0f", "\xff\xc3", "\x0e", "\x0f", "\t", "\x08\x08",
			strings.Repeat("漢", 50), strings.Repeat("long line ", 40), "\r\n", "\n", "\x1b[b", "\x1b[9b", "\x1b["+n+"g", "\x1bH", "\x1b[3g", "\x1bM",
			"\x1bD", "\x1b7", "\x1b8", "\x1b["+n+"G", "\x1b["+n+"d", randomBytes(r, 10))
	}
}
