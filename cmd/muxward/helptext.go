package main

import (
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// helpWidth is how wide help texts are written. Man pages are as wide as man has it.
const helpWidth = 100

// fitHelp has help texts fit a terminal that is narrower than they are written, and the
// lines about flags fit any.
func fitHelp(root *cobra.Command) {
	// A family is run to have its help printed, which its usage needs not tell.
	usage := strings.Replace(root.UsageTemplate(), "{{if .Runnable}}", "{{if and .Runnable (not .DisableFlagsInUseLine)}}", 1)
	root.SetUsageTemplate(strings.ReplaceAll(usage, "Flags.FlagUsages ", "Flags.FlagUsagesWrapped 80 "))
	print := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		if cols := columnsOf(cmd.OutOrStdout()); cols > 0 && cols < helpWidth {
			cmd.Long = reflow(cmd.Long, cols)
		}
		print(cmd, args)
	})
}

// reflow fills the lines of each paragraph anew. What is indented, or has a short line
// before its last one, is no prose and stays.
func reflow(text string, cols int) string {
	paragraphs := strings.Split(text, "\n\n")
	for i, p := range paragraphs {
		lines := strings.Split(p, "\n")
		prose := true
		for n, l := range lines {
			prose = prose && !strings.HasPrefix(l, " ") && (n == len(lines)-1 || utf8.RuneCountInString(l) >= 60)
		}
		if prose {
			paragraphs[i] = filled(strings.Fields(p), cols)
		}
	}
	return strings.Join(paragraphs, "\n\n")
}

// filled puts words into lines.
func filled(words []string, cols int) string {
	var b strings.Builder
	at := 0
	for _, w := range words {
		n := utf8.RuneCountInString(w)
		switch {
		case at == 0:
		case at+1+n > cols:
			b.WriteByte('\n')
			at = 0
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(w)
		at += n
	}
	return b.String()
}
