package main

import "fmt"

// counted words a number of things, of which one has another word than many.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
