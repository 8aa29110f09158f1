package runtime

import (
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
)

// ShowTraffic asks for the statistics of all backends, without those of their servers. ParseTraffic parses the answer.
const ShowTraffic = "show stat -1 2 -1"

// Traffic is what a worker has counted for a backend since its start.
type Traffic struct {
	Backend string
	// Connections are those that clients wanted to the backend, or requests over HTTP, and Failed those for which no connection to a
	// server could be made.
	Connections, Failed int
}

// ParseTraffic parses the answer to ShowTraffic.
func ParseTraffic(answer []byte) ([]Traffic, error) {
	text, ok := strings.CutPrefix(strings.TrimSpace(string(answer)), "# ")
	if !ok {
		return nil, unexpected(ShowTraffic, "it does not start with a line of column names", string(answer))
	}
	lines := csv.NewReader(strings.NewReader(text))
	lines.LazyQuotes, lines.FieldsPerRecord = true, -1
	header, err := lines.Read()
	if err != nil {
		return nil, unexpected(ShowTraffic, err.Error(), text)
	}
	columns := []int{slices.Index(header, "pxname"), slices.Index(header, "stot"), slices.Index(header, "econ")}
	if slices.Contains(columns, -1) {
		return nil, unexpected(ShowTraffic, "a column is missing", text)
	}
	var all []Traffic
	for {
		values, err := lines.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil || slices.Max(columns) >= len(values) {
			return nil, unexpected(ShowTraffic, "a line is incomplete", text)
		}
		one, err := trafficOf(values[columns[0]], values[columns[1]], values[columns[2]])
		if err != nil {
			return nil, unexpected(ShowTraffic, err.Error(), text)
		}
		all = append(all, one)
	}
}

func trafficOf(backend, connections, failed string) (Traffic, error) {
	all, err := strconv.Atoi(connections)
	if err != nil {
		return Traffic{}, err
	}
	errs, err := strconv.Atoi(failed)
	return Traffic{Backend: backend, Connections: all, Failed: errs}, err
}
