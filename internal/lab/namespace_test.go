package lab

import (
	"testing"
	"time"
)

func TestX(t *testing.T) {
	b := time.Now()
	cp, err := StartControlPlane(t.Context())
	t.Log(time.Since(b))
	if err != nil {
		t.Fatal(err)
	}
	t.Log(cp.Close())
	t.Log(time.Since(b))
}
