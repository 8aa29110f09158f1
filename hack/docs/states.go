package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/edgelb/edgelb/internal/model/reason"
	"github.com/edgelb/edgelb/internal/status/eventhelp"
)

const statesHead = `# States, conditions, reasons and events

` + "`kubectl describe elb`" + ` shows the conditions of an object, the state of each of its hosts, and events. The message beside each is more
exact than this page: it begins with what failed and ends with what to do. [Troubleshooting](../troubleshooting.md) goes by symptoms.

## Conditions

Each is always present. Programs that wait for an object, such as ` + "`kubectl wait`" + ` and those that use kstatus, need Ready, Reconciling
and Stalled only.

| condition | good | what that means |
| --- | --- | --- |
`

const eventsHead = `
## Events

A state or reason that has *a warning event* is reported once when it begins. Besides these there are:

| event | type | cause | what to do |
| --- | --- | --- | --- |
`

func states() (string, error) {
	var b strings.Builder
	b.WriteString(statesHead)
	for _, condition := range reason.Conditions {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", condition.Type, condition.Good, condition.Means)
	}
	b.WriteString("\n## States of a host\n\n`status.hosts[].state`. A state is also the reason of `HostsSynced` and `Ready` if all hosts that are not synced have it.\n")
	if err := writeKinds(&b, func(k reason.Kind) bool { return k.State }); err != nil {
		return "", err
	}
	for _, condition := range reason.Conditions {
		of := func(k reason.Kind) bool { return !k.State && k.Condition == condition.Type }
		if !anyOf(of) {
			continue
		}
		fmt.Fprintf(&b, "\n## Reasons of %s\n", condition.Type)
		if err := writeKinds(&b, of); err != nil {
			return "", err
		}
	}
	b.WriteString(eventsHead)
	for _, event := range eventhelp.All {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", event.Reason, event.Kind, event.Cause, event.Remedy)
	}
	return b.String(), nil
}

func anyOf(of func(reason.Kind) bool) bool {
	for _, kind := range reason.All() {
		if of(kind) {
			return true
		}
	}
	return false
}

func writeKinds(b *strings.Builder, of func(reason.Kind) bool) error {
	for _, kind := range reason.All() {
		if !of(kind) {
			continue
		}
		help, found := reason.HelpOf[kind.Name]
		if !found {
			return fmt.Errorf("%s has no cause and remedy: add them to internal/model/reason/help.go", kind.Name)
		}
		fmt.Fprintf(b, "\n### %s\n\n%s\n\n**What to do:** %s\n", kind.Name, help.Cause, help.Remedy)
		if follows := consequences(kind); follows != "" {
			fmt.Fprintf(b, "\n*%s.*\n", follows)
		}
	}
	return nil
}

// short is a duration without the units that are 0.
func short(d time.Duration) string {
	if d%time.Minute == 0 {
		return strings.TrimSuffix(d.String(), "0s")
	}
	return d.String()
}

// consequences says what the operator does by itself: retries, and a warning event.
func consequences(kind reason.Kind) string {
	var all []string
	switch {
	case kind.State && kind.Retry.First == kind.Retry.Longest:
		all = append(all, "The host is checked every "+short(kind.Retry.First))
	case kind.State:
		all = append(all, "The host is retried after "+short(kind.Retry.First)+", later after up to "+short(kind.Retry.Longest))
	case kind.Actor == reason.Person:
		all = append(all, "Nothing changes until a person acts")
	}
	switch kind.Event {
	case reason.OfHost:
		all = append(all, "a warning event for each host")
	case reason.OfObject:
		all = append(all, "a warning event")
	case reason.NoEvent:
	}
	text := strings.Join(all, "; ")
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
