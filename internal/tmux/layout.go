package tmux

// cell is one pane's place as a layout gives it: without the lines that
// borders with titles take.
type cell struct {
	pane                     PaneID
	left, top, width, height int
}

// parseLayout reads the places of panes from a window layout such as
// "b25d,80x24,0,0[80x12,0,0,1,80x11,0,13,2]", and the window's size. What it
// cannot read it leaves out.
func parseLayout(s string) (cells []cell, width, height int) {
	if len(s) < 5 || s[4] != ',' {
		return nil, 0, 0
	}
	p := layoutParser{s: s, at: 5}
	for first := true; p.at < len(p.s); {
		c, leaf, ok := p.cell()
		if !ok {
			break
		}
		if first {
			width, height, first = c.width, c.height, false
		}
		if leaf {
			cells = append(cells, c)
		}
		p.skip("{[]},")
	}
	return cells, width, height
}

// LayoutPanes gives the panes of a window layout.
func LayoutPanes(layout string) []PaneID {
	cells, _, _ := parseLayout(layout)
	panes := make([]PaneID, len(cells))
	for i, c := range cells {
		panes[i] = c.pane
	}
	return panes
}

type layoutParser struct {
	s  string
	at int
}

// cell reads WxH,X,Y and, if it is a leaf, the number of its pane.
func (p *layoutParser) cell() (c cell, leaf, ok bool) {
	var pane int
	for i, into := range []*int{&c.width, &c.height, &c.left, &c.top} {
		n, found := p.number()
		if !found {
			return c, false, false
		}
		*into = n
		if i < 3 && !p.eat("x,,"[i]) {
			return c, false, false
		}
	}
	if !p.eat(',') {
		return c, false, true
	}
	pane, ok = p.number()
	c.pane = PaneID(pane)
	return c, true, ok
}

func (p *layoutParser) number() (n int, ok bool) {
	for ; p.at < len(p.s) && p.s[p.at] >= '0' && p.s[p.at] <= '9' && n < intMax/10; p.at++ {
		n, ok = n*10+int(p.s[p.at]-'0'), true
	}
	return n, ok
}

func (p *layoutParser) eat(c byte) bool {
	if p.at < len(p.s) && p.s[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *layoutParser) skip(any string) {
	for i := 0; i < len(any) && p.at < len(p.s); i++ {
		if p.s[p.at] == any[i] {
			p.at++
			i = -1
		}
	}
}

// place sets the window's size and, unless tmux told them, the places of its
// panes, from its layout.
func (s *Snapshot) place(w *Window) {
	cells, width, height := parseLayout(w.Layout)
	w.Width, w.Height = width, height
	if s.Detail == Full {
		return
	}
	for _, c := range cells {
		p := s.Pane(c.pane)
		if p == nil || p.Window != w.ID {
			continue
		}
		if w.Zoomed && w.HasActive && w.Active == p.ID {
			c = cell{p.ID, 0, 0, width, height}
		}
		p.Left, p.Top, p.Width, p.Height = c.left, c.top, c.width, c.height
		switch {
		case w.BorderStatus == "top" && c.top == 0:
			p.Top, p.Height = 1, c.height-1
		case w.BorderStatus == "bottom" && c.top+c.height == height:
			p.Height--
		}
	}
}
