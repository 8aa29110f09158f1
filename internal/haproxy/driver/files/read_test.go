package files

import "testing"

func TestAFileThatChangesWhileItIsPrintedIsNotRead(t *testing.T) {
	t.Parallel()
	for output, want := range map[string]string{
		"6\nglobala b\n": "global|a b\n", "0\n": "|", "6\nglobal": "global|",
		"": "", "7\nglobal": "", "-1\nglobal": "", "x\nglobal": "", "6": "",
	} {
		text, names, err := split([]byte(output))
		if (err != nil) != (want == "") || err == nil && string(text)+"|"+string(names) != want {
			t.Errorf("%q: got %q, %q, %v, want %q", output, text, names, err, want)
		}
	}
}
