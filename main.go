// Command manager is the edgelb operator: it keeps the HAProxy hosts outside of a cluster in line with its EdgeLoadBalancers.
package main

import (
	"flag"
	"fmt"
	"os"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/edgelb/edgelb/internal/headroom"
	"github.com/edgelb/edgelb/internal/logging"
	"github.com/edgelb/edgelb/internal/operator"
)

// Between two garbage collections, the heap may grow by minHeadroom, and by gcPercent of what is in use. The percentage is less than
// Go's default of 100, because much of the operator's memory is the stacks of its connections, which count as well. With few hosts,
// half of what is in use is little, and collections would take a quarter of the operator's time. GOGC overrides both.
const (
	minHeadroom = 16 << 20
	gcPercent   = 50
)

func main() {
	var flags operator.Flags
	flags.AddTo(flag.CommandLine)
	flag.Parse()
	if flags.Version {
		fmt.Println(operator.Version())
		return
	}
	if os.Getenv("GOGC") == "" {
		headroom.Keep(minHeadroom, gcPercent)
	}
	ctrl.SetLogger(logging.New(&flags.Log))
	if err := operator.Run(ctrl.SetupSignalHandler(), flags); err != nil {
		ctrl.Log.Error(err, "The operator ended")
		os.Exit(1)
	}
}
