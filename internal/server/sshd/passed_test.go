package sshd

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
)

// heldSocket is a listening socket that goes on without whoever serves it.
func heldSocket(t *testing.T) (*os.File, string) {
	t.Helper()
	l, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f, l.Addr().String()
}

// A connection of a socket that was passed is asked whether it is there, as others are.
func TestPassedIsAsked(t *testing.T) {
	f, addr := heldSocket(t)
	l, err := Passed(f)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	raw, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	idle := 0
	if err := raw.Control(func(fd uintptr) { idle, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPIDLE) }); err != nil || idle != 30 {
		t.Errorf("after %d seconds, %v", idle, err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if l, err := Passed(null); err == nil {
		_ = l.Close()
		t.Error("a file is taken for a socket")
	}
}

// A server that leaves its sockets takes nobody any more, who comes waits for the next one, and
// who is here stays until its end.
func TestLeave(t *testing.T) {
	key, err := OpenHostKey(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	table, _ := identity.NewSSHKeys(nil, nil, nil, func(string) bool { return false })
	s := &Server{Gateway: gateway.New(gateway.Parts{Log: &told{}}), Key: key, Complain: func(what string) { t.Error(what) },
		Prover: identity.SSHProver{Keys: func() *identity.SSHKeys { return table }, Now: time.Now}}
	var ls []net.Listener
	var here []*bufio.ReadWriter
	files, addrs := []*os.File{}, []string{}
	for range 2 {
		f, addr := heldSocket(t)
		l, err := Passed(f)
		if err != nil {
			t.Fatal(err)
		}
		ls, files, addrs = append(ls, l), append(files, f), append(addrs, addr)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, ls...) }()
	dial := func(addr string) net.Conn {
		t.Helper()
		c, err := net.DialTimeout("tcp", addr, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		return c
	}
	for _, addr := range addrs {
		c := dial(addr)
		rw := bufio.NewReadWriter(bufio.NewReader(c), bufio.NewWriter(c))
		if line, err := rw.ReadString('\n'); err != nil || line[:4] != "SSH-" {
			t.Fatalf("%q, %v", line, err)
		}
		here = append(here, rw)
	}
	s.Leave(ls...)
	for i, addr := range addrs {
		waits := dial(addr)
		next, err := net.FileListener(files[i])
		if err != nil {
			t.Fatal(err)
		}
		_ = next.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Second))
		nc, err := next.Accept()
		if err != nil || nc.RemoteAddr().String() != waits.LocalAddr().String() {
			t.Fatalf("the next one is given %v, %v", nc, err)
		}
		_, _ = nc.Close(), next.Close()
		_, err = here[i].WriteString("SSH-2.0-x\r\n")
		if err == nil {
			err = here[i].Flush()
		}
		if err == nil {
			_, err = io.ReadFull(here[i], make([]byte, 6)) // of the server's key exchange
		}
		if err != nil {
			t.Errorf("who is here is sent away: %v", err)
		}
	}
	select {
	case err := <-served:
		t.Fatalf("it has ended: %v", err)
	default:
	}
	cancel()
	if err := <-served; err != nil { // the context of the test ends it at the latest
		t.Error(err)
	}
	s.Wait()
}
