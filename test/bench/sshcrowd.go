package main

import (
	"bufio"
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	// halfOpen and full are how many connections come: those that say nothing, and those
	// of people who look at what they may go to.
	halfOpen = 10_000
	full     = 2_000
)

// sshCrowd measures the keys of one attached person while nobody else is here, while many
// come, and while they stay; and what muxward holds then, and when they have gone.
func sshCrowd(b *bed, n int) (string, error) {
	addr, err := b.door()
	if err != nil {
		return "", err
	}
	if err := b.sessionOf("ssh-crowd", "echo"); err != nil {
		return "", err
	}
	r, err := sshSide{b, addr, "tmux "}.attach(0, "ssh-crowd")
	if err != nil {
		return "", err
	}
	defer r.close()
	if err := r.until("READY"); err != nil {
		return "", err
	}
	time.Sleep(100 * time.Millisecond) // until the screen is drawn
	before, err := b.pss()
	if err != nil {
		return "", err
	}
	idle, err := r.keys(n, nil)
	if err != nil {
		return "", err
	}
	text := "idle " + percentiles(idle)
	share := func(count, of int) string { return strconv.Itoa(max(count*min(n, 1000)/1000, of)) }
	for _, kind := range [][]string{{"half-open", share(halfOpen, 100), "0"}, {"full", "0", share(full, 20)}} {
		said, err := b.crowd(r, n, kind[0], addr, kind[1:])
		if err != nil {
			return "", err
		}
		text += said
	}
	again, err := r.keys(n, nil)
	if err != nil {
		return "", err
	}
	after, took, err := b.shrinks(before + fewKiB)
	return fmt.Sprintf("%s; afterwards %s, %+d KiB after %.0f s", text, percentiles(again), after-before, took.Seconds()), err
}

const (
	// fewKiB is what muxward may have more than before when it is as it was, and
	// shrinkTime how long that may take: Go looks for what is unused every two minutes,
	// and gives it back bit by bit.
	fewKiB     = 32 << 10
	shrinkTime = 5 * time.Minute
)

// shrinks waits until muxward's memory is small again.
func (b *bed) shrinks(limit int) (now int, took time.Duration, err error) {
	begin := time.Now()
	for {
		now, err = b.pss()
		if took = time.Since(begin); err != nil || now <= limit || took > shrinkTime {
			return now, took, err
		}
		time.Sleep(time.Second)
	}
}

// crowd has many come and go, and says what somebody else noticed.
func (b *bed) crowd(r *remote, n int, what, addr string, counts []string) (string, error) {
	before, err := b.pss()
	if err != nil {
		return "", err
	}
	cmd := exec.Command("nice", append([]string{"-n", "19", b.self, "crowd", addr, b.dir + "/private"}, counts...)...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	var said string
	come := make(chan struct{})
	go func() {
		said, _ = bufio.NewReader(out).ReadString('\n') // nothing is said by one that failed
		close(come)
	}()
	begin := time.Now()
	coming, err := r.keys(1<<30, come)
	took := time.Since(begin)
	var held series
	if err == nil {
		held, err = r.keys(n, nil)
	}
	at, perr := b.pss()
	_ = in.Close()
	err = errors.Join(err, perr, cmd.Wait())
	return fmt.Sprintf("; %s %s in %.1f s: while they come %s (%d keys), while they stay %s, %+d KiB",
		strings.TrimSpace(said), what, took.Seconds(), percentiles(coming), len(coming), percentiles(held), at-before), err
}

func percentiles(s series) string {
	return fmt.Sprintf("p50 %s p99 %s", short(s.at(.5)), short(s.at(.99)))
}

// keys measures from a key to its echo, n times or until something has happened.
func (r *remote) keys(n int, until <-chan struct{}) (s series, err error) {
	for i := range n {
		select {
		case <-until:
			return s, nil
		default:
		}
		c := byte('a' + i%26)
		begin := time.Now()
		if _, err := r.in.Write([]byte{c}); err != nil {
			return s, err
		}
		if err := r.until(string(c)); err != nil {
			return s, err
		}
		s = append(s, time.Since(begin))
		if i%100 == 99 { // the line is not to grow without end
			if err := r.clear(); err != nil {
				return s, err
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
	return s, nil
}

// crowdProgram is many clients in a process of its own. It says how many are there when
// all have come, and goes when its input ends.
func crowdProgram(args []string) {
	if err := crowdOf(args); err != nil {
		fmt.Fprintln(os.Stderr, "bench crowd:", err)
		os.Exit(1)
	}
}

func crowdOf(args []string) error {
	if len(args) != 4 {
		return errors.New("give an address, a file of keys, and how many come")
	}
	half, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	whole, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	keys, err := privateKeys(args[1])
	if err != nil {
		return err
	}
	var open []net.Conn
	for i := range half {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(i/200), byte(1+i%200))}, Timeout: patience}
		c, err := d.Dial("tcp", args[0])
		if err != nil {
			return err
		}
		open = append(open, c)
	}
	var in atomic.Int64
	var wg sync.WaitGroup
	failed := make(chan error, handshakers)
	for h := range handshakers {
		wg.Go(func() {
			for i := h; i < whole; i += handshakers {
				if err := looksOn(args[0], keys[i%len(keys)]); err != nil {
					failed <- fmt.Errorf("%d of %d: %w", i, whole, err)
					return
				}
				in.Add(1)
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		return err
	default:
	}
	fmt.Println(len(open) + int(in.Load()))
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// looksOn has somebody come and choose from the list, who does not go before the process.
func looksOn(addr string, key ssh.Signer) error {
	client, err := ssh.Dial("tcp", addr, &ssh.ClientConfig{User: "x", Auth: []ssh.AuthMethod{ssh.PublicKeys(key)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: patience})
	if err != nil {
		return err
	}
	x, err := client.NewSession()
	if err != nil {
		return err
	}
	if err := x.RequestPty("xterm-256color", 24, 80, ssh.TerminalModes{}); err != nil {
		return err
	}
	x.Stdout = io.Discard
	return x.Shell()
}

func privateKeys(path string) (keys []ssh.Signer, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for len(bytes.TrimSpace(data)) > 0 {
		block, rest := pem.Decode(data)
		if block == nil {
			return nil, fmt.Errorf("%s has something else than keys", path)
		}
		key, err := ssh.ParsePrivateKey(pem.EncodeToMemory(block))
		if err != nil {
			return nil, err
		}
		keys, data = append(keys, key), rest
	}
	return keys, nil
}
