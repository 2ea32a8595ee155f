package strictyaml

import (
	"fmt"
	"strings"
)

// DidYouMean gives a hint for a word that is none of the known ones: the nearest of them, or the list of
// them all if none is near and they are few.
func DidYouMean(word string, known []string) string {
	best, dist := "", max(2, len(word)/3)+1
	for _, k := range known {
		if d := distance(word, k, dist); d < dist {
			best, dist = k, d
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("did you mean %s?", best)
	case len(known) == 0 || len(known) > 24:
		return ""
	}
	return "known: " + strings.Join(known, ", ")
}

// distance is the number of single letters to insert, remove or replace to
// make b of a; limit if it is not less than that.
func distance(a, b string, limit int) int {
	if len(a) > 64 || len(b) > 64 || len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diag
			if a[i] != b[j] {
				change++
			}
			diag = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return min(row[len(b)], limit)
}
