// Package way goes the way that a path leads as the kernel does, through symbolic links
// (path_resolution(7)), for those who have to know whose each thing on it is.
//
// It judges nothing (internal/trusted does), and opens nothing. Start reading at [Walk].
package way
