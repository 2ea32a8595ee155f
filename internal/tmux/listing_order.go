package tmux

import (
	"cmp"
	"errors"
	"slices"
	"strings"
)

// rowOrder is what -O and -r ask for. Without -O nothing is sorted, and -r has
// no effect.
type rowOrder struct {
	by       string
	reversed bool
}

// orderOf reads the order that a list command asks for.
func orderOf(inv *Invocation) (rowOrder, error) {
	name, given := inv.Get('O')
	if !given {
		return rowOrder{}, nil
	}
	order := rowOrder{strings.ToLower(name), inv.Has('r')}
	switch order.by {
	case "title":
		order.by = "name"
	case "key":
		order.by = "index"
	case "activity", "creation", "index", "modifier", "name", "order", "size", "z":
	default:
		return rowOrder{}, errors.New("invalid sort order")
	}
	switch {
	case order.by == "creation" && (inv.Row.Name == "list-clients" || inv.Row.Name == "list-buffers"):
		order.by = "order" // the lists are in that order
	case inv.Row.Name == "list-panes" && (order.by == "activity" || order.by == "z"):
		return rowOrder{}, errors.New("list-panes: order " + order.by + " is not available here")
	}
	return order, nil
}

// compareRows compares two rows by a criterion; rows it has none for are alike.
type compareRows func(by string, a, b *FormatContext) int

// sort puts rows of the snapshot into order. Rows that are alike come by name.
func (o rowOrder) sort(rows []FormatContext, compare compareRows) {
	switch o.by {
	case "":
		return
	case "order":
		if o.reversed {
			slices.Reverse(rows)
		}
		return
	}
	slices.SortStableFunc(rows, func(a, b FormatContext) int {
		result := cmp.Or(compare(o.by, &a, &b), compare("name", &a, &b))
		if o.reversed {
			return -result
		}
		return result
	})
}

// Ids grow with time, and so stand for the moment of creation, which tmux
// reports in whole seconds only.
func bySessions(by string, a, b *FormatContext) int {
	switch by {
	case "name":
		return strings.Compare(a.Session.Name, b.Session.Name)
	case "index", "creation":
		return compareID(a.Session.ID, b.Session.ID)
	case "activity":
		return cmp.Compare(b.Session.Activity, a.Session.Activity)
	}
	return 0
}

func byWindows(by string, a, b *FormatContext) int {
	if a.Window == nil || b.Window == nil {
		return 0
	}
	switch by {
	case "name":
		return strings.Compare(a.Window.Name, b.Window.Name)
	case "index":
		return cmp.Compare(a.Link.Index, b.Link.Index)
	case "creation":
		return compareID(a.Window.ID, b.Window.ID)
	case "activity":
		return cmp.Compare(b.Window.Activity, a.Window.Activity)
	case "size":
		return cmp.Compare(a.Window.Width*a.Window.Height, b.Window.Width*b.Window.Height)
	}
	return 0
}

func byPanes(by string, a, b *FormatContext) int {
	switch by {
	case "name":
		return strings.Compare(a.Pane.Title, b.Pane.Title)
	case "index":
		return cmp.Compare(a.Pane.Index, b.Pane.Index)
	case "creation":
		return compareID(a.Pane.ID, b.Pane.ID)
	case "size":
		return cmp.Compare(a.Pane.Width*a.Pane.Height, b.Pane.Width*b.Pane.Height)
	}
	return 0
}

func byClients(by string, a, b *FormatContext) int {
	switch by {
	case "name":
		return strings.Compare(a.Client.Name, b.Client.Name)
	case "activity":
		return cmp.Compare(b.Client.Activity, a.Client.Activity)
	case "size":
		return cmp.Or(cmp.Compare(a.Client.Width, b.Client.Width), cmp.Compare(a.Client.Height, b.Client.Height))
	}
	return 0
}

func byBuffers(by string, a, b *FormatContext) int {
	switch by {
	case "name":
		return strings.Compare(a.Buffer.Name, b.Buffer.Name)
	case "size":
		return cmp.Compare(a.Buffer.Size, b.Buffer.Size)
	}
	return 0
}
