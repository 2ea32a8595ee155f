package sockets

import (
	"bytes"
	"strconv"
	"strings"
)

// acceptsConnections is the flag of a listening socket in /proc/net/unix.
const acceptsConnections = 1 << 16

// parseProcUnix reads a list in the form of /proc/net/unix, for kernels without
// sock_diag and for other network namespaces. Paths are in there as they are,
// so that a path with a newline can look like a second line: what is in this
// list may make a socket look live, never dead.
func parseProcUnix(data []byte) []entry {
	var all []entry
	for line := range bytes.Lines(data) {
		if e, ok := parseProcLine(strings.TrimSuffix(string(line), "\n")); ok {
			all = append(all, e)
		}
		if len(all) >= maxList {
			break
		}
	}
	return all
}

// parseProcLine reads "Num: RefCount Protocol Flags Type St Inode Path".
func parseProcLine(line string) (entry, bool) {
	num, rest, ok := strings.Cut(line, ": ")
	if !ok || num == "" || strings.Trim(num, "0123456789abcdef") != "" {
		return entry{}, false
	}
	var f [6]string
	for i := range f {
		rest = strings.TrimLeft(rest, " ")
		if f[i], rest, ok = strings.Cut(rest, " "); !ok && i < len(f)-1 {
			return entry{}, false
		}
	}
	flags, err1 := strconv.ParseUint(f[2], 16, 32)
	typ, err2 := strconv.ParseUint(f[3], 16, 8)
	st, err3 := strconv.ParseUint(f[4], 16, 8)
	inode, err4 := strconv.ParseUint(f[5], 10, 64)
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
		return entry{}, false
	}
	e := entry{inode: inode, typ: uint8(typ), name: rest}
	const connected = 3 // SS_CONNECTED
	switch {
	case flags&acceptsConnections != 0:
		e.state = stateListen
	case st == connected:
		e.state = stateEstablished
	}
	if strings.HasPrefix(rest, "@") {
		e.name = "\x00" + rest[1:]
	}
	return e, true
}
