package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/muxward/muxward/internal/access"
)

// Format is the version of the log's format that this program writes. It
// reads this one and all before it.
const Format = 1

// maxLine is the longest a record can be, newline included.
const maxLine = 64 << 10

// Room for each field of a record, in bytes as written. Their sum, with names
// and [Cut] entries, stays under maxLine: a test fills them all.
const (
	roomWord    = 1 << 10 // names and rules
	roomReason  = 2 << 10
	roomNote    = 4 << 10
	roomArgs    = 12 << 10 // a command
	roomList    = 4 << 10  // objects, claims
	roomContent = 9 << 10  // typed bytes, before base64
)

// Record is one entry of the log as read back. Its strings are in the form of
// [Escape], safe to print.
type Record struct {
	// Seq numbers the records of a log without gaps, from 1.
	Seq uint64 `json:"seq"`
	access.Event
	// Cut names the fields that were too long to keep whole.
	Cut []Cut `json:"cut,omitempty"`
	Own
	// Line is the record as it stands in the log, without the newline. It is
	// valid until the next record is read.
	Line []byte `json:"-"`
}

// Cut tells of a field of which only the beginning was kept.
type Cut struct {
	Field string `json:"field"`
	// Bytes is the length of the whole.
	Bytes int `json:"bytes"`
	// SHA256 is the hash of the whole, in hex; of a list, that of its
	// elements, each followed by a zero byte.
	SHA256 string `json:"sha256"`
}

// Own is what only the log itself writes, at the head of each segment.
type Own struct {
	Format int    `json:"format,omitempty"`
	Origin string `json:"origin,omitempty"`
	// Tree is the Merkle root over all records before this one.
	Tree string `json:"tree,omitempty"`
	// OpenSince is the oldest intent without an outcome at this point.
	OpenSince uint64 `json:"open_since,omitempty"`
}

// appendHead appends the beginning of a record.
func appendHead(b []byte, seq uint64, at time.Time) []byte {
	b = append(b, `{"seq":`...)
	b = strconv.AppendUint(b, seq, 10)
	b = append(b, `,"time":"`...)
	return append(appendTime(b, at), `",`...)
}

// appendTime appends a time of the years 1970 to 9999 as 2006-01-02T15:04:05.000000Z. Each
// key waits for it, and [time.Time.AppendFormat] takes longer than all else of its record.
func appendTime(b []byte, at time.Time) []byte {
	at = at.UTC()
	year, month, day := at.Date()
	hour, minute, second := at.Clock()
	b = appendDigits(b, year, 4, '-')
	b = appendDigits(b, int(month), 2, '-')
	b = appendDigits(b, day, 2, 'T')
	b = appendDigits(b, hour, 2, ':')
	b = appendDigits(b, minute, 2, ':')
	b = appendDigits(b, second, 2, '.')
	return appendDigits(b, at.Nanosecond()/1000, 6, 'Z')
}

// appendDigits appends the last n digits of v, and what comes behind them.
func appendDigits(b []byte, v, n int, behind byte) []byte {
	b = append(b, "000000"[:n]...)
	for i := len(b) - 1; i >= len(b)-n; i-- {
		b[i], v = byte('0'+v%10), v/10
	}
	return append(b, behind)
}

// writing renders the fields of one record.
type writing struct {
	b    []byte
	cuts []Cut
}

// appendBody appends all of a record but its head.
func appendBody(b []byte, ev *access.Event, own *Own) []byte {
	w := writing{b: append(b, `"kind":"`...)}
	w.b, _ = appendJSON(w.b, string(ev.Kind), 64)
	w.b = append(w.b, '"')
	w.number("request", ev.Request)
	w.number("ref", ev.Ref)
	w.text("person", ev.Person, roomWord)
	w.text("author", ev.Author, roomWord)
	w.text("answer", ev.Answer, roomWord)
	w.text("account", ev.Account, roomWord)
	if ev.UID != nil {
		w.name("uid")
		w.b = strconv.AppendInt(w.b, *ev.UID, 10)
	}
	w.count("pid", ev.PID)
	w.text("door", ev.Door, roomWord)
	w.text("inside", ev.Inside, roomWord)
	w.text("from", ev.From, roomWord)
	w.text("key", ev.Key, roomWord)
	w.claims(ev.Claims)
	w.list("asked", ev.Asked, roomArgs)
	w.list("executed", ev.Executed, roomArgs)
	w.list("objects", ev.Objects, roomList)
	w.list("verbs", ev.Verbs, roomWord)
	w.count("process", ev.Process)
	w.text("run_as", ev.RunAs, roomWord)
	w.text("server", ev.Server, roomWord)
	if ev.Allowed || ev.Kind == access.EventDenied || ev.Kind == access.EventIntent {
		w.name("allowed")
		w.b = strconv.AppendBool(w.b, ev.Allowed)
	}
	w.text("rule", ev.Rule, roomWord)
	w.text("reason", ev.Reason, roomReason)
	if ev.Exit != nil {
		w.name("exit")
		w.b = strconv.AppendInt(w.b, int64(*ev.Exit), 10)
	}
	w.count("bytes", ev.Bytes)
	w.content(ev.Content)
	w.count("count", ev.Count)
	w.text("note", ev.Note, roomNote)
	w.own(own)
	w.cutList()
	return append(w.b, '}')
}

func (w *writing) name(field string) {
	w.b = append(w.b, ',', '"')
	w.b = append(w.b, field...)
	w.b = append(w.b, '"', ':')
}

func (w *writing) number(field string, v uint64) {
	if v != 0 {
		w.name(field)
		w.b = strconv.AppendUint(w.b, v, 10)
	}
}

func (w *writing) count(field string, v int) {
	if v != 0 {
		w.name(field)
		w.b = strconv.AppendInt(w.b, int64(v), 10)
	}
}

func (w *writing) text(field, s string, room int) {
	if s == "" {
		return
	}
	w.name(field)
	w.b = append(w.b, '"')
	whole := false
	if w.b, whole = appendJSON(w.b, s, room); !whole {
		sum := sha256.Sum256([]byte(s))
		w.cut(field, len(s), sum[:])
	}
	w.b = append(w.b, '"')
}

// list writes a list of strings in at most room bytes, quotes and commas
// included.
func (w *writing) list(field string, list []string, room int) {
	if len(list) == 0 {
		return
	}
	w.name(field)
	w.b = append(w.b, '[')
	start, whole := len(w.b), true
	for i, s := range list {
		left := room - (len(w.b) - start) - 3
		if left < 0 {
			whole = false
			break
		}
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = append(w.b, '"')
		w.b, whole = appendJSON(w.b, s, left)
		w.b = append(w.b, '"')
		if !whole {
			break
		}
	}
	w.b = append(w.b, ']')
	if !whole {
		w.cutStrings(field, list)
	}
}

func (w *writing) cutStrings(field string, list []string) {
	sum, n := sha256.New(), 0
	for _, s := range list {
		sum.Write([]byte(s))
		sum.Write([]byte{0})
		n += len(s)
	}
	w.cut(field, n, sum.Sum(nil))
}

// claims writes unproved statements in the order of their names; those that
// find no room are told of as cut.
func (w *writing) claims(claims map[string]string) {
	if len(claims) == 0 {
		return
	}
	names := make([]string, 0, len(claims))
	for k := range claims {
		names = append(names, k)
	}
	sort.Strings(names)
	w.name("claims")
	w.b = append(w.b, '{')
	start, whole := len(w.b), true
	for _, k := range names {
		before := len(w.b)
		if before > start {
			w.b = append(w.b, ',')
		}
		var kept, keptName bool
		w.b = append(w.b, '"')
		w.b, keptName = appendJSON(w.b, k, roomWord/4)
		w.b = append(w.b, `":"`...)
		w.b, kept = appendJSON(w.b, claims[k], roomWord)
		w.b = append(w.b, '"')
		if !keptName || !kept || len(w.b)-start > roomList {
			w.b, whole = w.b[:before], false
		}
	}
	w.b = append(w.b, '}')
	if !whole {
		flat := make([]string, 0, 2*len(names))
		for _, k := range names {
			flat = append(flat, k, claims[k])
		}
		w.cutStrings("claims", flat)
	}
}

func (w *writing) content(p []byte) {
	if len(p) == 0 {
		return
	}
	w.name("content")
	w.b = append(w.b, '"')
	w.b = base64.StdEncoding.AppendEncode(w.b, p[:min(len(p), roomContent)])
	w.b = append(w.b, '"')
	if len(p) > roomContent {
		sum := sha256.Sum256(p)
		w.cut("content", len(p), sum[:])
	}
}

func (w *writing) own(own *Own) {
	if own == nil {
		return
	}
	w.count("format", own.Format)
	w.text("origin", own.Origin, roomWord)
	w.text("tree", own.Tree, roomWord)
	w.number("open_since", own.OpenSince)
}

func (w *writing) cut(field string, n int, sum []byte) {
	w.cuts = append(w.cuts, Cut{field, n, hex.EncodeToString(sum)})
}

func (w *writing) cutList() {
	for i, c := range w.cuts {
		if i == 0 {
			w.name("cut")
			w.b = append(w.b, '[')
		} else {
			w.b = append(w.b, ',')
		}
		w.b = append(w.b, `{"field":"`...)
		w.b = append(w.b, c.Field...)
		w.b = append(w.b, `","bytes":`...)
		w.b = strconv.AppendInt(w.b, int64(c.Bytes), 10)
		w.b = append(w.b, `,"sha256":"`...)
		w.b = append(w.b, c.SHA256...)
		w.b = append(w.b, `"}`...)
	}
	if len(w.cuts) > 0 {
		w.b = append(w.b, ']')
	}
}

// lineSeq reads the sequence number from the head of a line, without judging
// the rest.
func lineSeq(line []byte) (uint64, bool) {
	rest, ok := bytes.CutPrefix(line, []byte(`{"seq":`))
	if !ok {
		return 0, false
	}
	end := bytes.IndexByte(rest, ',')
	if end < 1 || end > 20 || rest[0] == '0' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(rest[:end]), 10, 63)
	return n, err == nil
}

// parseRecord reads one line of a log.
func parseRecord(line []byte) (Record, error) {
	seq, ok := lineSeq(line)
	if !ok {
		return Record{}, errors.New("the line does not begin as a record")
	}
	var rec Record
	if err := json.Unmarshal(line, &rec); err != nil {
		return Record{}, fmt.Errorf("the line is not a record: %w", err)
	}
	if rec.Seq != seq {
		return Record{}, errors.New("the line has two sequence numbers")
	}
	if !printable(line) {
		return Record{}, errors.New("the line holds what no record holds: something that does not print")
	}
	rec.Line = line
	return rec, nil
}

// printable reports whether a line holds only what the log writes: printable
// text, in which a backslash stands before a backslash or a quote. Then its
// strings are printable too, whoever wrote it.
func printable(line []byte) bool {
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\\':
			if i++; i == len(line) || (line[i] != '\\' && line[i] != '"') {
				return false
			}
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRune(line[i:])
			if (r == utf8.RuneError && n == 1) || !strconv.IsPrint(r) {
				return false
			}
			i += n - 1
		case c < ' ' || c > '~':
			return false
		}
	}
	return true
}

// unescapeEvent gives an event as it was before it was written, as far as an
// event about it needs it.
func unescapeEvent(ev access.Event) access.Event {
	raw := func(s string) string {
		if r, err := Unescape(s); err == nil {
			return r
		}
		return s
	}
	ev.Person, ev.Account, ev.Door, ev.Server = raw(ev.Person), raw(ev.Account), raw(ev.Door), raw(ev.Server)
	ev.From, ev.Key = raw(ev.From), raw(ev.Key)
	for _, list := range [][]string{ev.Objects, ev.Verbs} {
		for i := range list {
			list[i] = raw(list[i])
		}
	}
	return ev
}

func sortRecords(recs []Record) {
	sort.Slice(recs, func(i, j int) bool { return recs[i].Seq < recs[j].Seq })
}
