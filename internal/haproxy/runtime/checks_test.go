package runtime

import (
	"strings"
	"testing"
)

func TestParseCheckSaysHowACheckEnded(t *testing.T) {
	t.Parallel()
	const head = "# pxname,svname,check_status,check_code,check_duration,last_chk,\n"
	for name, test := range map[string]struct{ answer, want string }{
		"a connection":               {head + "b,s,L4CON,,0,Connection refused,\n\n", "L4CON (Connection refused)"},
		"a code":                     {head + "b,s,L7STS,400,1,Bad Request,\n", "L7STS 400 (Bad Request)"},
		"while the next is made":     {head + "b,s,* L4TOUT,,2000,,\n", "L4TOUT"},
		"words with commas":          {head + `b,s,L7RSP,,1,"a, ""b"", c",` + "\n", `L7RSP (a, "b", c)`},
		"other columns":              {"# svname,check_status\ns,L6RSP\n", "L6RSP"},
		"a column that occurs twice": {"# check_status,check_status\nL4CON,L4TOUT\n", "L4CON"},
		"no such column":             {"# svname\ns\n", ""},
		"no such server":             {head, ""},
		"fields that are missing":    {head + "b,s\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := ParseCheck([]byte(test.answer)); err != nil || got != test.want {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
	for _, answer := range []string{"", "Can't find backend.", "# \"", strings.Repeat("x", 1000)} {
		if got, err := ParseCheck([]byte(answer)); answer != "# \"" && err == nil || got != "" {
			t.Errorf("%.20q: got %q, %v", answer, got, err)
		}
	}
}
