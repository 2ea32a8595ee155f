package attack

import (
	"io"
	"net"
	"os/exec"
	"testing"

	"golang.org/x/crypto/ssh"
)

// ordinary is an SSH server as most are: there is a shell behind it, and it connects
// people to wherever they like. The control runs of those attacks go there that want
// just that.
func ordinary(t *testing.T, w *world) (addr string) {
	t.Helper()
	config := &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
		return &ssh.Permissions{}, nil
	}}
	config.AddHostKey(w.stray())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go serveOrdinary(nc, config)
		}
	}()
	return l.Addr().String()
}

func serveOrdinary(nc net.Conn, config *ssh.ServerConfig) {
	defer nc.Close()
	_, channels, requests, err := ssh.NewServerConn(nc, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for ch := range channels {
		switch ch.ChannelType() {
		case "session":
			go runOrdinary(ch)
		case "direct-tcpip":
			go connectOrdinary(ch)
		default:
			_ = ch.Reject(ssh.UnknownChannelType, "")
		}
	}
}

// runOrdinary has a shell run what is asked for.
func runOrdinary(channel ssh.NewChannel) {
	ch, requests, err := channel.Accept()
	if err != nil {
		return
	}
	defer ch.Close()
	for r := range requests {
		var m struct{ Line string }
		if r.Type != "exec" || ssh.Unmarshal(r.Payload, &m) != nil {
			_ = r.Reply(r.Type == "pty-req" || r.Type == "break" || r.Type == "signal", nil)
			continue
		}
		_ = r.Reply(true, nil)
		cmd := exec.Command("sh", "-c", m.Line)
		cmd.Stdout, cmd.Stderr = ch, ch.Stderr()
		code := uint32(0)
		if cmd.Run() != nil {
			code = 1
		}
		_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{code}))
		return
	}
}

func connectOrdinary(channel ssh.NewChannel) {
	var m struct {
		Host   string
		Port   uint32
		Origin string
		From   uint32
	}
	if err := ssh.Unmarshal(channel.ExtraData(), &m); err != nil {
		return
	}
	to, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: net.ParseIP(m.Host), Port: int(m.Port)})
	if err != nil {
		_ = channel.Reject(ssh.ConnectionFailed, "")
		return
	}
	defer to.Close()
	ch, requests, err := channel.Accept()
	if err != nil {
		return
	}
	defer ch.Close()
	go ssh.DiscardRequests(requests)
	_, _ = io.Copy(ch, to)
}
