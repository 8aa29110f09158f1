// Command manager is the edgelb operator: it keeps the HAProxy hosts outside of a cluster in line with its EdgeLoadBalancers.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/edgelb/edgelb/internal/logging"
	"github.com/edgelb/edgelb/internal/operator"
)

// gcPercent makes the garbage collector start earlier than Go's default of 100: much of the operator's memory is the stacks of its
// connections, which count double there. It costs a few percent of the time. GOGC overrides it.
const gcPercent = 50

func main() {
	var flags operator.Flags
	flags.AddTo(flag.CommandLine)
	flag.Parse()
	if flags.Version {
		fmt.Println(operator.Version())
		return
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctrl.SetLogger(logging.New(&flags.Log))
	if err := operator.Run(ctrl.SetupSignalHandler(), flags); err != nil {
		ctrl.Log.Error(err, "The operator ended")
		os.Exit(1)
	}
}
