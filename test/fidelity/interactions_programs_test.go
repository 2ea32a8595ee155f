package fidelity

import (
	"fmt"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// duetProgram is a program that people work in. What they do there is in
// testdata/interactions, under its name.
type duetProgram struct {
	name, program string
	// command gives what is run, after the directory was changed to the home.
	command func(path string, d *duet, t *testing.T) string
	env     []string
	files   map[string]string // in the home, or what configures the program
	begins  string            // what shows that it has begun
	prompt  string
}

func args(words string) func(string, *duet, *testing.T) string {
	return func(path string, _ *duet, _ *testing.T) string { return path + " " + words }
}

// duetPrograms are those of Debian that most people use in tmux. What they show by
// the time of day or by the state of the machine is turned off.
func duetPrograms() []duetProgram {
	return []duetProgram{
		{
			name: "vim", program: "vim", command: args("-N -i NONE -u vimrc notes.txt"), begins: "notes.txt",
			files: map[string]string{"vimrc": vimrc, "notes.txt": prose(120), "list.c": source(60), "other.txt": prose(9)},
		},
		{
			name: "less", program: "less", command: args("-i notes.txt list.c"), begins: "notes.txt (file 1 of 2)",
			env:   []string{"LESSHISTFILE=-", "LESS="},
			files: map[string]string{"notes.txt": prose(300), "list.c": source(80)},
		},
		{
			// It accepts and begins again, as in a shell's key binding.
			name: "fzf", program: "fzf", begins: "220/220",
			command: func(path string, _ *duet, _ *testing.T) string {
				return "sh -c 'while :; do " + path + ` --multi --preview "head -n 3 notes.txt; echo {}" <list; done'`
			},
			env:   []string{"FZF_DEFAULT_OPTS=", "SHELL=/bin/sh"},
			files: map[string]string{"notes.txt": prose(20), "list": choices(220)},
		},
		{
			name: "python", program: "/usr/bin/python3", command: args("-q"), prompt: ">>> ",
			env: []string{"PYTHON_BASIC_REPL=1"}, files: map[string]string{"code.py": "def twice(x):\n    return 2 * x\n"},
		},
		{
			name: "mc", program: "mc", command: args("-u -x . sub"), begins: "readme.txt",
			env: []string{"SHELL=/bin/sh", "PS1=$", "COLORTERM="},
			files: map[string]string{
				"readme.txt": prose(60), "notes.txt": prose(30), "list.c": source(40), ".hidden": "h\n", "empty": "",
				"sub/one": "1\n", "sub/two": prose(5), "sub/deep/three": "3\n", "../config/mc/ini": mcIni,
			},
		},
		{
			// Both look at the same processes, which sleep, by what does not change of them.
			// There are no meters: they would tell how the machine is.
			name: "htop", program: "htop", command: watchSleepers, begins: "sleep 10007",
			env:   []string{"HTOPRC=./htoprc"},
			files: map[string]string{"htoprc": htopRC},
		},
	}
}

// watchSleepers starts processes of alice's that sleep, and has htop show them.
func watchSleepers(path string, d *duet, t *testing.T) string {
	t.Helper()
	var pids []string
	for i := range 12 {
		cmd := d.alice.Command("sleep", fmt.Sprint(10000+i))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Wait() }) // it was killed by then
		tmuxtest.KillAtEnd(t, cmd.Process.Pid)
		pids = append(pids, fmt.Sprint(cmd.Process.Pid))
	}
	return path + " -d 10 -p " + strings.Join(pids, ",")
}

// prose is text of n lines: with words to search for, wide characters, and lines
// that are longer than a screen is wide.
func prose(n int) string {
	words := strings.Fields("the quick brown fox jumps over a lazy dog while 漢字 and café wait for needle work in haystack")
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d", i+1)
		for k := range 3 + i*7%15 {
			b.WriteString(" " + words[(i*5+k*3)%len(words)])
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// source is a program in C of n lines.
func source(n int) string {
	var b strings.Builder
	b.WriteString("#include <stdio.h>\n\n/* counts */\nint main(void)\n{\n")
	for i := range n {
		fmt.Fprintf(&b, "\tif (x%d > %d) {\tprintf(\"needle %%d\\n\", x%d); } // %d\n", i%7, i, i%5, i)
	}
	b.WriteString("\treturn 0;\n}\n")
	return b.String()
}

// choices are n lines to choose from.
func choices(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%s/%s-%03d.txt\n", []string{"src", "doc", "test"}[i%3], []string{"alpha", "beta", "gamma", "needle"}[i/3%4], i)
	}
	return b.String()
}

// vimrc: what undo says would tell the time, and what searches count how fast the
// machine is.
const vimrc = `set nocompatible noswapfile nobackup nowritebackup viminfo= hidden
set shortmess+=SI showmode showcmd ruler number hlsearch incsearch wildmenu laststatus=2
set mouse=a ttymouse=sgr ttimeout ttimeoutlen=20 timeoutlen=5000 background=dark nomodeline scrolloff=2
set matchtime=0 updatetime=100000
let &t_SI = "\e[6 q"
let &t_EI = "\e[2 q"
syntax on
nnoremap <silent> u :silent undo<CR>
nnoremap <silent> <C-r> :silent redo<CR>
`

// mcIni: no hints, which are chosen at random, and no room on the disk.
const mcIni = `[Midnight-Commander]
auto_save_setup=false
use_internal_view=true
use_internal_edit=true
confirm_exit=true
skin=default

[Layout]
message_visible=false
free_space=false
xterm_title=false
`

const htopRC = `htop_version=3.2.2
config_reader_min_version=3
fields=0 48 17 18 2 46 49 1
hide_kernel_threads=1
hide_userland_threads=1
highlight_base_name=0
tree_view=0
sort_key=0
sort_direction=1
delay=10
enable_mouse=1
header_layout=two_50_50
column_meters_0=Hostname
column_meter_modes_0=2
column_meters_1=Blank
column_meter_modes_1=2
screen:Main=PID USER PRIORITY NICE STATE PERCENT_CPU TIME Command
.sort_key=PID
.tree_sort_key=PID
.sort_direction=1
.tree_sort_direction=1
.tree_view=0
`
