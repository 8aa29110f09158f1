package bounds

import (
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

func TestTheScannerKnowsWhereValuesEnd(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		ends []int
	}{
		"objects":              {`{"a":1}` + "\n" + `{"b":{}}`, []int{6, 15}},
		"brackets in strings":  {`{"a":"}{]["}`, []int{11}},
		"quotes in strings":    {`{"a":"\"}"}`, []int{10}},
		"backslashes at ends":  {`{"a":"\\"}{}`, []int{9, 11}},
		"blanks between":       {"\n\n{ }\n\n", []int{4}},
		"arrays":               {`[{},{}][]`, []int{6, 8}},
		"a string that is cut": {`{"a":"}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s scanner
			var ends []int
			for i := range len(test.text) {
				if s.next(test.text[i]) {
					ends = append(ends, i)
				}
			}
			if !reflect.DeepEqual(ends, test.ends) {
				t.Errorf("values end at %v, want %v", ends, test.ends)
			}
		})
	}
}

func FuzzTheScannerEndsWhereJSONDoes(f *testing.F) {
	for _, text := range []string{`{"a":1}`, `{"a":"\\"}`, `[[],{"a":"]\""}]`, `{}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if text == "" || (text[0] != '{' && text[0] != '[') || !json.Valid([]byte(text)) {
			return
		}
		text = strings.TrimSpace(text)
		var s scanner
		for i := range len(text) {
			if ended := s.next(text[i]); ended != (i == len(text)-1) {
				t.Fatalf("%q: ended at byte %d: %t", text, i, ended)
			}
		}
		if s.weight < len(text) {
			t.Errorf("%q weighs %d", text, s.weight)
		}
	})
}

func TestABodyBeyondTheLimitFails(t *testing.T) {
	t.Parallel()
	const most = 2000
	for name, test := range map[string]struct {
		text string
		each bool
		want bool
	}{
		"short":                   {`{"a":"b"}`, false, true},
		"a long string":           {`{"a":"` + strings.Repeat("x", most) + `"}`, false, false},
		"many objects":            {`[` + strings.Repeat("{},", 10) + `{}]`, false, false},
		"many short ones":         {strings.Repeat(`{"a":"b"}`+"\n", 100), true, true},
		"many short ones at once": {strings.Repeat(`{"a":"b"}`+"\n", 100), false, false},
		"blanks":                  {strings.Repeat("\n", 2*most), true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overflows := 0
			b := &boundedBody{
				body: io.NopCloser(strings.NewReader(test.text)), overflow: func(error) { overflows++ }, what: "it", most: most, each: test.each,
			}
			text, err := io.ReadAll(b)
			if (err == nil) != test.want || (overflows == 0) != test.want || (test.want && string(text) != test.text) {
				t.Errorf("%d bytes, error %v, %d overflows", len(text), err, overflows)
			}
			if _, again := b.Read(make([]byte, 1)); !test.want && again != err {
				t.Errorf("after the error there is %v", again)
			}
		})
	}
}

func TestTheSizeOfAnObjectCountsWhatItRefersTo(t *testing.T) {
	t.Parallel()
	small, large := &discoveryv1.EndpointSlice{}, &discoveryv1.EndpointSlice{Endpoints: make([]discoveryv1.Endpoint, 1000)}
	long := &corev1.Service{}
	long.Labels = map[string]string{"a": strings.Repeat("x", 5000)}
	if size := sizeOf(reflect.ValueOf(large)) - sizeOf(reflect.ValueOf(small)); size < 80_000 || size > 400_000 {
		t.Errorf("a thousand endpoints take %d bytes", size)
	}
	if size := sizeOf(reflect.ValueOf(long)); size < 5000 || size > 20_000 {
		t.Errorf("a label of 5000 bytes takes %d", size)
	}
}
