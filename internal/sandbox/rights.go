package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Rights are what the kernel says of a process's rights.
type Rights struct {
	// UIDs and GIDs are the real, effective, saved and file system ones.
	UIDs, GIDs []uint32
	Groups     []uint32
	// Capabilities are the sets by their names in /proc/PID/status, such as CapEff.
	Capabilities map[string]uint64
	NoNewPrivs   bool
	// Seccomp is 2 where a filter stands before system calls.
	Seccomp int
}

// sets are the sets of capabilities.
func sets() []string { return []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} }

// OwnRights reads those of this process.
func OwnRights() (Rights, error) {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return Rights{}, fmt.Errorf("read which rights this process has: %w", err)
	}
	return parseRights(data)
}

func parseRights(status []byte) (Rights, error) {
	r := Rights{Capabilities: map[string]uint64{}}
	fields := map[string][]string{}
	for line := range bytes.Lines(status) {
		name, rest, _ := strings.Cut(string(line), ":")
		fields[name] = strings.Fields(rest)
	}
	var errs []error
	r.UIDs, r.GIDs, r.Groups = numbers(fields["Uid"], &errs), numbers(fields["Gid"], &errs), numbers(fields["Groups"], &errs)
	for _, set := range sets() {
		if len(fields[set]) != 1 {
			return Rights{}, fmt.Errorf("the kernel does not tell %s", set)
		}
		bits, err := strconv.ParseUint(fields[set][0], 16, 64)
		errs = append(errs, err)
		r.Capabilities[set] = bits
	}
	if f := fields["NoNewPrivs"]; len(f) == 1 {
		r.NoNewPrivs = f[0] == "1"
	}
	if f := fields["Seccomp"]; len(f) == 1 {
		var err error
		r.Seccomp, err = strconv.Atoi(f[0])
		errs = append(errs, err)
	}
	if len(r.UIDs) != 4 || len(r.GIDs) != 4 {
		errs = append(errs, errors.New("the kernel does not tell whose process this is"))
	}
	return r, errors.Join(errs...)
}

func numbers(words []string, errs *[]error) (out []uint32) {
	for _, w := range words {
		n, err := strconv.ParseUint(w, 10, 32)
		*errs = append(*errs, err)
		out = append(out, uint32(n))
	}
	return out
}

// Left tells what of root's rights, or of what leads there, a process has left.
func (r Rights) Left() (left []string) {
	for _, ids := range [][]uint32{r.UIDs, r.GIDs, r.Groups} {
		for _, id := range ids {
			if id == 0 {
				left = append(left, "it is root's, or of root's group")
			}
		}
	}
	for _, set := range sets() {
		if bits := r.Capabilities[set]; bits != 0 {
			left = append(left, fmt.Sprintf("%s is %016x", set, bits))
		}
	}
	if !r.NoNewPrivs {
		left = append(left, "it could gain rights by set-user-ID programs (no_new_privs is not set)")
	}
	return left
}
