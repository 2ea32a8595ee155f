//go:build teeth_ssh

package sshd

import (
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"

	"golang.org/x/crypto/ssh"
)

// strict reads whatever is there. It is for the control runs of test/attack.
const strict = false

// crowded lets everybody come.
func crowded(int, int) bool { return false }

// tiresome hears everybody for ever.
func tiresome(int) bool { return false }

// fails has nobody wait.
const fails = false

// mayPass takes everything over.
func mayPass(string, string) bool { return true }

// sound takes every TERM.
func sound(string) bool { return true }

// stands takes every proof for one that holds.
func stands(error) bool { return true }

// foreign connects to wherever it is asked to.
func foreign(ch ssh.NewChannel) bool {
	var m struct {
		Host   string
		Port   uint32
		Origin string
		From   uint32
	}
	if ch.ChannelType() != "direct-tcpip" || ssh.Unmarshal(ch.ExtraData(), &m) != nil {
		return false
	}
	to, err := net.Dial("tcp", net.JoinHostPort(m.Host, fmt.Sprint(m.Port)))
	if err != nil {
		return false
	}
	from, requests, err := ch.Accept()
	if err != nil {
		return false
	}
	go ssh.DiscardRequests(requests)
	go func() {
		_, _ = io.Copy(from, to)
		_ = from.Close()
	}()
	return true
}

// foreignLine has a shell run whatever it is.
func foreignLine(ctx context.Context, x *session, line string) bool {
	out, err := exec.CommandContext(ctx, "sh", "-c", line).CombinedOutput()
	_ = x.print(ctx, out, false)
	return err == nil
}
