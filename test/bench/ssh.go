package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// keyed is how many have a key, ourselves among them.
const keyed = 200

// handshakers is how many people come at the same time, each again and again.
const handshakers = 4

// byKey gives the people keys: the first is ours, the others are those who have grants.
func (b *bed) byKey(who string) error {
	dir := filepath.Join(b.dir, "keys")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	var all, private []byte
	for i := range keyed {
		public, secret, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return err
		}
		key, err := ssh.NewSignerFromKey(secret)
		if err != nil {
			return err
		}
		b.keys = append(b.keys, key)
		if block, err := ssh.MarshalPrivateKey(secret, ""); err != nil {
			return err
		} else if i > 0 {
			private = append(private, pem.EncodeToMemory(block)...)
		}
		name := who
		if i > 0 {
			name = fmt.Sprintf("p%d", i)
		}
		sshKey, err := ssh.NewPublicKey(public)
		if err != nil {
			return err
		}
		line := ssh.MarshalAuthorizedKey(sshKey)
		all = append(all, line...)
		if err := os.WriteFile(filepath.Join(dir, name+".keys"), line, 0o644); err != nil {
			return err
		}
	}
	return errors.Join(os.WriteFile(filepath.Join(b.dir, "authorized_keys"), all, 0o600), os.WriteFile(filepath.Join(b.dir, "private"), private, 0o600))
}

// errNoSSHD is why there is nothing to compare with.
var errNoSSHD = errors.New("no sshd is installed")

// sshd starts OpenSSH's server for our own account, once, and gives where it is.
func (b *bed) sshd() (string, error) {
	if b.sshdAddr != "" {
		return b.sshdAddr, nil
	}
	path, err := exec.LookPath("/usr/sbin/sshd")
	if err != nil {
		return "", errNoSSHD
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	addr := l.Addr().String()
	_ = l.Close() // sshd takes the port; that somebody else does is seen below
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return "", err
	}
	_ = os.MkdirAll("/run/sshd", 0o755) // as root it wants that; else it does not
	conf := fmt.Sprintf("ListenAddress %s\nHostKey %s/sshd_key\nAuthorizedKeysFile %[2]s/authorized_keys\nPidFile none\nUsePAM no\n"+
		"StrictModes no\nPermitRootLogin yes\nMaxStartups 1000\nPrintMotd no\nLogLevel ERROR\n", addr, b.dir)
	err = errors.Join(os.WriteFile(b.dir+"/sshd_key", pem.EncodeToMemory(block), 0o600), os.WriteFile(b.dir+"/sshd_config", []byte(conf), 0o600))
	if err != nil {
		return "", err
	}
	b.sshdCmd = exec.Command(path, "-D", "-f", b.dir+"/sshd_config")
	b.sshdCmd.Stderr = os.Stderr
	if err := b.sshdCmd.Start(); err != nil {
		return "", err
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			_ = c.Close()
			b.sshdAddr = addr
			return addr, nil
		}
	}
	return "", errors.New("sshd does not start")
}

// door is where muxward's SSH door is.
func (b *bed) door() (string, error) {
	data, err := os.ReadFile(b.dir + "/state/serve.json")
	if err != nil {
		return "", err
	}
	var at struct{ SSH struct{ Addr string } }
	if err := json.Unmarshal(data, &at); err != nil {
		return "", err
	}
	return at.SSH.Addr, nil
}

// sides are sshd with a tmux client behind it, and muxward.
func (b *bed) sides() (sides [2]sshSide, err error) {
	raw, err := b.sshd()
	if err != nil {
		return sides, err
	}
	ours, err := b.door()
	return [2]sshSide{{b, raw, "exec tmux -S " + b.socket + " "}, {b, ours, "tmux "}}, err
}

type sshSide struct {
	b    *bed
	addr string
	tmux string
}

// dial logs in as one of the people. It is the same client with the same cipher for both.
func (s sshSide) dial(i int) (*ssh.Client, net.Conn, error) {
	name := "x"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	nc, err := net.DialTimeout("tcp", s.addr, patience)
	if err != nil {
		return nil, nil, err
	}
	_ = nc.SetDeadline(time.Now().Add(10 * patience))
	config := &ssh.ClientConfig{User: name, Auth: []ssh.AuthMethod{ssh.PublicKeys(s.b.keys[i])}, HostKeyCallback: ssh.InsecureIgnoreHostKey()}
	config.Ciphers = []string{ssh.CipherChaCha20Poly1305}
	config.KeyExchanges = []string{ssh.KeyExchangeCurve25519}
	conn, channels, requests, err := ssh.NewClientConn(nc, s.addr, config)
	if err != nil {
		_ = nc.Close()
		return nil, nil, err
	}
	return ssh.NewClient(conn, channels, requests), nc, nil
}

// remote is somebody attached by ssh.
type remote struct {
	client *ssh.Client
	in     io.Writer
	out    io.Reader
	buf    []byte
}

// attach is that of one of the people.
func (s sshSide) attach(i int, target string) (*remote, error) {
	client, _, err := s.dial(i)
	if err != nil {
		return nil, err
	}
	r := &remote{client: client, buf: make([]byte, 64<<10)}
	x, err := client.NewSession()
	if err == nil {
		err = x.RequestPty("xterm-256color", 50, 200, ssh.TerminalModes{})
	}
	if err == nil {
		r.in, err = x.StdinPipe()
	}
	if err == nil {
		r.out, err = x.StdoutPipe()
	}
	if err == nil {
		err = x.Start(s.tmux + "attach -t " + target)
	}
	if err != nil {
		_ = client.Close()
		return nil, err
	}
	return r, nil
}

// until reads until text has come.
func (r *remote) until(text string) error {
	var tail []byte
	for {
		n, err := r.out.Read(r.buf)
		if err != nil {
			return fmt.Errorf("waiting for %q: %w", text, err)
		}
		if tail = append(tail, r.buf[:n]...); bytes.Contains(tail, []byte(text)) {
			return nil
		}
		tail = tail[max(0, len(tail)-len(text)):]
	}
}

func (r *remote) close() { _ = r.client.Close() }

// apart runs f for both sides in turns, each at a session of its own.
func (b *bed) apart(kind string, n int, f func(sshSide, string) (series, error)) (string, error) {
	sides, err := b.sides()
	if errors.Is(err, errNoSSHD) {
		return "skipped: " + err.Error(), nil
	}
	if err != nil {
		return "", err
	}
	var all [2]series
	for i := range sides {
		name := fmt.Sprintf("ssh-%s-%d", kind, i)
		if err := b.sessionOf(name, kind); err != nil {
			return "", err
		}
	}
	for range n {
		for i, side := range sides {
			s, err := f(side, fmt.Sprintf("ssh-%s-%d", kind, i))
			if err != nil {
				return "", err
			}
			all[i] = append(all[i], s...)
		}
	}
	return compare(all[0], all[1]), nil
}

// sessionOf makes a session with a program of ours.
func (b *bed) sessionOf(name, kind string) error {
	if b.windows[name] {
		return nil
	}
	b.windows[name] = true
	if out, err := b.tmux("new-session", "-d", "-s", name, "-x", "200", "-y", "50", b.self+" pane "+kind); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if out, err := exec.Command("tmux", "-S", b.socket, "set-option", "-g", "status", "off").CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if out, _ := exec.Command("tmux", "-S", b.socket, "capture-pane", "-p", "-t", name).Output(); bytes.Contains(out, []byte("PANE-READY")) {
			return nil
		}
	}
	return fmt.Errorf("the program of %s does not run", name)
}

// sshKeyToEcho measures a batch of keys each time.
func sshKeyToEcho(b *bed, n int) (string, error) {
	const batch = 50
	return b.apart("echo", max(n/batch, 1), func(side sshSide, target string) (s series, err error) {
		r, err := side.attach(0, target)
		if err != nil {
			return nil, err
		}
		defer r.close()
		if err := r.until("READY"); err != nil { // of earlier batches only the end may be seen
			return nil, err
		}
		time.Sleep(100 * time.Millisecond) // until the screen is drawn
		for i := range batch + 5 {
			c := byte('a' + i%26)
			begin := time.Now()
			if _, err := r.in.Write([]byte{c}); err != nil {
				return nil, err
			}
			if err := r.until(string(c)); err != nil {
				return nil, err
			}
			if took := time.Since(begin); i >= 5 { // the first ones may meet what was still drawn
				s = append(s, took)
			}
			time.Sleep(2 * time.Millisecond)
		}
		return s, r.clear()
	})
}

// sshAttachTime measures from connecting to the first screen.
func sshAttachTime(b *bed, n int) (string, error) {
	return b.apart("first", n, func(side sshSide, target string) (series, error) {
		begin := time.Now()
		r, err := side.attach(0, target)
		if err != nil {
			return nil, err
		}
		defer r.close()
		if err := r.until("PANE-READY"); err != nil {
			return nil, err
		}
		return series{time.Since(begin)}, nil
	})
}

// sshRedraws measures 2,000 full screens.
func sshRedraws(b *bed, n int) (string, error) {
	return b.apart("draw", n, func(side sshSide, target string) (series, error) {
		r, err := side.attach(0, target)
		if err != nil {
			return nil, err
		}
		defer r.close()
		if err := r.until("READY"); err != nil {
			return nil, err
		}
		time.Sleep(300 * time.Millisecond) // until the rest is drawn
		begin := time.Now()
		if _, err := r.in.Write([]byte{'G'}); err != nil {
			return nil, err
		}
		if err := r.until("DRAWN-ALL"); err != nil {
			return nil, err
		}
		took := time.Since(begin)
		return series{took}, r.clear()
	})
}

// clear has the program draw a clean screen, for who comes next.
func (r *remote) clear() error {
	if _, err := r.in.Write([]byte{'C'}); err != nil {
		return err
	}
	return r.until("READY")
}

// sshHandshakes counts logins in a second, by people of whom each comes seldom.
func sshHandshakes(b *bed, n int) (string, error) {
	sides, err := b.sides()
	if errors.Is(err, errNoSSHD) {
		return "skipped: " + err.Error(), nil
	}
	if err != nil {
		return "", err
	}
	var rate [2]float64
	for i, side := range sides {
		var wg sync.WaitGroup
		failed := make(chan error, handshakers)
		begin := time.Now()
		for h := range handshakers {
			wg.Go(func() {
				for k := h; k < n; k += handshakers {
					client, _, err := side.dial(1 + k%(len(b.keys)-1))
					if err != nil {
						failed <- err
						return
					}
					_ = client.Close()
				}
			})
		}
		wg.Wait()
		select {
		case err := <-failed:
			return "", err
		default:
		}
		rate[i] = float64(n) / time.Since(begin).Seconds()
	}
	return fmt.Sprintf("%.0f/s → %.0f/s (%.1f×)", rate[0], rate[1], rate[1]/rate[0]), nil
}

// sshMemory is how much is in use for each attached person: sshd's processes and the
// tmux client, or what muxward grows. Each is somebody else, who may type.
func sshMemory(b *bed, n int) (string, error) {
	sides, err := b.sides()
	if errors.Is(err, errNoSSHD) {
		return "skipped: " + err.Error(), nil
	}
	if err != nil {
		return "", err
	}
	if err := b.sessionOf("ssh-memory", "echo"); err != nil {
		return "", err
	}
	pids := []int{b.sshdCmd.Process.Pid, b.serve.Process.Pid}
	names := []string{"ssh-memory", b.owner() + "/ssh-memory"}
	var each [2]int
	for i, side := range sides {
		before := familyPSS(pids[i])
		var all []*remote
		for k := range n {
			r, err := side.attach(1+k%(len(b.keys)-1), names[i])
			if err != nil {
				return "", err
			}
			all = append(all, r)
			if err := r.until("READY"); err != nil {
				return "", err
			}
			go func() { _, _ = io.Copy(io.Discard, r.out) }()
		}
		time.Sleep(2 * time.Second)
		each[i] = (familyPSS(pids[i]) - before) / n
		for _, r := range all {
			r.close()
		}
		time.Sleep(time.Second)
	}
	return fmt.Sprintf("%d KiB → %d KiB each (1/%.1f)", each[0], each[1], float64(each[0])/float64(max(each[1], 1))), nil
}

// familyPSS is the memory of a process and all that it has started, in KiB.
func familyPSS(root int) (sum int) {
	children := map[int][]int{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		f := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		parent, _ := strconv.Atoi(f[1])
		children[parent] = append(children[parent], pid)
	}
	for queue := []int{root}; len(queue) > 0; queue = queue[1:] {
		n, err := pssOf(queue[0])
		if err == nil {
			sum += n
		}
		queue = append(queue, children[queue[0]]...)
	}
	return sum
}
