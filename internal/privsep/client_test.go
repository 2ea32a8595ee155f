package privsep

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/keep"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// other is the other end of a line, which answers each packet with what say gives.
func other(t *testing.T, say func(Packet) ([]byte, []*os.File)) *Line {
	t.Helper()
	theirs, file, err := NewPair()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Dup(int(file.Fd()))
	if err = errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	ours, err := OpenLine(fd, uint32(os.Geteuid()))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, MaxPacket+1)
		for {
			p, err := theirs.Receive(buf)
			if err != nil {
				return
			}
			data, files := say(p)
			_ = theirs.Send(data, files...) // it may have let go
		}
	}()
	t.Cleanup(func() { ours.Close(); theirs.Close(); <-done })
	return ours
}

// A helper of another release is refused, whatever else it says.
func TestAnotherVersion(t *testing.T) {
	line := other(t, func(p Packet) ([]byte, []*os.File) {
		data, _ := Pack(NumDone, p.ID, Welcome{Version: Version + 1})
		return data, nil
	})
	if _, err := Connect(context.Background(), line, "test"); err == nil || !strings.Contains(err.Error(), "install both of one release") {
		t.Error(err)
	}
}

// The daemon goes on with no answer that is none: with others' ids, with descriptors that
// nobody has asked for, without those that belong to it.
func TestBrokenAnswers(t *testing.T) {
	for name, answer := range map[string]func(Packet) ([]byte, []*os.File){
		"another id": func(p Packet) ([]byte, []*os.File) {
			data, _ := Pack(NumDone, p.ID+1, Nothing{})
			return data, nil
		},
		"a request": func(p Packet) ([]byte, []*os.File) {
			data, _ := Pack(NumConnect, p.ID, Nothing{})
			return data, nil
		},
		"no descriptor": func(p Packet) ([]byte, []*os.File) {
			data, _ := Pack(NumDone, p.ID, Nothing{})
			return data, nil
		},
		"two descriptors": func(p Packet) ([]byte, []*os.File) {
			data, _ := Pack(NumDone, p.ID, Nothing{})
			return data, []*os.File{os.Stdin, os.Stdin}
		},
		"more in the body": func(p Packet) ([]byte, []*os.File) {
			data, _ := Pack(NumDone, p.ID, Server{"x"})
			return data, []*os.File{os.Stdin}
		},
		"short": func(Packet) ([]byte, []*os.File) { return []byte{1}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			line := other(t, func(p Packet) ([]byte, []*os.File) {
				if p.Number == NumHello {
					data, _ := Pack(NumDone, p.ID, Welcome{Version: Version})
					return data, nil
				}
				return answer(p)
			})
			c, err := Connect(context.Background(), line, "test")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if f, err := c.Hands().Connect(context.Background(), "x"); err == nil {
				f.Close()
				t.Error("it is taken")
			}
		})
	}
}

// What comes of a request after its asker has gone is undone: nobody knows of it.
func TestLateAnswersAreUndone(t *testing.T) {
	var asked sync.Map
	line := other(t, func(p Packet) ([]byte, []*os.File) {
		switch p.Number {
		case NumHello:
			data, _ := Pack(NumDone, p.ID, Welcome{Version: Version})
			return data, nil
		case NumStart:
			close(late(&asked, -int(p.Number))) // it has come
			<-late(&asked, p.Number)
			data, _ := Pack(NumDone, p.ID, keep.Held{ID: "01234567"})
			return data, nil
		case NumOpenDoor:
			close(late(&asked, -int(p.Number))) // it has come
			<-late(&asked, p.Number)
			data, _ := Pack(NumDone, p.ID, Opened{})
			return data, []*os.File{os.Stdin}
		}
		close(late(&asked, string(p.Body)))
		data, _ := Pack(NumDone, p.ID, Nothing{})
		return data, nil
	})
	c, err := Connect(context.Background(), line, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	h := c.Hands()
	for _, r := range []struct {
		number Number
		undo   any
		ask    func(context.Context) error
	}{
		{NumStart, Server{"01234567"}, func(ctx context.Context) error { _, err := h.Start(ctx, keep.Order{}); return err }},
		{NumOpenDoor, keep.Place{Server: "76543210"}, func(ctx context.Context) error {
			_, err := h.OpenDoor(ctx, keep.Place{Server: "76543210"})
			return err
		}},
	} {
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			<-late(&asked, -int(r.number))
			cancel()
		}()
		if err := r.ask(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		body, err := json.Marshal(r.undo)
		if err != nil {
			t.Fatal(err)
		}
		close(late(&asked, r.number))
		select {
		case <-late(&asked, string(body)):
		case <-time.After(10 * time.Second):
			t.Errorf("%d is not undone by %s", r.number, body)
		}
	}
}

// late gives the channel of a name.
func late(m *sync.Map, name any) chan struct{} {
	c, _ := m.LoadOrStore(name, make(chan struct{}))
	return c.(chan struct{})
}

// A line that somebody else has made is none, and nor is another kind of descriptor.
func TestOpenLine(t *testing.T) {
	ours, file, err := NewPair()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	defer file.Close()
	if _, err := OpenLine(int(file.Fd()), uint32(os.Geteuid())+1); err == nil || !strings.Contains(err.Error(), "was made by uid") {
		t.Error(err)
	}
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if _, err := OpenLine(int(null.Fd()), uint32(os.Geteuid())); err == nil || !strings.Contains(err.Error(), "no line") {
		t.Error(err)
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x01{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Unpack(data)
		if err != nil {
			return
		}
		var h Hello
		_ = Decode(p.Body, &h) // it may be none
	})
}
