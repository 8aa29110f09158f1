package model_test

import (
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/model"
)

func TestEarlierTakesZeroForNever(t *testing.T) {
	t.Parallel()
	a, b := time.Unix(1000, 0), time.Unix(2000, 0)
	for _, test := range [][3]time.Time{{a, b, a}, {b, a, a}, {a, {}, a}, {{}, a, a}, {{}, {}, {}}} {
		if got := model.Earlier(test[0], test[1]); got != test[2] {
			t.Errorf("Earlier(%v, %v) = %v", test[0], test[1], got)
		}
	}
}
