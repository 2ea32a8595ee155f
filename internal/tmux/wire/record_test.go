package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Recording is how testdata came to be: a stock client talks to a real server
// of the same version through a proxy that copies bytes and descriptors as
// they come and knows nothing of this package's codec.
//
//	MUXWARD_RECORD=1 go test -run TestRecord      (MUXWARD_TMUX=… for other versions)

// line is one message of a fixture, as the sender's bytes.
type line struct {
	From string `json:"from"` // "client" or "server"
	Type string `json:"type"` // for people
	FD   bool   `json:"fd,omitempty"`
	Hex  string `json:"hex"` // header and data
}

// scenario is one conversation to record.
type scenario struct {
	name  string
	tty   bool
	args  []string
	stdin string
	// meanwhile is run against the real server once an attached client shows
	// the pane.
	meanwhile []string
	empty     bool // the server has no sessions
}

func scenarios(dir string) []scenario {
	file, to, conf := filepath.Join(dir, "file"), filepath.Join(dir, "to"), filepath.Join(dir, "conf")
	return []scenario{
		{name: "list-sessions", args: []string{"list-sessions", "-F", "#{session_name}"}},
		{name: "list-sessions-none", args: []string{"list-sessions"}, empty: true},
		{name: "new-session-detached", args: []string{"new-session", "-d", "-s", "second"}},
		{name: "attach-detach", tty: true, args: []string{"attach-session", "-t", "work"}, meanwhile: []string{"detach-client", "-s", "work"}},
		{name: "load-buffer-file", args: []string{"load-buffer", "-b", "one", file}},
		{name: "load-buffer-missing", args: []string{"load-buffer", "-b", "one", file + ".none"}},
		{name: "load-buffer-stdin", args: []string{"load-buffer", "-b", "two", "-"}, stdin: strings.Repeat("standard input\n", 1200)},
		{name: "show-buffer", args: []string{"show-buffer", "-b", "one"}},
		{name: "save-buffer-file", args: []string{"save-buffer", "-b", "one", to}},
		{name: "save-buffer-stdout", args: []string{"save-buffer", "-b", "two", "-"}},
		{name: "source-file", args: []string{"source-file", conf}},
		{name: "control-attach", args: []string{"-C", "attach-session", "-t", "work"}, stdin: "list-sessions -F '#{session_name}'\n\n"},
		{name: "has-session-none", args: []string{"has-session", "-t", "=nobody"}},
		{name: "kill-server", args: []string{"kill-server"}},
	}
}

func TestRecord(t *testing.T) {
	if os.Getenv("MUXWARD_RECORD") != "1" {
		t.Log("testdata is kept; MUXWARD_RECORD=1 is to record it anew")
		return
	}
	for _, bin := range tmuxes(t) {
		version, err := exec.Command(bin, "-V").Output()
		if err != nil {
			t.Fatal(err)
		}
		out := filepath.Join("testdata", strings.TrimSpace(strings.ReplaceAll(string(version), " ", "-")))
		if err := os.MkdirAll(out, 0o755); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		for name, text := range map[string]string{"file": "content of a file\n", "conf": "set-option -g @recorded yes\n"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s := startServer(t, bin)
		for _, sc := range scenarios(dir) {
			on := s
			if sc.empty {
				on = startServer(t, bin)
				_, _ = on.tmux("set-option", "-g", "exit-empty", "off")
				_, _ = on.tmux("kill-session", "-t", "work")
			}
			lines := recordOne(t, on, sc, dir)
			var b bytes.Buffer
			enc := json.NewEncoder(&b)
			for _, l := range lines {
				if err := enc.Encode(l); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(out, sc.name+".jsonl"), b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func recordOne(t *testing.T, s *realServer, sc scenario, dir string) []line {
	t.Helper()
	sock := filepath.Join(filepath.Dir(s.sock), "proxy")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: sock, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	rec := &recorder{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		rec.proxy(t, l, s.sock)
	}()
	cmd := exec.CommandContext(testContext(t), s.bin, append([]string{"-S", sock}, sc.args...)...)
	cmd.Env = []string{"TERM=xterm", "HOME=/", "LC_ALL=C.UTF-8", "PATH=/usr/bin:/bin"}
	cmd.Dir, cmd.Stdin = "/", strings.NewReader(sc.stdin)
	if sc.tty {
		p := openPTY(t)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = p.slave, p.slave, p.slave
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if !eventually(func() bool { return strings.Contains(p.text(), "HELLO-PANE") }) {
			t.Fatalf("%s: %q", sc.name, p.text())
		}
		if out, err := s.tmux(sc.meanwhile...); err != nil {
			t.Fatal(out, err)
		}
		_ = cmd.Wait()
	} else {
		_ = cmd.Run() // some are to fail
	}
	<-done
	_ = l.Close()
	return rec.lines(t, map[string]string{dir: "/DIR", sock: "/DIR/s"})
}

// recorder holds what each side sent, in chunks as they came.
type recorder struct {
	mu     sync.Mutex
	chunks []chunk
}

type chunk struct {
	from string
	b    []byte
}

// proxy serves one connection to its end.
func (r *recorder) proxy(t *testing.T, l *net.UnixListener, to string) {
	client, err := l.AcceptUnix()
	if err != nil {
		t.Error(err)
		return
	}
	server, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: to, Net: "unix"})
	if err != nil {
		t.Error(err)
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { r.copy(t, "client", client, server) })
	wg.Go(func() { r.copy(t, "server", server, client) })
	wg.Wait()
	_, _ = client.Close(), server.Close()
}

func (r *recorder) copy(t *testing.T, from string, src, dst *net.UnixConn) {
	defer func() { _ = dst.CloseWrite() }()
	b, oob := make([]byte, 65536), make([]byte, 128)
	for {
		n, oobn, _, _, err := src.ReadMsgUnix(b, oob)
		if n <= 0 || err != nil {
			return
		}
		r.mu.Lock()
		r.chunks = append(r.chunks, chunk{from, bytes.Clone(b[:n])})
		r.mu.Unlock()
		sent, _, err := dst.WriteMsgUnix(b[:n], oob[:oobn], nil)
		if err == nil && sent < n {
			_, err = dst.Write(b[sent:n])
		}
		if oobn > 0 {
			fds, rightsErr := rights(oob[:oobn])
			closeAll(fds)
			err = errors.Join(err, rightsErr)
		}
		if err != nil && !errors.Is(err, unix.EPIPE) {
			t.Error(err)
			return
		}
	}
}

// lines cuts the chunks into messages, each where its last byte came, and
// takes out what belongs to the machine they were recorded on.
func (r *recorder) lines(t *testing.T, replace map[string]string) []line {
	t.Helper()
	var lines []line
	rest := map[string][]byte{}
	for _, c := range r.chunks {
		b := append(rest[c.from], c.b...)
		for len(b) >= 16 {
			word := binary.LittleEndian.Uint32(b[4:])
			size := int(word & 0xffff)
			if size < 16 || size > 16384 {
				t.Fatalf("a message of %d bytes", size)
			}
			if len(b) < size {
				break
			}
			if m := scrub(bytes.Clone(b[:size]), replace); m != nil {
				typ := Type(binary.LittleEndian.Uint32(m))
				lines = append(lines, line{From: c.from, Type: typ.String(), FD: word>>16 != 0, Hex: hex.EncodeToString(m)})
			}
			b = b[size:]
		}
		rest[c.from] = b
	}
	return lines
}

// scrub replaces the text of a message and corrects its length.
func scrub(m []byte, replace map[string]string) []byte {
	text := m[16:]
	switch typ := Type(binary.LittleEndian.Uint32(m)); {
	case typ == TypeIdentifyEnviron && !bytes.HasPrefix(text, []byte("TERM=")) && !bytes.HasPrefix(text, []byte("LC_ALL=")):
		return nil
	case typ == TypeIdentifyTTYName && len(text) > 1:
		text = []byte("/dev/pts/0\x00")
	case typ == TypeIdentifyClientPID:
		text = binary.LittleEndian.AppendUint32(nil, 4711)
	default:
		for from, to := range replace {
			text = bytes.ReplaceAll(text, []byte(from), []byte(to))
		}
	}
	m = append(m[:16:16], text...)
	word := binary.LittleEndian.Uint32(m[4:])
	binary.LittleEndian.PutUint32(m[4:], word&^0xffff|uint32(len(m)))
	return m
}

// loadFixture reads a recorded conversation.
func loadFixture(path string) ([]line, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var lines []line
	dec := json.NewDecoder(bytes.NewReader(b))
	for dec.More() {
		var l line
		if err := dec.Decode(&l); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		lines = append(lines, l)
	}
	return lines, nil
}
