package listeners

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/haproxy"
)

// The bounds of the API, for an object that did not pass through the API server.
const (
	mostConnections = 1_000_000
	shortestRate    = time.Second
	longestRate     = time.Hour
)

// accessPolicyOf says whose connections a listener accepts. A bound or a network that cannot be parsed is an error: without
// it the listener would accept more than the user wants.
func accessPolicyOf(l *v1alpha1.Listener) (access haproxy.AccessPolicy, err error) {
	if access.AllowedSources, err = networks("allowedSources", l.AllowedSources); err != nil {
		return haproxy.AccessPolicy{}, err
	}
	if access.DeniedSources, err = networks("deniedSources", l.DeniedSources); err != nil {
		return haproxy.AccessPolicy{}, err
	}
	if access.ProxiesFrom, err = networks("acceptProxyProtocolFrom", l.AcceptProxyProtocolFrom); err != nil {
		return haproxy.AccessPolicy{}, err
	}
	if access.ProxiesOnly = l.RequireProxyProtocol; access.ProxiesOnly && len(access.ProxiesFrom) == 0 {
		return haproxy.AccessPolicy{}, errors.New("requireProxyProtocol refuses every client: name load balancers in acceptProxyProtocolFrom")
	}
	if access.MaxConnections, err = limit("maxConnections", l.MaxConnections); err != nil {
		return haproxy.AccessPolicy{}, err
	}
	if l.ConnectionRate != nil {
		access.Rate, err = rateOf(l.ConnectionRate)
	}
	return access, err
}

// networks returns the networks masked, sorted and without duplicates.
func networks(field string, list []v1alpha1.Network) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range list {
		network, err := netip.ParsePrefix(string(text))
		if err != nil || network.Addr().Is4In6() {
			return nil, fmt.Errorf("%s: %q is not a CIDR: write it as in 203.0.113.0/24 or 2001:db8::/32", field, text)
		}
		all = append(all, network.Masked())
	}
	slices.SortFunc(all, netip.Prefix.Compare)
	return slices.Compact(all), nil
}

func rateOf(r *v1alpha1.ConnectionRate) (haproxy.Rate, error) {
	perSource, err := limit("connectionRate.perSource", &r.PerSource)
	if err != nil {
		return haproxy.Rate{}, err
	}
	interval := r.Interval.Duration
	if interval < shortestRate || interval > longestRate {
		return haproxy.Rate{}, fmt.Errorf("connectionRate.interval is %s: choose one between %s and %s", interval, shortestRate, longestRate)
	}
	return haproxy.Rate{PerSource: perSource, Interval: interval}, nil
}

// limit returns a number of connections, or 0 if there is no limit.
func limit(field string, number *int32) (int, error) {
	if number == nil {
		return 0, nil
	}
	if *number < 1 || *number > mostConnections {
		return 0, fmt.Errorf("%s is %d: choose a number between 1 and %d", field, *number, mostConnections)
	}
	return int(*number), nil
}
