// Loki's own parser and pipeline over queries and lines: {"queries": [...], "lines": [...]} in, one result a query out.
// A line is {"text": "...", "metadata": {...}}, the latter what Loki keeps beside it (structured metadata).
//
// A result is {"error": ""} or says what Loki says, and how many of the lines the query's pipeline keeps; of a metric
// query, how many samples it takes out of them.
package main

import (
	"encoding/json"
	"os"
	"time"

	"github.com/grafana/loki/v3/pkg/logql/log"
	"github.com/grafana/loki/v3/pkg/logql/syntax"
	"github.com/prometheus/prometheus/model/labels"
)

type line struct {
	Text     string            `json:"text"`
	Metadata map[string]string `json:"metadata"`
}

type input struct {
	Queries []string `json:"queries"`
	Lines   []line   `json:"lines"`
}

type result struct {
	Error string `json:"error"`
	Kept  int    `json:"kept"`
}

func check(query string, lines []line) (int, error) {
	expression, err := syntax.ParseExpr(query)
	if err != nil {
		return 0, err
	}
	stream := labels.FromStrings("service_name", "lumigate")
	now := time.Now().UnixNano()
	kept := 0
	if samples, ok := expression.(syntax.SampleExpr); ok {
		extractors, err := samples.Extractors()
		if err != nil {
			return 0, err
		}
		for _, extractor := range extractors {
			for _, line := range lines {
				found, ok := extractor.ForStream(stream).Process(now, []byte(line.Text), labels.FromMap(line.Metadata))
				if ok {
					for _, one := range found {
						if one.Labels.Labels().Get("__error__") == "" {
							kept++
						}
					}
				}
			}
		}
		return kept, nil
	}
	var pipeline log.Pipeline
	if pipeline, err = expression.(syntax.LogSelectorExpr).Pipeline(); err != nil {
		return 0, err
	}
	for _, line := range lines {
		_, found, ok := pipeline.ForStream(stream).Process(now, []byte(line.Text), labels.FromMap(line.Metadata))
		if ok && found.Labels().Get("__error__") == "" {
			kept++
		}
	}
	return kept, nil
}

func main() {
	var asked input
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		panic(err)
	}
	results := []result{}
	for _, query := range asked.Queries {
		kept, err := check(query, asked.Lines)
		found := result{Kept: kept}
		if err != nil {
			found.Error = err.Error()
		}
		results = append(results, found)
	}
	if err := json.NewEncoder(os.Stdout).Encode(results); err != nil {
		panic(err)
	}
}
