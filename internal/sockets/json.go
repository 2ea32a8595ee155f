package sockets

import (
	"bytes"
	"encoding/json"
	"io"
	"runtime"
	"strconv"
	"time"
)

// WriteJSON writes a scan's JSON, the same as [json.Marshal] gives. Of sockets there may be
// many, for which reflection takes several times as long.
func (s Scan) WriteJSON(out io.Writer) error {
	many := s.Sockets
	if len(many) > 0 {
		s.Sockets = nil
	}
	rest, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if len(many) == 0 {
		_, err = out.Write(rest)
		return err
	}
	const key = `"sockets":`
	at := bytes.Index(rest, []byte(key+"null")) + len(key) // in a string the quotes would be escaped
	if _, err := out.Write(rest[:at]); err != nil {
		return err
	}
	if err := writeList(out, many, (*jsonWriter).socket); err != nil {
		return err
	}
	_, err = out.Write(rest[at+len("null"):])
	return err
}

// WriteFindings writes the JSON of a list of findings, the same as [json.Marshal] gives of
// one that is not nil.
func WriteFindings(out io.Writer, all []Finding) error {
	return writeList(out, all, (*jsonWriter).finding)
}

// perChunk is how many sockets or findings are written at once.
const perChunk = 256

// writeList writes a list, in chunks: all processors write some, and no more of them are
// there at a time than processors.
func writeList[T any](out io.Writer, all []T, write func(*jsonWriter, *T)) error {
	if _, err := io.WriteString(out, "["); err != nil {
		return err
	}
	room := make(chan []byte, runtime.GOMAXPROCS(0)+1)
	for range cap(room) {
		room <- nil
	}
	chunks := make(chan chan *jsonWriter, cap(room))
	go func() {
		defer close(chunks)
		for from := 0; from < len(all); from += perChunk {
			w := &jsonWriter{b: (<-room)[:0], above: map[*File][]byte{}}
			done := make(chan *jsonWriter, 1)
			chunks <- done
			go func() {
				for i := from; i < min(from+perChunk, len(all)); i++ {
					if i > 0 {
						w.b = append(w.b, ',')
					}
					write(w, &all[i])
				}
				done <- w
			}()
		}
	}()
	var err error
	for done := range chunks {
		w := <-done
		if err == nil {
			err = w.err
		}
		if err == nil {
			_, err = out.Write(w.b)
		}
		room <- w.b
	}
	if err == nil {
		_, err = io.WriteString(out, "]")
	}
	return err
}

// jsonWriter writes what there may be much of.
type jsonWriter struct {
	b     []byte
	above map[*File][]byte // what was written of directories
	err   error
}

func (w *jsonWriter) socket(s *Socket) {
	w.text(`{"path":`, s.Path.String())
	w.b = append(w.b, ',')
	w.file(&s.File)
	if s.Dir != "" {
		w.text(`,"dir":`, s.Dir.String())
	}
	if s.Above != nil {
		w.b = append(w.b, `,"above":`...)
		w.aboveIt(s.Above)
	}
	w.text(`,"life":`, string(s.Life))
	w.text(`,"why":`, s.Why)
	if s.PID != 0 {
		w.num(`,"pid":`, int64(s.PID))
	}
	if s.Program != "" {
		w.text(`,"program":`, s.Program)
	}
	if s.Pending != 0 {
		w.num(`,"pending":`, int64(s.Pending))
	}
	w.b = append(w.b, '}')
}

// file writes the fields of a file, without the braces.
func (w *jsonWriter) file(f *File) {
	w.text(`"kind":`, f.Kind)
	w.num(`,"uid":`, int64(f.UID))
	w.num(`,"gid":`, int64(f.GID))
	w.text(`,"mode":`, f.Mode.String())
	w.unsigned(`,"links":`, f.Links)
	w.unsigned(`,"dev":`, f.Dev)
	w.unsigned(`,"ino":`, f.Ino)
	w.b = append(w.b, `,"changed":`...)
	w.time(f.Changed)
	for i, e := range f.ACL {
		if i == 0 {
			w.text(`,"acl":[`, e)
		} else {
			w.text(`,`, e)
		}
	}
	if len(f.ACL) > 0 {
		w.b = append(w.b, ']')
	}
}

func (w *jsonWriter) aboveIt(f *File) {
	text, old := w.above[f]
	if !old {
		at := len(w.b)
		w.b = append(w.b, '{')
		w.file(f)
		w.b = append(w.b, '}')
		w.above[f] = bytes.Clone(w.b[at:])
		return
	}
	w.b = append(w.b, text...)
}

func (w *jsonWriter) finding(f *Finding) {
	w.text(`{"id":`, f.ID)
	w.text(`,"severity":`, f.Severity.String())
	if f.Path != "" {
		w.text(`,"path":`, f.Path.String())
	}
	if f.PID != 0 {
		w.num(`,"pid":`, int64(f.PID))
	}
	w.num(`,"uid":`, int64(f.UID))
	w.text(`,"evidence":`, f.Evidence)
	w.text(`,"fix":`, f.Fix)
	w.b = append(strconv.AppendBool(append(w.b, `,"auto":`...), f.Auto), '}')
}

func (w *jsonWriter) num(key string, n int64) {
	w.b = strconv.AppendInt(append(w.b, key...), n, 10)
}

func (w *jsonWriter) unsigned(key string, n uint64) {
	w.b = strconv.AppendUint(append(w.b, key...), n, 10)
}

func (w *jsonWriter) time(t time.Time) {
	w.b = append(w.b, '"')
	text, err := t.AppendText(w.b)
	if err != nil {
		w.err = err // a year that JSON has no form for
		return
	}
	w.b = append(text, '"')
}

// text writes a string. What has to be escaped in it is left to encoding/json.
func (w *jsonWriter) text(key, s string) {
	w.b = append(w.b, key...)
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			text, _ := json.Marshal(s) // of a string it does not fail
			w.b = append(w.b, text...)
			return
		}
	}
	w.b = append(append(append(w.b, '"'), s...), '"')
}
