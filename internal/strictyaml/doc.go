// Package strictyaml is what the strict readers of YAML in this house have in common: which
// nodes they take at all, and in which words they say what is wrong. A file that somebody
// wrote by hand has no anchors, aliases, merges or tags, and each key once.
//
// It is no reader: what a file may hold, and what becomes of it, say policy and
// hostconf/hostfile. muxward's own configuration is read by the library's decoder.
//
// Start reading at [Pairs].
package strictyaml
