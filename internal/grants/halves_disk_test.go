package grants

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// disk is a model of a disk and the cache before it. What was written since the last sync
// may be on the disk or not when power fails, each sector for itself and as any of the
// writes to it left it.
type disk struct {
	cache, kept []byte
	waiting     map[int][][]byte // by where a sector begins
	broken      bool             // syncs fail
	step        func(what string)
}

func newDisk(image []byte) *disk {
	return &disk{cache: bytes.Clone(image), kept: bytes.Clone(image), waiting: map[int][][]byte{}, step: func(string) {}}
}

func (d *disk) WriteAt(data []byte, at int64) (int, error) {
	copy(d.cache[at:], data)
	for sector := int(at) / 512 * 512; sector < int(at)+len(data); sector += 512 {
		d.waiting[sector] = append(d.waiting[sector], bytes.Clone(d.cache[sector:sector+512]))
	}
	d.step(fmt.Sprintf("write at %d", at))
	return len(data), nil
}

func (d *disk) Sync() error {
	if d.broken {
		return errors.New("the disk is broken")
	}
	copy(d.kept, d.cache)
	clear(d.waiting)
	d.step("sync")
	return nil
}

func (d *disk) IsAt(string, int64) error { return nil }
func (d *disk) Close() error             { return nil }

// cuts gives what may be on the disk when power fails now.
func (d *disk) cuts(look func(image []byte)) {
	var sectors []int
	for at := range d.waiting {
		sectors = append(sectors, at)
	}
	slices.Sort(sectors)
	var choose func(i int, image []byte)
	choose = func(i int, image []byte) {
		if i == len(sectors) {
			look(image)
			return
		}
		choose(i+1, image)
		for _, sector := range d.waiting[sectors[i]] {
			other := bytes.Clone(image)
			copy(other[sectors[i]:], sector)
			choose(i+1, other)
		}
	}
	choose(0, d.kept)
}

// again is the disk as the next life of muxward finds it after a kill: the cache stays.
func (d *disk) again() *disk {
	other := newDisk(d.cache)
	other.kept = bytes.Clone(d.kept)
	for at, sectors := range d.waiting {
		other.waiting[at] = slices.Clone(sectors)
	}
	return other
}

// diskLife is one life of muxward on a disk.
type diskLife struct {
	t    *testing.T
	name string
	said string // the text that was said to be there
	cuts int
	lost []string
}

// checked has every image that a power cut may leave at each step looked at: it has to
// read as what was said to be there, or as what is being put.
func (l *diskLife) checked(d *disk, putting string) {
	d.step = func(what string) {
		d.cuts(func(image []byte) {
			l.cuts++
			got, _, _, err := readHalves(image)
			if err != nil || string(got) != l.said && string(got) != putting {
				l.lost = append(l.lost, fmt.Sprintf("%s, putting %.5q behind a %s: %.5q, %v", l.name, putting, what, got, err))
			}
		})
	}
}

// text is longer than a sector.
func text(n int) string { return fmt.Sprintf("<%d>%s", n, strings.Repeat("x", 420)) }

func startDisk() *disk {
	image := bytes.Repeat([]byte("\n"), firstPage+2*leastHalf)
	copy(image, begins(leastHalf, 1))
	copy(image[firstPage+leastHalf:], one(1, []byte(text(1))))
	return newDisk(image)
}

// TestPowerCuts: whenever power fails, in the first life of muxward or in one that began
// where the one before was killed, what was put or is being put is read.
func TestPowerCuts(t *testing.T) {
	cuts := 0
	for killAt := -1; killAt < 16; killAt++ {
		d, steps := startDisk(), 0
		l := &diskLife{t: t, name: fmt.Sprint("killed at step ", killAt), said: text(1)}
		var killed *disk
		var putting string
		h := &halves{on: d, half: leastHalf, serial: 1}
		for n := 2; n < 6 && killed == nil; n++ {
			putting = text(n)
			l.checked(d, putting)
			check := d.step
			d.step = func(what string) {
				if check(what); steps == killAt {
					killed = d.again()
				}
				steps++
			}
			if err := h.inPlace([]byte(putting)); err != nil {
				t.Fatal(err)
			}
			if killed == nil {
				l.said = putting
			}
		}
		if killed != nil {
			got, half, serial, err := readHalves(killed.cache)
			if err != nil {
				t.Fatal(err)
			}
			h = &halves{}
			if l.checked(killed, string(got)); string(got) != putting && string(got) != l.said {
				t.Fatalf("read %.5q", got)
			}
			if h.begin(killed, half, serial); h.on == nil {
				t.Fatal("it would begin anew")
			}
			l.said = string(got)
			for n := 7; n < 10; n++ {
				l.checked(killed, text(n))
				if err := h.inPlace([]byte(text(n))); err != nil {
					t.Fatal(err)
				}
				l.said = text(n)
			}
		}
		if cuts += l.cuts; len(l.lost) > 0 {
			t.Errorf("%d times, first %s", len(l.lost), l.lost[0])
		}
	}
	if cuts < 1000 {
		t.Errorf("only %d power cuts were tried", cuts)
	}
}

// TestPutThatFailed: what was not said to be there is not read by the next life either.
func TestPutThatFailed(t *testing.T) {
	d := startDisk()
	h := &halves{on: d, half: leastHalf, serial: 1}
	d.broken = true
	if err := h.inPlace([]byte(text(2))); err == nil {
		t.Fatal("it was said to be there")
	}
	if got, _, _, err := readHalves(d.cache); err != nil || string(got) != text(1) {
		t.Errorf("read %.5q, %v", got, err)
	}
	again := &halves{}
	if again.begin(d, leastHalf, 1); again.on != nil {
		t.Error("it goes on with a disk that keeps nothing")
	}
}
