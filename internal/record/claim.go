package record

import (
	"maps"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/model/reason"
)

// Claim is how it last went when an owner's Secret was used to log in to the host.
type Claim struct {
	// Able says that the owner can log in, and that the host's file is free or the owner's.
	Able bool
	// State is the outcome, and Repeats counts those in a row that were the same.
	State   model.State
	Repeats int
	// Inputs are what the outcome depended on, and RetryAt is when to try again as long as they are the same.
	Inputs  string
	RetryAt time.Time
}

// after is the claim after another attempt. A host that is away says nothing of who can log in to it.
func (c Claim) after(outcome model.Outcome, inputs string, now time.Time, random float64) Claim {
	next := Claim{Able: c.Able, State: outcome.State, Repeats: 1, Inputs: inputs}
	if c.State == outcome.State {
		next.Repeats = c.Repeats + 1
	}
	if said := reason.Of(outcome.State).Claim; said != reason.NotKnown {
		next.Able = said == reason.Able
	}
	next.RetryAt = now.Add(waitAfter(outcome, next.Repeats, random))
	return next
}

// HoldOff is how long not to try the owner's Secret.
func (c Claim) HoldOff(inputs string, now time.Time) time.Duration {
	if c.Inputs != inputs {
		return 0
	}
	return max(0, c.RetryAt.Sub(now))
}

// Able are the owners that can log in to the host.
func (r Host) Able() map[desired.Owner]bool {
	able := map[desired.Owner]bool{}
	for owner, claim := range r.Claims {
		able[owner] = claim.Able
	}
	return able
}

// IsContested reports whether others who name the host may try to log in to it: the owner that it is kept for was tried and cannot.
func (r Host) IsContested() bool {
	claim, tried := r.Claims[r.Wanted.Login.Secret]
	return tried && !claim.Able && len(r.Wanted.Rivals) > 0
}

// LookAs is the job to look at a host, and to change nothing, as an owner that it is not kept for.
func LookAs(host desired.Host, objects []*v1alpha1.EdgeLoadBalancer) *Task {
	host.Suspend = true
	return &Task{Host: host, Objects: membersOf(host, objects)}
}

// Try notes how an attempt to log in with an owner's Secret went.
func (r *Host) Try(a Attempt, now time.Time, random float64) {
	owner := a.Task.Host.Login.Secret
	claims := maps.Clone(r.Claims)
	if claims == nil {
		claims = map[desired.Owner]Claim{}
	}
	claims[owner] = claims[owner].after(a.Outcome, a.Task.Inputs, now, random)
	r.Claims = claims
}

// claimsOf are the claims of the owners that name the host still.
func (r Host) claimsOf(host desired.Host) map[desired.Owner]Claim {
	claims := map[desired.Owner]Claim{}
	for _, owner := range append([]desired.Owner{host.Login.Secret}, host.Rivals...) {
		if claim, found := r.Claims[owner]; found {
			claims[owner] = claim
		}
	}
	return claims
}
