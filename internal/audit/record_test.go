package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/muxward/muxward/internal/access"
)

// lineOf renders ev as the log would, without the newline.
func lineOf(ev access.Event) []byte {
	return appendBody(appendHead(nil, 7, time.Unix(1700000000, 0)), &ev, nil)
}

// nasty are strings that would forge a record or break a terminal.
var nasty = []string{
	"plain", "", "new\nline", `{"seq":9,"kind":"outcome"}`, "\n{\"seq\":9}\n", `"},{"x":"`, `back\slash`, `\n`, `\\u0041`,
	"\x00", "\x1b[2J\x1b]0;title\a", "\xff\xfe", "\u202eevil", "\u2028\u2029", "\u0085", "\u200b", "\ufeff", "\x7f",
	"ünïcödé 日本語", "\U0001f600", "\U000e0041", "\xed\xa0\x80", "tab\ttab", "\r\n", "\ufffd", "a\u0301",
}

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "new\nline": `new\nline`, "\x1b[2J": `\x1b[2J`, "\xff": `\xff`, "\u202e": `\u202e`,
		`a\b`: `a\\b`, "日本": "日本", "\U000e0041": `\U000e0041`, "\u0085": `\u0085`, `say "hi"`: `say "hi"`,
	} {
		if got := Escape(in); got != want {
			t.Errorf("Escape(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestNastyStringsStayOneRecord(t *testing.T) {
	for _, s := range nasty {
		ev := access.Event{Kind: access.EventIntent, Person: s, Asked: []string{s, s}, Note: s, Claims: map[string]string{s: s}}
		line := lineOf(ev)
		if bytes.ContainsAny(line, "\n\r\x00\x1b") {
			t.Errorf("%q: control bytes in %q", s, line)
		}
		rec, err := parseRecord(line)
		if err != nil {
			t.Errorf("%q: %v in %q", s, err, line)
			continue
		}
		if got, err := Unescape(rec.Person); err != nil || got != s {
			t.Errorf("%q came back as %q, %v", s, got, err)
		}
		if rec.Claims[Escape(s)] != Escape(s) || len(rec.Asked) != 2 || rec.Asked[1] != Escape(s) || rec.Seq != 7 {
			t.Errorf("%q: record %+v", s, rec)
		}
	}
}

func TestLongFieldsAreCutAndHashed(t *testing.T) {
	for _, unit := range []string{"x", "\\", "\"", "\xff", "\u202e", "\U000e0041", "日"} {
		long := strings.Repeat(unit, 1<<20/len(unit))
		exit, uid := 1, int64(-1)
		ev := access.Event{Kind: access.EventKind(long), Request: 1 << 63, Ref: 1 << 63, Person: long, Author: long, Answer: long, Account: long, UID: &uid, PID: 1 << 30,
			Door: long, Inside: long, From: long, Key: long, Claims: map[string]string{"a": "b", "b": long, long: long}, Asked: []string{"ok", long, long},
			Executed: strings.Split(long[:1<<16], long[:1]), Objects: []string{long}, Verbs: []string{long}, Process: 1 << 30, Server: long,
			Rule: long, Reason: long, Exit: &exit, Bytes: 1 << 62, Content: []byte(long), Count: 1 << 62, Note: long}
		line := lineOf(ev)
		if len(line)+1+40 > maxLine {
			t.Errorf("%q: a record of %d bytes", unit, len(line))
		}
		rec, err := parseRecord(line)
		if err != nil {
			t.Fatalf("%q: %v", unit, err)
		}
		sum := sha256.Sum256([]byte(long))
		for _, field := range []string{"person", "account", "door", "inside", "from", "key", "server", "rule", "reason", "content", "note"} {
			want := Cut{field, len(long), hex.EncodeToString(sum[:])}
			found := false
			for _, c := range rec.Cut {
				found = found || c == want
			}
			if !found {
				t.Errorf("%q: %s is not told of as cut", unit, field)
			}
		}
		if prefix, err := Unescape(rec.Note); err != nil || !strings.HasPrefix(long, prefix) || prefix == "" {
			t.Errorf("%q: the note's beginning is not kept: %v", unit, err)
		}
		if rec.Asked[0] != "ok" || rec.Claims["a"] != "b" {
			t.Errorf("%q: what fits was not kept", unit)
		}
	}
}

func TestParseRecordRefuses(t *testing.T) {
	for _, line := range []string{
		"", "{", "{}", `{"seq":1}`, `{"seq":0,"kind":"x"}`, `{"seq":01,"kind":"x"}`, `{"seq":-1,"kind":"x"}`, `{"seq":1,"seq":2}`,
		`{"seq":99999999999999999999,"kind":"x"}`, `{"seq":1,"kind":"x"`, `{"seq":1,"kind":"x"}}`, `{"seq":1,"kind":5}`,
		"{\"seq\":1,\"kind\":\"\u202e\"}", `{"seq":1,"kind":"\u001b[2J"}`, "{\"seq\":1,\"kind\":\"\x1b\"}", `{"seq":1,"kind":"\n"}`,
	} {
		if rec, err := parseRecord([]byte(line)); err == nil {
			t.Errorf("%q was taken for record %+v", line, rec)
		}
	}
}

func FuzzEvent(f *testing.F) {
	for _, s := range nasty {
		f.Add(s, []byte(s), uint64(len(s)))
	}
	f.Fuzz(func(t *testing.T, s string, content []byte, n uint64) {
		ev := access.Event{Kind: access.EventKind(s), Request: n, Person: s, Asked: strings.Split(s, " "), Content: content,
			Claims: map[string]string{s: s}, Note: s + s}
		line := lineOf(ev)
		if len(line) >= maxLine {
			t.Fatalf("%d bytes", len(line))
		}
		rec, err := parseRecord(line)
		if err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		if len(s) < 100 {
			if got, err := Unescape(rec.Person); err != nil || got != s {
				t.Fatalf("%q came back as %q, %v", s, got, err)
			}
		}
		if len(content) <= roomContent && !bytes.Equal(rec.Content, content) {
			t.Fatal("the content is another")
		}
	})
}

func FuzzRecordReader(f *testing.F) {
	f.Add(append(lineOf(access.Event{Kind: "log"}), '\n'))
	f.Add([]byte("\x00\x00\x00{\"seq\":1,"))
	f.Add([]byte("{\"seq\":1,\"kind\":\"x\"}\n{\"seq\":2"))
	f.Add(bytes.Repeat([]byte("a"), maxLine+3))
	f.Fuzz(func(t *testing.T, data []byte) {
		ls := lines{r: bytes.NewReader(data)}
		sum := int64(0)
		for {
			line, off, err := ls.next()
			if off != sum {
				t.Fatalf("a line at %d, should be at %d", off, sum)
			}
			if err == errLong {
				if err = ls.skipLine(); err == nil {
					sum = ls.off
					if sum < int64(len(data)) {
						continue
					}
				}
				return
			}
			if err != nil {
				return
			}
			if want := data[off : off+int64(len(line))]; !bytes.Equal(line, want) {
				t.Fatal("the line is another")
			}
			sum += int64(len(line)) + 1
			if rec, err := parseRecord(line); err == nil {
				for _, s := range []string{rec.Person, rec.Note, string(rec.Kind)} {
					if !utf8.ValidString(s) || (!plain(s) && strings.ContainsAny(s, "\x1b\n\x00\u202e")) {
						t.Fatalf("a string that does not print: %q", s)
					}
				}
			}
		}
	})
}

func ExampleEscape() {
	fmt.Println(Escape("work\x1b[2J\u202e"))
	// Output: work\x1b[2J\u202e
}

// TestTime: a record's time reads as the standard library would write it, at the ends of what
// a log can hold and anywhere between.
func TestTime(t *testing.T) {
	for _, at := range []int64{0, 1, 951782399, 951782400, 1700000000, 4107542399, year10000 - 1} {
		for _, ns := range []int64{0, 999, 1000, 123456789, 999999999} {
			when := time.Unix(at, ns).In(time.FixedZone("far", 13*3600))
			want := when.UTC().Format("2006-01-02T15:04:05.000000Z")
			if got := string(appendTime(nil, when)); got != want {
				t.Errorf("%d.%09d is written %s, and not %s", at, ns, got, want)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		when := time.Unix(rapid.Int64Range(0, year10000-1).Draw(t, "seconds"), rapid.Int64Range(0, 999999999).Draw(t, "nanoseconds"))
		want := when.UTC().Format("2006-01-02T15:04:05.000000Z")
		if got := string(appendTime(nil, when)); got != want {
			t.Errorf("%v is written %s, and not %s", when, got, want)
		}
	})
}
