package runtime

import (
	"encoding/csv"
	"fmt"
	"strings"
)

// ShowCheckOf asks for the statistics of one server, which include the result of its last health check. ParseCheck parses
// the answer.
func ShowCheckOf(backend string, server int) string {
	return fmt.Sprintf("show stat %s 4 %d", backend, server)
}

// ParseCheck parses the result of a server's last health check: HAProxy's status, the code in the response if there was one,
// and HAProxy's details, such as "L7STS 400 (Bad Request)". It is empty for a server that no longer exists.
func ParseCheck(answer []byte) (string, error) {
	text, ok := strings.CutPrefix(strings.TrimSpace(string(answer)), "# ")
	if !ok {
		return "", unexpected("show stat", "it does not start with a line of column names", string(answer))
	}
	lines := csv.NewReader(strings.NewReader(text))
	lines.LazyQuotes, lines.ReuseRecord = true, false
	header, err := lines.Read()
	if err != nil {
		return "", unexpected("show stat", err.Error(), text)
	}
	values, err := lines.Read()
	if err != nil {
		return "", nil // it has no line about the server
	}
	of := func(name string) string {
		for i, column := range header {
			if column == name && i < len(values) {
				return values[i]
			}
		}
		return ""
	}
	return phrase(strings.TrimPrefix(of("check_status"), "* "), of("check_code"), of("last_chk")), nil
}

func phrase(status, code, detail string) string {
	text := strings.TrimSpace(status + " " + code)
	if text != "" && detail != "" {
		text += " (" + detail + ")"
	}
	return text
}
