package lab

import (
	"testing"
	"time"
)

func TestHost(t *testing.T) {
	b := time.Now()
	h, err := StartEdgeHost(t.Context(), EdgeHostOptions{Number: 1})
	t.Log(time.Since(b))
	if err != nil {
		t.Fatal(err)
	}
	t.Log(h.Info(t.Context()))
	c, err := h.DialSSH(t.Context())
	if err != nil {
		t.Fatal(err, h.Logs())
	}
	s, _ := c.NewSession()
	o, err := s.CombinedOutput("id; pwd; echo $HOME")
	t.Log(string(o), err)
	t.Log(h.Close())
	t.Log(c.Wait())
	t.Log(time.Since(b))
}
