package executor

// tellLocked tells somebody who goes on looking that what they look at was
// locked down, or that it is no more.
func (s *seat) tellLocked() {
	now := s.live.Locked(s.stage.Load().view.Need().Object)
	was := ""
	if old := s.locked.Swap(&now); old != nil {
		was = *old
	}
	switch {
	case now == was:
	case now == "":
		s.att.Notice("unlocked: you may go on")
	default:
		s.att.Notice(now)
	}
}
