// The demo starts a complete edge on this machine and shows it: a Kubernetes API server, two edge hosts, a Service with two
// pods, and the operator. With -pair, the hosts share virtual addresses, and fail over.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/failover"
)

func main() {
	once := flag.Bool("once", false, "end when everything was shown, and fail if a step failed")
	image := flag.String("image", "", "folder of an unpacked image: run its operator instead of this repository's, as a pod (takes root)")
	pair := flag.Bool("pair", false, "show a pair of hosts that fail over (takes root)")
	flag.Parse()
	if err := enter(*pair); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	d := &demo{image: *image}
	var shown show = &edge{demo: d}
	if *pair {
		shown = &couple{demo: d}
	}
	if err := d.run(ctx, shown, *once); err != nil {
		fmt.Fprintln(os.Stderr, "the demo failed:", err)
		os.Exit(1)
	}
}

// enter enters the lab, unless what is needed for the pair is missing.
func enter(pair bool) error {
	if pair {
		if err := failover.Possible(); err != nil {
			return fmt.Errorf("the pair cannot be shown: %w", err)
		}
	}
	return lab.Enter()
}
