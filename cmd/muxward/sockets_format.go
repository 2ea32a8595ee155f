package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/sockets"
)

// scanFormats are the forms in which `sockets scan` tells, beside the table.
func scanFormats() []string { return []string{"table", "json", "sarif", "junit", "prometheus"} }

// report is all that a scan has to tell.
type report struct {
	scan     sockets.Scan
	findings []sockets.Finding
	excepted []sockets.Finding
}

func printFormat(cmd *cobra.Command, format string, r report) error {
	switch format {
	case "json":
		return printScanned(cmd, scanned{found{sockets.Schema, r.scan.Complete(), r.findings, r.excepted}, r.scan})
	case "sarif":
		return printJSON(cmd, sarifOf(r))
	case "junit":
		out, err := xml.MarshalIndent(junitOf(r), "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s%s\n", xml.Header, out)
		return err
	case "prometheus":
		return printMetrics(cmd, r)
	}
	return printScan(cmd, r)
}

// printScanned prints JSON in one line.
func printScanned(cmd *cobra.Command, v scanned) error {
	out := cmd.OutOrStdout()
	_, err := fmt.Fprintf(out, `{"schema":%d,"complete":%t,"findings":`, v.Schema, v.Complete)
	if err == nil {
		err = sockets.WriteFindings(out, v.Findings)
	}
	if err == nil {
		_, err = io.WriteString(out, `,"excepted":`)
	}
	if err == nil {
		err = sockets.WriteFindings(out, v.Excepted)
	}
	if err == nil {
		_, err = io.WriteString(out, `,"scan":`)
	}
	if err == nil {
		err = v.Scan.WriteJSON(out)
	}
	if err == nil {
		_, err = io.WriteString(out, "}\n")
	}
	return err
}

// The parts of SARIF 2.1.0 that a list of findings needs.
type (
	sarif struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool struct {
			Driver sarifDriver `json:"driver"`
		} `json:"tool"`
		Results []sarifResult `json:"results"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifRule struct {
		ID    string    `json:"id"`
		Short sarifText `json:"shortDescription"`
		Full  sarifText `json:"fullDescription"`
		Help  sarifText `json:"help"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations,omitempty"`
		Accepted  []sarifAccepted `json:"suppressions,omitempty"`
	}
	sarifLocation struct {
		Physical struct {
			Artifact struct {
				URI string `json:"uri"`
			} `json:"artifactLocation"`
		} `json:"physicalLocation"`
	}
	sarifAccepted struct {
		Kind string `json:"kind"`
	}
)

func sarifOf(r report) sarif {
	run := sarifRun{Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "muxward sockets", Version: version}
	for _, rule := range sockets.Rules() {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{rule.ID, sarifText{rule.Title}, sarifText{rule.Why}, sarifText{rule.Fix}})
	}
	level := map[sockets.Severity]string{sockets.Info: "note", sockets.Warning: "warning", sockets.Serious: "error"}
	add := func(f sockets.Finding, accepted []sarifAccepted) {
		res := sarifResult{RuleID: f.ID, Level: level[f.Severity], Message: sarifText{f.Evidence + "; " + f.Fix}, Accepted: accepted}
		if f.Path != "" {
			var at sarifLocation
			at.Physical.Artifact.URI = (&url.URL{Scheme: "file", Path: string(f.Path)}).String()
			res.Locations = []sarifLocation{at}
		}
		run.Results = append(run.Results, res)
	}
	for _, f := range r.findings {
		add(f, nil)
	}
	for _, f := range r.excepted {
		add(f, []sarifAccepted{{"external"}})
	}
	return sarif{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}}
}

// JUnit: a case for each kind of finding, which fails once for each one found.
type (
	junitSuite struct {
		XMLName  xml.Name    `xml:"testsuite"`
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class    string         `xml:"classname,attr"`
		Name     string         `xml:"name,attr"`
		Failures []junitFailure `xml:"failure"`
	}
	junitFailure struct {
		Type    string `xml:"type,attr"`
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

func junitOf(r report) junitSuite {
	s := junitSuite{Name: "muxward sockets"}
	for _, rule := range sockets.Rules() {
		c := junitCase{Class: rule.ID, Name: rule.Title}
		for _, f := range r.findings {
			if f.ID == rule.ID {
				c.Failures = append(c.Failures, junitFailure{f.Severity.String(), f.Path.String() + ": " + f.Evidence, f.Fix})
			}
		}
		if s.Tests++; len(c.Failures) > 0 {
			s.Failures++
		}
		s.Cases = append(s.Cases, c)
	}
	return s
}

// printMetrics is for the node exporter's directory of text files. Paths are no
// labels: there may be any number of them.
func printMetrics(cmd *cobra.Command, r report) error {
	count := map[string]int{}
	for _, f := range r.findings {
		count[f.ID]++
	}
	p := newPaint(cmd)
	p.printf("# HELP muxward_sockets_findings Findings about tmux sockets, by kind.\n# TYPE muxward_sockets_findings gauge\n")
	for _, rule := range sockets.Rules() {
		p.printf("muxward_sockets_findings{id=%q} %d\n", rule.ID, count[rule.ID])
	}
	complete := 0
	if r.scan.Complete() {
		complete = 1
	}
	for _, m := range []struct {
		name, help string
		value      int
	}{
		{"excepted", "Findings that the profile excepts.", len(r.excepted)},
		{"servers", "tmux servers seen.", len(r.scan.Servers)},
		{"sockets", "tmux sockets seen.", len(r.scan.Sockets)},
		{"complete", "1 if everything could be looked at.", complete},
		{"scan_timestamp_seconds", "When this was.", int(r.scan.Time.Unix())},
	} {
		p.printf("# HELP muxward_sockets_%s %s\n# TYPE muxward_sockets_%[1]s gauge\nmuxward_sockets_%[1]s %[3]d\n", m.name, m.help, m.value)
	}
	return p.err()
}
