package model

import (
	"testing"
	"time"
)

func TestACertificateIsReportedInItsLastTenthAndAWeekBeforeAtMost(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for name, test := range map[string]struct {
		lifetime, left time.Duration
		want           bool
	}{
		"a year, eight days left":         {365 * day, 8 * day, false},
		"a year, six days left":           {365 * day, 6 * day, true},
		"an hour, seven minutes left":     {time.Hour, 7 * time.Minute, false},
		"an hour, five minutes left":      {time.Hour, 5 * time.Minute, true},
		"an hour, expired":                {time.Hour, -time.Minute, true},
		"without a beginning, eight days": {0, 8 * day, false},
		"without a beginning, six days":   {0, 6 * day, true},
	} {
		v := Validity{To: now.Add(test.left)}
		if test.lifetime > 0 {
			v.From = v.To.Add(-test.lifetime)
		}
		if got := v.EndsSoon(now); got != test.want {
			t.Errorf("%s: reported %t", name, got)
		}
	}
	if (Validity{}).EndsSoon(now) || (Validity{From: now}).EndsSoon(now) {
		t.Error("what never expires is reported")
	}
}

func TestAHostBehindAJumpHostIsAnotherThanTheOneAtItsAddress(t *testing.T) {
	t.Parallel()
	direct := NewHostID("10.0.0.1", 22)
	a, b := direct.Through(NewHostID("Bastion", 22)), direct.Through(NewHostID("2001:DB8::1", 2222))
	if direct == a || a == b || direct.JumpAddress() != "" || a.JumpAddress() != "bastion" || b.JumpAddress() != "2001:db8::1" {
		t.Errorf("%v, %v and %v", direct, a, b)
	}
	for _, id := range []HostID{direct, a, b} {
		if got, err := ParseHostID(id.String()); err != nil || got != id {
			t.Errorf("%v became %v, error %v", id, got, err)
		}
	}
}
