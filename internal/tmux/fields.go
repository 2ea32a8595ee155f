package tmux

import (
	"slices"
	"strings"
)

// field is a variable that is fetched as it is, and shown as it is.
type field struct {
	name  string
	since Version
}

// fieldsFor are those of the fields that a version has. They are fewer or
// more, never others: the lists are in the order of versions. A variable that a
// server does not have is not asked for: its name may mean something else there.
func fieldsFor(all []field, v Version) []field {
	n := 0
	for n < len(all) && v.orReference().AtLeast(all[n].since) {
		n++
	}
	return all[:n]
}

func fields(since Version, names string) []field {
	var list []field
	for name := range strings.FieldsSeq(names) {
		list = append(list, field{name, since})
	}
	return list
}

// paneFields are what a pane's screen says of itself.
func paneFields() []field {
	return slices.Concat(
		fields(Version{}, "alternate_saved_x alternate_saved_y cursor_flag insert_flag keypad_cursor_flag keypad_flag "+
			"mouse_all_flag mouse_any_flag mouse_button_flag mouse_sgr_flag mouse_standard_flag mouse_utf8_flag "+
			"origin_flag wrap_flag scroll_region_lower scroll_region_upper pane_bg pane_fg pane_path pane_tabs"),
		fields(v33, "pane_dead_signal pane_dead_time pane_start_path"),
		fields(v34, "pane_unseen_changes"),
		fields(v35, "pane_key_mode"),
		fields(v36, "cursor_blinking cursor_colour cursor_shape cursor_very_visible"),
		fields(v37, "bracket_paste_flag pane_flags pane_floating_flag pane_pb_progress pane_pb_state pane_z pane_zoomed_flag synchronized_output_flag"),
	)
}

// modeFields are what copy mode says of itself, less what it shows.
func modeFields() []field {
	return slices.Concat(
		fields(Version{}, "scroll_position rectangle_toggle copy_cursor_x copy_cursor_y selection_present selection_active "+
			"selection_start_x selection_start_y selection_end_x selection_end_y search_present"),
		fields(v35, "search_count search_count_partial"),
		fields(v36, "search_timed_out top_line_time"),
		fields(v37, "copy_position copy_position_limit selection_mode"),
	)
}

// clientFields are what a client's terminal looks at.
func clientFields() []field {
	return fields(Version{}, "client_cell_height client_cell_width client_discarded client_key_table client_prefix "+
		"client_written window_bigger window_offset_x window_offset_y")
}

// fetched writes the fields for a row, quoted, each after a space.
func fetched(list []field) string {
	var b strings.Builder
	for _, f := range list {
		b.WriteString(" #{q:" + f.name + "}")
	}
	return b.String()
}

// readFields reads n fields written by fetched.
func readFields(r *row, n int) []string {
	values := make([]string, n)
	for i := range values {
		values[i] = r.ascii()
	}
	return values
}
