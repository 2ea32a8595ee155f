package pane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// reachTime is how long muxward may be away, such as for a restart.
	reachTime = 10 * time.Second
	reachStep = 100 * time.Millisecond
	// beginTime is how long it may take until a session has begun or PAM is asked for it, and
	// askedTime how long from there: more than PAM is given. quietTime is how much of that nobody
	// is told of.
	beginTime = 15 * time.Second
	askedTime = openTime + closeSteps*MostWait + beginTime
	quietTime = 3 * time.Second
	// leaveTime is how long a session may take to end once its terminal has hung up: more
	// than whoever minds it gives it.
	leaveTime = graceTime + endRounds*endPause + 5*time.Second
)

// refusedCode is muxward-pane's exit code if there is no session.
const refusedCode = 1

// Launch is muxward-pane as tmux starts it in a pane: argv as it was given, its terminal
// as standard input. It returns the exit code, or does not return where a signal is to be
// what ended the pane.
func Launch(argv []string, stderr io.Writer) int {
	code, err := launch(argv, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "muxward-pane: %v\r\n", err)
	}
	return code
}

func launch(argv []string, stderr io.Writer) (int, error) {
	req, err := requestOf(argv, os.Getenv)
	if err != nil {
		return refusedCode, err
	}
	if _, err := unix.IoctlGetTermios(0, unix.TCGETS); err != nil {
		return refusedCode, errors.New("there is no terminal: on an isolated server tmux runs nothing but what is in a pane")
	}
	// What ends the pane is its terminal's end, and nothing before the session has ended.
	ignoreSignals()
	ctx, cancel := context.WithTimeout(context.Background(), reachTime)
	defer cancel()
	conn, err := reach(ctx, os.Getenv(SocketVariable))
	if err != nil {
		return refusedCode, err
	}
	defer conn.Close()
	// The session takes the terminal by no force, so it has to be nobody's by then. The
	// hang-up that the kernel sends us for it is ignored.
	if err := unix.IoctlSetInt(0, unix.TIOCNOTTY, 0); err != nil {
		return refusedCode, fmt.Errorf("give up the terminal, which is to be the pane's: %w", err)
	}
	if _, err := conn.Write(req.Encode()); err != nil {
		return refusedCode, fmt.Errorf("ask muxward for a session: %w", err)
	}
	a, err := firstAnswer(conn, stderr)
	switch {
	case err != nil:
		return refusedCode, fmt.Errorf("ask muxward for a session: %w", err)
	case a.Refused != "":
		return refusedCode, errors.New("no session: " + a.Refused)
	case !a.Begun:
		return refusedCode, errors.New("no session: muxward answers out of turn")
	}
	go leaveWithTerminal(conn)
	a, err = answer(conn, 0)
	switch {
	case err != nil || !a.Ended:
		return refusedCode, errors.New("what minds the session has ended")
	case a.Signal != 0:
		return endBy(a.Signal)
	}
	return a.Code, nil
}

// requestOf reads what tmux asks its shell for: nothing is a login shell, -c a command.
func requestOf(argv []string, env func(string) string) (Request, error) {
	r := Request{Term: env("TERM"), Pane: env("TMUX_PANE"), Dir: env(DirVariable), Ticket: env(TicketVariable)}
	if tmux := strings.Split(env("TMUX"), ","); len(tmux) >= 3 {
		r.Session = tmux[len(tmux)-1]
	}
	if !isTerm(r.Term) {
		r.Term = "screen"
	}
	if dir, err := os.Getwd(); r.Dir == "" && err == nil && dir != "/" {
		r.Dir = dir
	}
	switch {
	case len(argv) == 1:
		r.Login = true
	case len(argv) == 3 && argv[1] == "-c" && argv[2] != "":
		r.Command = argv[2]
	default:
		return r, errors.New("this is what tmux starts in a pane of an isolated server; there is nothing to do here by hand")
	}
	if _, err := ParseRequest(r.Encode()); err != nil {
		return r, fmt.Errorf("%w; this is what tmux starts in a pane of an isolated server", err)
	}
	return r, nil
}

// reach connects, and tries it again while muxward is away.
func reach(ctx context.Context, path string) (*net.UnixConn, error) {
	if !strings.HasPrefix(path, "/") {
		return nil, errors.New("$" + SocketVariable + " does not say where muxward is")
	}
	var d net.Dialer
	for {
		conn, err := d.DialContext(ctx, "unixpacket", path)
		if err == nil {
			return conn.(*net.UnixConn), nil
		}
		if !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EAGAIN) {
			return nil, fmt.Errorf("reach muxward: %w", err)
		}
		select {
		case <-time.After(reachStep):
		case <-ctx.Done():
			return nil, fmt.Errorf("muxward is not there: %w; start it, then respawn-pane", err)
		}
	}
}

// firstAnswer waits until the session has begun, or is refused, and tells whoever looks on that
// it is PAM that takes so long.
func firstAnswer(conn *net.UnixConn, stderr io.Writer) (Answer, error) {
	a, err := answer(conn, beginTime)
	if err != nil || !a.Asked {
		return a, err
	}
	if a, err = answer(conn, quietTime); !errors.Is(err, os.ErrDeadlineExceeded) {
		return a, err
	}
	fmt.Fprintf(stderr, "muxward-pane: PAM is asked for a session, which may take up to %v\r\n", openTime)
	return answer(conn, askedTime)
}

// answer waits for a message; a wait of 0 is for as long as the pane lives.
func answer(conn *net.UnixConn, wait time.Duration) (Answer, error) {
	var deadline time.Time
	if wait > 0 {
		deadline = time.Now().Add(wait)
	}
	if err := conn.SetReadDeadline(deadline); err != nil {
		return Answer{}, err
	}
	buf := make([]byte, maxDir)
	n, err := conn.Read(buf)
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err != nil {
		return Answer{}, err
	}
	return ParseAnswer(buf[:n])
}

// leaveWithTerminal tells whoever minds the session when our terminal has hung up: tmux has
// closed the pane, and the session has to end. How it has is waited for all the same: it may
// be on its way already, and is then the pane's status.
func leaveWithTerminal(conn *net.UnixConn) {
	for {
		p := []unix.PollFd{{Fd: 0}} // POLLHUP and POLLERR come unasked
		if _, err := unix.Poll(p, -1); err != unix.EINTR {
			break
		}
	}
	// Both fail where the other end has gone, which the waiting one sees.
	_ = conn.SetReadDeadline(time.Now().Add(leaveTime))
	_ = conn.CloseWrite()
}

// endBy ends this process by a signal, as tmux tells which one it was. A shell does that:
// there are signals that a Go program cannot give back.
func endBy(signal int) (int, error) {
	restoreSignals()
	err := syscall.Exec("/bin/sh", []string{"sh", "-c", fmt.Sprintf("ulimit -c 0; kill -%d $$", signal)}, []string{"PATH=/usr/bin:/bin"})
	return 128 + signal, fmt.Errorf("end by signal %d: %w", signal, err)
}
