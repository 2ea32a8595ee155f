package reach

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/passed"
)

const (
	// lookTime is how long a name may take, and dialTime all tries to connect.
	lookTime = 10 * time.Second
	dialTime = 10 * time.Second
)

// process is the process's side of the line.
type process struct {
	line *net.UnixConn
	ask  Ask
	held *os.File // what was found: a socket, or a directory
	// servers are where an sftp server of the system may be.
	servers []string
	// tidy removes what was made; it is called once, at the end.
	tidy func()
}

// Run does what is said over the line, whose descriptor is fd, and returns when that ends. It
// becomes the account that is named first, if one is: "uid:gid:group,group".
func Run(fd uintptr, account string) error {
	if err := become(account); err != nil {
		return err
	}
	// What is decided is not to be changed from outside. Limits are left as they are: what is
	// started here has them, too.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("keep debuggers out: %w", err)
	}
	syscall.Umask(0o022) // as login(1) has it, whatever root's is
	unix.CloseOnExec(int(fd))
	f := os.NewFile(fd, "line")
	c, err := net.FileConn(f)
	if err != nil {
		return fmt.Errorf("descriptor %d is no line to muxward, which starts this by itself: %w", fd, err)
	}
	_ = f.Close()
	line, ok := c.(*net.UnixConn)
	if !ok {
		return fmt.Errorf("descriptor %d is no line to muxward", fd)
	}
	defer line.Close() // last of all: it tells that all has ended
	if home := os.Getenv("HOME"); os.Chdir(home) != nil {
		_ = os.Chdir("/")
	}
	p := &process{line: line, servers: sftpServers(), tidy: func() {}}
	defer p.over()
	return p.serve()
}

// over tidies up, and tells that all has ended.
func (p *process) over() {
	p.tidy()
	_, _ = p.line.Write([]byte(Over)) // who has gone hears nothing
}

func (p *process) serve() error {
	if err := p.read(&p.ask); err != nil {
		return err
	}
	found, err := p.look()
	if err != nil {
		found = Found{Error: err.Error()}
	}
	if err := p.tell(found); err != nil || found.Error != "" {
		return err
	}
	var next proceed
	if err := p.read(&next); err != nil {
		return nil // it was refused
	}
	files, path, err := p.do(found, next)
	answer := done{Path: path}
	if err != nil {
		answer, files = done{Error: err.Error()}, nil
	}
	defer passed.Close(files)
	if err := p.tell(answer, files...); err != nil || answer.Error != "" {
		return err
	}
	passed.Close(files)
	if p.ask.Kind == Connect {
		return nil
	}
	if p.ask.Kind == Listen && p.read(&next) == nil { // it was taken back: the path is free
		p.tidy()
		p.tidy = func() {}
		if err := p.tell(done{}); err != nil {
			return err
		}
	}
	_ = p.read(&next) // until the line ends
	return nil
}

func (p *process) read(body any) error {
	buf := make([]byte, maxPacket+1)
	n, _, flags, _, err := p.line.ReadMsgUnix(buf, nil)
	if err != nil || n == 0 || flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		return errors.New("the line has ended")
	}
	return decode(buf[:n], body)
}

func (p *process) tell(body any, files ...*os.File) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	_, _, err = p.line.WriteMsgUnix(data, passed.Rights(files), nil)
	return err
}

// look finds out what is asked for.
func (p *process) look() (Found, error) {
	if err := p.ask.valid(); err != nil {
		return Found{}, err
	}
	switch {
	case p.ask.Kind == Connect && p.ask.Path != "":
		return p.lookSocket()
	case p.ask.Kind == Connect:
		return p.lookHost()
	case p.ask.Kind == Listen && p.ask.Path != "":
		return p.lookDirectory()
	}
	return Found{}, nil
}

// lookHost looks a name up, once.
func (p *process) lookHost() (Found, error) {
	if a, err := netip.ParseAddr(p.ask.Host); err == nil {
		return Found{Addrs: []netip.Addr{a.Unmap()}}, nil
	}
	if strings.EqualFold(strings.TrimSuffix(p.ask.Host, "."), "localhost") { // RFC 6761: no resolver's to say
		return Found{Addrs: []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}}, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookTime)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", p.ask.Host)
	if err != nil {
		return Found{}, fmt.Errorf("look up %q: %w", p.ask.Host, err)
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	slices.SortStableFunc(addrs, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() }) // IPv4 first
	addrs = slices.Compact(addrs)
	return Found{Addrs: addrs[:min(len(addrs), maxAddrs)]}, nil
}

// lookSocket holds a socket, and says where it is when no link is left in its path.
func (p *process) lookSocket() (Found, error) {
	fd, err := unix.Open(p.ask.Path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return Found{}, &os.PathError{Op: "open", Path: p.ask.Path, Err: err}
	}
	p.held = os.NewFile(uintptr(fd), p.ask.Path)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return Found{}, fmt.Errorf("%s is no socket", p.ask.Path)
	}
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	return Found{Path: path}, err
}

// lookDirectory holds the directory in which a socket is to be made.
func (p *process) lookDirectory() (Found, error) {
	dir, base := filepath.Split(p.ask.Path)
	if base == "" || base == "." || base == ".." {
		return Found{}, fmt.Errorf("%s is no path of a socket", p.ask.Path)
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return Found{}, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	p.held = os.NewFile(uintptr(fd), dir)
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	return Found{Path: filepath.Join(path, base)}, err
}

// do does what was decided.
func (p *process) do(found Found, next proceed) (files []*os.File, path string, err error) {
	switch {
	case p.ask.Kind == Connect && p.ask.Path != "":
		f, err := p.connectSocket()
		return []*os.File{f}, "", err
	case p.ask.Kind == Connect:
		f, err := p.connect(found, next)
		return []*os.File{f}, "", err
	case p.ask.Kind == Listen && p.ask.Path != "":
		f, err := p.listenSocket()
		return []*os.File{f}, found.Path, err
	case p.ask.Kind == Listen:
		f, err := p.listen()
		return []*os.File{f}, "", err
	case p.ask.Kind == Agent:
		return p.agent()
	}
	if argv := p.program(); argv != nil {
		path = argv[0]
	}
	files, err = p.subsystem()
	return files, path, err
}

// connect connects to the first address that answers. Nothing is sent any more once the line
// has ended.
func (p *process) connect(found Found, next proceed) (*os.File, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // it ends with the line, if not before: nothing else is said there
		defer cancel()
		_ = p.read(&proceed{})
	}()
	d := net.Dialer{Deadline: time.Now().Add(dialTime)}
	d.SetMultipathTCP(false)
	err := errors.New("no address was permitted")
	for _, a := range next.Addrs {
		if !slices.Contains(found.Addrs, a) {
			continue
		}
		if ctx.Err() != nil {
			return nil, errors.New("the line has ended")
		}
		var c net.Conn
		if c, err = d.DialContext(ctx, "tcp", netip.AddrPortFrom(a, p.ask.Port).String()); err == nil {
			tcp, _ := c.(*net.TCPConn) // of a dialed tcp address it is one
			defer tcp.Close()
			return tcp.File()
		}
	}
	return nil, err
}

func (p *process) connectSocket() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), p.ask.Path)
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d", p.held.Fd())}); err != nil {
		_ = f.Close()
		return nil, &os.PathError{Op: "connect", Path: p.ask.Path, Err: err}
	}
	return f, nil
}

func (p *process) listen() (*os.File, error) {
	network := "tcp4"
	if p.ask.Addr.Is6() {
		network = "tcp6"
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(context.Background(), network, netip.AddrPortFrom(p.ask.Addr, p.ask.Port).String())
	if err != nil {
		return nil, err
	}
	defer l.Close()
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return nil, errors.New("that is no TCP listener")
	}
	return tcp.File()
}

// listenSocket makes a socket that only the account may connect to (ssh_config(5),
// StreamLocalBindMask). What is there already stays.
func (p *process) listenSocket() (*os.File, error) {
	_, base := filepath.Split(p.ask.Path)
	return p.listenAt(fmt.Sprintf("/proc/self/fd/%d/%s", p.held.Fd(), base))
}

func (p *process) listenAt(path string) (*os.File, error) {
	defer syscall.Umask(syscall.Umask(0o177))
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	defer l.Close()
	made, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	before := p.tidy
	p.tidy = func() {
		if now, err := os.Lstat(path); err == nil && os.SameFile(made, now) {
			_ = os.Remove(path)
		}
		before()
	}
	return l.File()
}

// agent makes a socket in a new directory of the account's. Its path stays in the environment of
// what the session has begun: where others may make files they could make another there when
// this one has gone, and be given keys. So in /tmp, where who has no home of their own has it,
// the directory is left.
func (p *process) agent() (files []*os.File, path string, err error) {
	here, boot := thisHost(), thisBoot()
	for _, top := range []struct {
		dir, name string
		others    uint32 // modes that it must not have
	}{{os.Getenv("XDG_RUNTIME_DIR"), "muxward-agent-", 0o077}, {os.Getenv("HOME"), ".muxward-agent-" + here + "-" + boot + "-", 0o022}} {
		var st unix.Stat_t
		if !filepath.IsAbs(top.dir) || unix.Stat(top.dir, &st) != nil || st.Uid != uint32(os.Getuid()) || st.Mode&top.others != 0 {
			continue
		}
		if files, path, err = p.agentIn(top.dir, top.name); err == nil {
			gone := p.tidy
			p.tidy = func() { gone(); _ = os.Remove(filepath.Dir(path)) }
			leftAgents(os.Getenv("HOME"), ".muxward-agent-"+here+"-", boot)
			return files, path, nil
		}
	}
	return p.agentIn("/tmp", "muxward-agent-")
}

// leftAgents removes what a loss of power has left in a home: the directories of agents of this
// host that are of another boot. Other hosts may have the same home.
func leftAgents(home, names, boot string) {
	entries, err := os.ReadDir(home)
	if err != nil || boot == "" {
		return
	}
	for _, e := range entries {
		if left, is := strings.CutPrefix(e.Name(), names); is && !strings.HasPrefix(left, boot) && e.IsDir() {
			dir := filepath.Join(home, e.Name())
			_ = os.Remove(filepath.Join(dir, "agent"))
			_ = os.Remove(dir) // if that is all there was
		}
	}
}

// thisHost and thisBoot tell hosts apart, and their boots; "" is that it is not known.
func thisHost() string {
	name, _ := os.Hostname()
	id, _ := os.ReadFile("/etc/machine-id") // with either it is enough
	sum := sha256.Sum256(append([]byte(name+"\n"), id...))
	return hex.EncodeToString(sum[:4])
}

func thisBoot() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id") // proc_sys_kernel(5)
	if err != nil || len(id) < 8 {
		return ""
	}
	return string(id[:8])
}

func (p *process) agentIn(top, name string) ([]*os.File, string, error) {
	dir, err := os.MkdirTemp(top, name) // of mode 0700
	if err != nil {
		return nil, "", err
	}
	path := filepath.Join(dir, "agent")
	if err := checkPath(path); err != nil {
		return nil, "", errors.Join(err, os.Remove(dir))
	}
	f, err := p.listenAt(path)
	if err != nil {
		return nil, "", errors.Join(err, os.Remove(dir))
	}
	return []*os.File{f}, path, nil
}
