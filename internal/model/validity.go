package model

import "time"

// Validity is the time in which the SSH certificate of a login is valid. The zero value means that there is no certificate; a zero time, that
// it has no such limit.
type Validity struct {
	From, To time.Time
}

// longestNotice is how long before its end a certificate is reported at most.
const longestNotice = 7 * 24 * time.Hour

// EndsSoon reports whether the certificate has expired, or will within a week and is in the last tenth of its time: one that a program renews
// in time is not reported.
func (v Validity) EndsSoon(now time.Time) bool {
	if v.To.IsZero() {
		return false
	}
	notice := longestNotice
	if !v.From.IsZero() {
		notice = min(notice, v.To.Sub(v.From)/10)
	}
	return now.After(v.To.Add(-notice))
}
