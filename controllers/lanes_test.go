package controllers

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestATurnWaitsForALaneAndOneThatHangsGivesItBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := make(lanes, 2)
		began := time.Now()
		leave, hangs := l.enter(t.Context()), l.enter(t.Context())
		defer hangs()
		time.AfterFunc(lanePatience/2, leave)

		third := l.enter(t.Context())
		if took := time.Since(began); took != lanePatience/2 {
			t.Errorf("the third entered after %s, want when the first left", took)
		}
		defer l.enter(t.Context())()
		if took := time.Since(began); took != lanePatience {
			t.Errorf("the fourth entered after %s, want when the second had its time", took)
		}
		third()
		third()
		if len(l) != 1 {
			t.Errorf("%d lanes are taken, want that of the fourth", len(l))
		}
	})
}

func TestNobodyWaitsForALaneWhenTheOperatorEnds(t *testing.T) {
	t.Parallel()
	l := make(lanes, 1)
	defer l.enter(t.Context())()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l.enter(ctx)()
	if len(l) != 1 {
		t.Errorf("%d lanes are taken, want 1", len(l))
	}
}
