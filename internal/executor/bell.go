package executor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/chooser"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
)

// Asking is what waits for the answer of people.
type Asking interface {
	// Waiting gives what somebody may approve now by a key in their own display.
	Waiting(who identity.Identity) []Waits
	// News gives what waits for somebody's answer, whatever hand they have, of requests and
	// of suggestions for the panes that they are shown: what they answer otherwise, or elsewhere.
	News(who identity.Identity, shown func(pane access.Object) bool) []Waits
	// Offers gives what they may do by it who would type into a pane of which another
	// has the keyboard.
	Offers(who identity.Identity, pane access.Object) []Waits
	// Answer makes the act by which they say yes or no.
	Answer(who identity.Identity, id string, yes bool) (*gateway.Act, error)
	// Suggested gives what is suggested for panes that somebody is shown, and may type into
	// now.
	Suggested(who identity.Identity, shown func(pane access.Object) bool) []Waits
	// Take makes the act by which they answer one of those, as they were shown it, for the
	// pane where it lies now.
	Take(who identity.Identity, w Waits, on access.Object, how Taking, types Typing) (*gateway.Act, error)
	// Wish makes the act by which they ask others for a right, by a key in their display.
	Wish(who identity.Identity, w Wish) (*gateway.Act, error)
	// Asked tells what has come of that act by its result, and gives what waits for the
	// answer and tells it, nil if there is nothing to wait for. It takes it back if ctx ends first.
	Asked(result any) (told string, ending func(ctx context.Context) string)
	// Came tells in a few words what came of that act by its result, "" if nothing did.
	Came(result any) string
}

// Field is one thing that is told of what would be done, by its name.
type Field struct{ Name, Text string }

// Waits is a request that waits for somebody's answer.
type Waits struct {
	ID string
	// From is who asks, and Text what is told of it, which may hold anything.
	From, Text string
	// How says how it is answered without the key. Alone has what came of it told alone,
	// when that has come: what they type may go another way by it.
	How   string
	Alone bool
	// Need is what telling somebody of it rests on.
	Need gateway.Need
	// Line is what is suggested, "" if it is no suggestion: it is for Pane, and Head says by
	// whom and where. Begun is who has begun a line there, if that is known.
	Line, Head, Begun string
	// Command is set where Line is no suggestion but a command of muxward's, which was asked
	// for in the person's name from inside a pane. Fields are what it would do: that is shown.
	Command bool
	Fields  []Field
	Pane    access.Object
}

const (
	// answerKey opens the list of what waits, while something does.
	answerKey = "M-a"
	// remindTime is how often people are told again of what waits.
	remindTime = 30 * time.Second
	// approveTime is how long an answer may take: it is on disk by then.
	approveTime = 10 * time.Second
)

// bell calls one attached person. It can be rung from anywhere.
type bell struct {
	rung  chan struct{} // holds one while it is rung and not heard
	waits atomic.Bool   // something waits that they may answer by the key
	// pane is that into which they would have typed last, but for another's lease; nil
	// if they have typed since.
	pane atomic.Pointer[access.Object]
	// answering is set while an answer of theirs is done beside what they type.
	answering atomic.Bool
	// wishing is set while something is asked for in their name, until others are told.
	wishing atomic.Bool

	mu   sync.Mutex
	news []news // what was told last of each pane they look at, until they have heard it
}

// news is something of a pane.
type news struct {
	pane access.Object
	text string
}

// tell has something be heard, in the place of what was not heard yet of that pane: what
// is told of panes is how they are now.
func (b *bell) tell(n news) {
	b.mu.Lock()
	b.news = append(slices.DeleteFunc(b.news, func(old news) bool { return old.pane.Pane == n.pane.Pane }), n)
	b.mu.Unlock()
	b.ring()
}

// heard takes what was not heard yet, in the order in which it was told.
func (b *bell) heard() []news {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.news
	b.news = nil
	return all
}

// calls reports whether the key that answers means something now.
func (b *bell) calls() bool { return b.waits.Load() || b.pane.Load() != nil }

func (b *bell) ring() {
	select {
	case b.rung <- struct{}{}:
	default:
	}
}

// sit and unsit keep the people whom Knock finds.
func (e *Executor) sit(s *seat) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.seats == nil {
		e.seats = map[*seat]bool{}
	}
	e.seats[s] = true
}

func (e *Executor) unsit(s *seat) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.seats, s)
}

// Knock has attached people look whether something waits for them. It does not wait for
// that.
func (e *Executor) Knock() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.seats {
		s.bell.ring()
	}
	for s := range e.hear {
		s.ring()
	}
}

// hears keeps the people in control mode whom Knock finds.
func (e *Executor) hears(s *controlSeat, hears bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !hears {
		delete(e.hear, s)
		return
	}
	if e.hear == nil {
		e.hear = map[*controlSeat]bool{}
	}
	e.hear[s] = true
}

// Tell tells those who look at a pane something of it, as each of them is told; "" is
// nothing. Who may not view it is told nothing.
func (e *Executor) Tell(pane access.Object, text func(who identity.Identity) string) {
	e.mu.Lock()
	seats := slices.Collect(maps.Keys(e.seats))
	e.mu.Unlock()
	for _, s := range seats {
		at := s.stage.Load()
		if at == nil || s.server.Owner() != pane.Owner || s.server.Incarnation() != pane.Incarnation || !reaches(pane, at.session.ID) {
			continue
		}
		if t := text(s.live.Who()); t != "" {
			s.bell.tell(news{pane, t}) // one who cannot be told holds up nobody
		}
	}
}

// hearNews tells this person what was told last of panes that they may view.
func (s *seat) hearNews() {
	for _, n := range s.bell.heard() {
		_ = s.live.Do(s.live.Right(gateway.Need{Verb: access.View, Object: n.pane}), func() error {
			s.att.Notice(n.text)
			return nil
		})
	}
}

// reaches reports whether a session has the window that a pane lies in.
func reaches(pane access.Object, session tmux.SessionID) bool {
	is := func(ref access.SessionRef) bool { return tmux.SessionID(ref.ID) == session }
	return is(pane.Session) || slices.ContainsFunc(pane.Links, is)
}

// hearBell tells this person of what waits for them: when it comes, when they do, and
// now and then as long as it waits; and of what has become of panes.
func (s *seat) hearBell() {
	told := map[string]bool{}
	reminded := time.Now()
	for {
		s.hearNews()
		list := s.waiting()
		s.bell.waits.Store(s.e.AnswerKey && len(list) > 0)
		s.standSuggested(list)
		known := told
		told = map[string]bool{}
		var tell *Waits
		for i := range list {
			if told[list[i].ID] = true; !known[list[i].ID] {
				tell = &list[i]
			}
		}
		var again <-chan time.Time
		if len(list) > 0 {
			if tell == nil && time.Since(reminded) >= remindTime {
				tell = &list[0]
			}
			if tell != nil {
				s.announce(*tell, len(list))
				reminded = time.Now()
			}
			again = time.After(remindTime)
		}
		select {
		case <-s.bell.rung:
		case <-again:
		case <-s.ctx.Done():
			return
		}
	}
}

// announce tells of one request, while the person may be told.
func (s *seat) announce(w Waits, waiting int) {
	_ = s.live.Do(s.live.Right(w.Need), func() error { // who may not is not told
		s.att.Notice(s.announced(w, waiting))
		return nil
	})
}

// announced is what is told of one request. How to answer comes first: what is asked may
// be long, and in anybody's words.
func (s *seat) announced(w Waits, waiting int) string {
	text := fmt.Sprintf("%s asks you, %s: ", w.ID, w.How)
	switch {
	case s.e.AnswerKey && waiting > 1:
		text = fmt.Sprintf("%s answers %d: ", answerKey, waiting)
	case s.e.AnswerKey:
		text = answerKey + " answers: "
	case waiting > 1:
		text = fmt.Sprintf("%d ask you, %s: ", waiting, w.How)
	case w.Alone:
		text = w.How + ": "
	}
	if w.Alone {
		w.Text = w.From + " " + w.Text
	}
	return text + w.Text
}

// claims reports whether what somebody types directly is for muxward and not for tmux:
// the key that opens the list while something waits, alone, all of it while the list is
// shown, and the panic key, alone. Neither key is one that was pasted.
func (k *keyboard) claims(p []byte, pasted bool) bool {
	if k.sheet != nil || k.deaf.still(time.Now()) {
		return true
	}
	return !pasted && (k.s.bell.waits.Load() && alone(p) || k.s.panics(p))
}

// forms gives how terminals send the key that opens the list.
func forms() []string { return []string{"\x1ba", "\x1b[97;3u", "\x1b[27;3;97~"} }

// alone reports whether bytes are that key, once or more, and nothing else.
func alone(p []byte) bool {
	if len(p) == 0 {
		return false
	}
next:
	for len(p) > 0 {
		for _, form := range forms() {
			if rest, ok := bytes.CutPrefix(p, []byte(form)); ok {
				p = rest
				continue next
			}
		}
		return false
	}
	return true
}

// openRequests shows the person what waits for them. What they had typed before they
// saw it is no answer: see holding.
func (k *keyboard) openRequests(ctx context.Context) error {
	s := k.s
	list := s.waiting()
	if len(list) == 1 && list[0].Line != "" {
		return k.openSuggestion(ctx, list[0])
	}
	l := &chooser.List{Title: " these ask for your answer", Foot: "y approves, n denies, / finds, q leaves", Choose: true}
	pane := s.bell.pane.Swap(nil)
	offers := len(list) == 0 && pane != nil
	if offers {
		list = s.e.Asking.Offers(s.live.Who(), *pane)
		l.Title, l.Foot = " the keyboard of this pane", "y does it, q leaves"
	}
	if len(list) == 0 {
		s.att.Notice("nothing waits for your answer any more")
		return nil
	}
	needs := []gateway.Need{s.stage.Load().view.Need()}
	for _, w := range list {
		if w.Line != "" {
			l.Foot = "y approves, or shows a suggestion, n denies, / finds, q leaves"
		}
		l.Items = append(l.Items, chooser.Item{Left: w.From, Text: strings.TrimPrefix(w.Text, w.From+" ")})
		needs = append(needs, w.Need)
	}
	sh := &sheet{list: l, pressed: func(ctx context.Context, key string, at int) (bool, error) {
		if key != "y" && key != "n" {
			return false, nil
		}
		if offers && key == "n" {
			return true, k.leaveSheet(ctx)
		}
		return true, k.answerRequest(ctx, list[at], key == "y")
	}}
	return k.openHeld(ctx, sh, needs)
}

// openHeld shows a sheet whose keys count once the person has paused.
func (k *keyboard) openHeld(ctx context.Context, sh *sheet, needs []gateway.Need) error {
	s := k.s
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	sh.hold()
	err := k.open(ctx, sh, needs)
	if err == nil {
		sh.held.begin(sh.list, func() (yes, may bool) { return k.taken(sh) }, func() { s.protected(func() { k.redrawn(sh) }) })
		if err = s.att.Unread(ctx); err != nil {
			err = errors.Join(err, k.leaveSheet(context.WithoutCancel(ctx)))
		}
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		s.att.Notice((&errand{k: k}).told("", err))
		return nil
	}
	return err
}

// answerRequest answers one request by an act of the person's, and tells what came of
// it.
func (k *keyboard) answerRequest(ctx context.Context, w Waits, yes bool) error {
	s := k.s
	if w.Line != "" && yes { // all of it is shown first, in the place of the list
		k.sheet.held.stop()
		return k.openSuggestion(ctx, w)
	}
	if err := k.leaveSheet(ctx); err != nil {
		return err
	}
	if w.Line != "" && !w.Command {
		s.answerLine(ctx, w, Dismisses)
		return nil
	}
	if w.Alone { // it waits for those who type, and this is one of them
		if s.bell.answering.Swap(true) {
			s.att.Notice("not answered: what you answered before is not done yet")
			return nil
		}
		s.e.beside.Go(func() {
			defer s.bell.answering.Store(false)
			s.protected(func() { s.answer(s.ctx, w, yes) })
		})
		return nil
	}
	s.answer(ctx, w, yes)
	return nil
}

func (s *seat) answer(ctx context.Context, w Waits, yes bool) {
	ctx, cancel := context.WithTimeout(ctx, approveTime)
	defer cancel()
	var result gateway.Result
	act, err := s.e.Asking.Answer(s.live.Who(), w.ID, yes)
	if err == nil {
		result, err = s.e.Gateway().Handle(ctx, gateway.Request{Identity: s.live.Who(), Display: s.tty, Client: s.client, Act: act})
	}
	came := s.e.Asking.Came(result.Value)
	switch {
	case err != nil && came != "": // it counts, and was not recorded
		s.att.Notice(came + ", but: " + err.Error())
	case err != nil:
		s.att.Notice("not answered: " + err.Error())
	case w.Alone:
		s.att.Notice(came)
	default:
		s.att.Notice(came + ": " + w.Text)
	}
}
