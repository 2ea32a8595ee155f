package fidelity

import (
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/test/host"
)

// corpus are formats: what people use, and what people would use who want more
// than they may.
var corpus = []string{
	"", "#S", "#S:#I.#P", "#{session_name}:#{window_index}.#{pane_index}", "#{session_id} #{window_id} #{pane_id}", "#{session_name}\t#{session_windows}",
	"#D #F #H #h #T #W", "#{window_name}#{window_flags}", "#{pane_title}", "#{pane_current_path}", "#{pane_current_command}", "#{pane_pid} #{pane_tty}",
	"#{pane_width}x#{pane_height}", "#{?pane_active,*,-}#{?pane_dead,dead,}", "#{?window_zoomed_flag,Z,}", "#{==:#{session_name},secret}", "#{!=:#{window_name},a}",
	"#{m:*s*,#{session_name}}", "#{m/ri:^WORK$,#{session_name}}", "#{=10:pane_title}", "#{=/5/…:window_name}", "#{p20:window_name}|", "#{b:pane_current_path}#{d:pane_current_path}",
	"#{s/a/b/:window_name}", "#{s|^(.)|<\\1>|:session_name}", "#{q:window_name}", "#{n:window_name}#{w:window_name}", "#{t:session_created}", "#{t/p:window_activity}",
	"#{e|+:1,2}#{e|*|f|2:3,4}", "#{&&:#{pane_active},#{window_active}}#{||:0,1}", "#{a:65}", "#{l:#{pane_title}}", "#{N/s:secret}", "#{N:zwindow}", "#{N/w:MARK-5f2e}",
	"#{S:#{session_name} }", "#{W:#{window_name} }", "#{P:#{pane_title} }", "#{S:#{W:#{P:#{pane_title}#{pane_start_command}}}}", "#{W:#{window_name},[#{window_name}]}", "#{L:#{client_name}}",
	"#{session_list}#{session_group_list}#{window_linked_sessions_list}", "#{session_group_attached_list}", "#{window_active_sessions_list}", "#{window_layout}#{window_visible_layout}",
	"#{buffer_name}#{buffer_sample}", "#{buffer_full}", "#{client_name}#{client_session}#{client_last_session}", "#{client_user}#{client_uid}#{client_pid}",
	"#{pane_marked}#{pane_marked_set}", "#{marked}", "#{history_size}#{history_bytes}", "#{cursor_character}", "#{mouse_line}#{mouse_word}", "#{copy_cursor_line}",
	"#{pane_search_string}", "#{pane_start_command}#{pane_start_path}", "#{config_files}", "#{socket_path}#{pid}#{start_time}", "#{version}", "#{host}#{host_short}",
	"#{HOUSE_SECRET}", "#{@mark}", "#{PATH}", "#{HOME}", "#{E:@mark}", "#{T:status-left}", "#{E:window_name}", "#{status-right}", "#{default-command}", "#{history-limit}",
	"#{C:MARK}", "#{C/r:M.RK}", "#(touch CANARY)", "#{?1,#(touch CANARY),}", "#{=5;E:pane_title}", "#{s/x/#(touch CANARY)/:session_name}", "#{S:#(touch CANARY)}", "#{l:#(touch CANARY)}",
	"##{session_name}", "##(touch CANARY)", "#[fg=red]#{session_name}", "%H:%M", "#{session_name", "#{", "#", "#}", "#{?a}", "#{m:}", "#{:}", "#{;}", "#{=:}", "#{s/a}", "#{nosuch}",
	"#{w:#{S:#{session_name}}}", "#{n:#{S:x}}", "#{==:#{n:#{S:x}},3}", "#{R:x,3}", "#{R:#{S:#{session_name}},2}", "#{O:#{buffer_name}}", "#{c:red}", "#{I:x}",
	"#{next_session_id}", "#{last_window_index}", "#{session_last_attached}", "#{window_stack_index}#{window_offset_x}", "#{window_linked}#{window_linked_sessions}", "#{active_window_index}",
}

// carrier is a flag or an argument that takes a format of one's own.
type carrier struct {
	row  *tmux.Command
	flag *tmux.Flag // nil for the argument
}

func (c carrier) String() string {
	if c.flag == nil {
		return c.row.Name
	}
	return c.row.Name + " -" + string(rune(c.flag.Letter))
}

// carriers are all that this tmux has.
func (s *sweep) carriers() (all []carrier) {
	for _, row := range s.rows() {
		for i := range row.Flags {
			f := &row.Flags[i]
			if known, value := s.knows(row, f.Letter); known && value && (f.Kind == tmux.OutFormat || f.Kind == tmux.Filter) {
				all = append(all, carrier{row, f})
			}
		}
		if row.MaxArgs != 0 && (argument(row, 0) == tmux.OutFormat || argument(row, 0) == tmux.Filter) {
			all = append(all, carrier{row: row})
		}
	}
	return all
}

// carry makes the command line of a format.
func (s *sweep) carry(c carrier, format, target string) []string {
	argv := []string{c.row.Name}
	if f := c.row.Flag('t'); f != nil && f.Kind == tmux.TargetValue {
		argv = append(argv, "-t", target)
	}
	if c.row.Name == "display-message" {
		argv = append(argv, "-p")
	}
	if c.row.Name == "new-session" { // or they start a server of their own
		argv = append(argv, "-d", "-P")
	}
	if c.flag != nil {
		return append(argv, "-"+string(rune(c.flag.Letter)), s.fill(format))
	}
	return append(argv, "--", s.fill(format))
}

// write puts down a format with a carrier.
func (s *sweep) write(c carrier, format string) {
	s.hit["format "+s.who+" "+format] = true
	s.hit["carrier "+s.who+" "+c.String()] = true
	s.put(s.carry(c, format, owner+granting), granting)
	if soak.Full() || s.next()%3 == 0 {
		h := s.put(s.carry(c, format, owner+s.hidden.name+":"), "<name>:")
		a := s.put(s.carry(c, format, owner+s.absent.name+":"), "<name>:")
		s.pairs = append(s.pairs, pair{h, a})
	}
}

func (s *sweep) next() int { s.turn++; return s.turn }

// TestEveryFormat: what three people want shown by formats and chosen by filters
// of their own, wherever a command takes one, tells them nothing of what they
// may not see, runs nothing and changes nothing.
func TestEveryFormat(t *testing.T) {
	t.Parallel()
	s := newSweep(t, "")
	carriers := s.carriers()
	total := 0
	for _, s.who = range []string{host.Mallory, host.Bob, host.Carol} {
		s.lines, s.pairs = nil, nil
		for i, format := range corpus {
			for n, c := range carriers {
				answers := c.row.Name == "display-message" && c.flag == nil && s.who != host.Mallory
				if soak.Full() || answers || (n+i)%len(carriers) < 2 {
					s.write(c, format)
				}
			}
		}
		total += len(s.lines)
		for _, f := range s.judged("formats") {
			t.Error(f)
		}
		for _, c := range carriers {
			if !s.hit["carrier "+s.who+" "+c.String()] {
				t.Errorf("%s was not tried by %s", c, s.who)
			}
		}
		for _, format := range corpus {
			if !s.hit["format "+s.who+" "+format] {
				t.Errorf("%s was not tried by %s", format, s.who)
			}
		}
	}
	if len(carriers) < 20 {
		t.Errorf("formats are taken by %v only", carriers)
	}
	t.Logf("%d command lines, %d formats, %v", total, len(corpus), carriers)
}

// TestEveryFormatTeeth: a server that shows bob all of it is noticed by the same
// formats.
func TestEveryFormatTeeth(t *testing.T) {
	t.Parallel()
	s := newSweep(t, "teeth_visible")
	s.who = host.Bob
	show := carrier{row: tmux.FindCommand("display-message")}
	for _, format := range corpus {
		s.write(show, format)
	}
	found := s.judged("formats")
	if !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, "shows what is hidden") }) {
		t.Errorf("it is not found that bob is shown what is hidden: %q", found)
	}
}
