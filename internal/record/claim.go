package record

import (
	"maps"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/model/reason"
)

// Claim is the result of the last logins to the host with an owner's Secret.
type Claim struct {
	// Able reports that the owner can log in, and that the host's file has no owner or is the owner's.
	Able bool
	// State is the outcome, and Repeats the number of consecutive outcomes that were the same.
	State   model.State
	Repeats int
	// Inputs are what the outcome depended on. RetryAt is when to retry while they stay the same.
	Inputs  string
	RetryAt time.Time
}

// after returns the claim after another attempt. A host that is unreachable reports nothing about who can log in to it.
func (c Claim) after(outcome model.Outcome, inputs string, now time.Time, random float64) Claim {
	next := Claim{Able: c.Able, State: outcome.State, Repeats: 1, Inputs: inputs}
	if c.State == outcome.State {
		next.Repeats = c.Repeats + 1
	}
	if able := reason.Of(outcome.State).Claim; able != reason.NotKnown {
		next.Able = able == reason.Able
	}
	next.RetryAt = now.Add(waitAfter(outcome, next.Repeats, random))
	return next
}

// HoldOff returns how long not to try the owner's Secret.
func (c Claim) HoldOff(inputs string, now time.Time) time.Duration {
	if c.Inputs != inputs {
		return 0
	}
	return max(0, c.RetryAt.Sub(now))
}

// Able returns the owners that can log in to the host.
func (r Host) Able() map[spec.Owner]bool {
	able := map[spec.Owner]bool{}
	for owner, claim := range r.Claims {
		able[owner] = claim.Able
	}
	return able
}

// IsContested reports whether other owners that name the host may try to log in to it: its current owner was tried and cannot.
func (r Host) IsContested() bool {
	claim, tried := r.Claims[r.Wanted.Login.Secret]
	return tried && !claim.Able && len(r.Wanted.Rivals) > 0
}

// LookAs returns the task to check a host as an owner that does not have it. The task changes nothing.
func LookAs(host desired.Host, objects []*v1alpha1.EdgeLoadBalancer) *Task {
	host.Suspend = true
	return &Task{Host: host, Objects: membersOf(host, objects)}
}

// Try records the result of a login with an owner's Secret.
func (r *Host) Try(a Attempt, now time.Time, random float64) {
	owner := a.Task.Host.Login.Secret
	claims := maps.Clone(r.Claims)
	if claims == nil {
		claims = map[spec.Owner]Claim{}
	}
	claims[owner] = claims[owner].after(a.Outcome, a.Task.Inputs, now, random)
	r.Claims = claims
}

// claimsOf returns the claims of the owners that still name the host.
func (r Host) claimsOf(host desired.Host) map[spec.Owner]Claim {
	claims := map[spec.Owner]Claim{}
	for _, owner := range append([]spec.Owner{host.Login.Secret}, host.Rivals...) {
		if claim, found := r.Claims[owner]; found {
			claims[owner] = claim
		}
	}
	return claims
}
