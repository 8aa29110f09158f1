package main

import (
	"flag"
	"fmt"
	"strings"

	"github.com/edgelb/edgelb/internal/operator"
)

const flagsHead = `# Flags

The flags of the operator are ` + "`args`" + ` in [config/manager/manager.yaml](../../config/manager/manager.yaml). The operator reads no
configuration file. Of its environment, it reads ` + "`GOMEMLIMIT`, `HTTPS_PROXY`, `NO_PROXY`" + ` and ` + "`KUBECONFIG`" + ` as other programs for Kubernetes do, and
` + "`POD_UID`" + `, the UID of its pod, so that an operator that is started again in its pod has its lease at once. ` + "`GOGC`" + ` sets how much the heap may grow between
two garbage collections; without it the operator adjusts that to its size.

| flag | default | what it does |
| --- | --- | --- |
`

func flags() string {
	var b strings.Builder
	b.WriteString(flagsHead)
	var values operator.Flags
	set := flag.NewFlagSet("manager", flag.ContinueOnError)
	values.AddTo(set)
	set.VisitAll(func(f *flag.Flag) {
		value := f.DefValue
		if value != "" {
			value = "`" + value + "`"
		}
		usage := strings.Join(strings.Fields(f.Usage), " ")
		fmt.Fprintf(&b, "| `--%s` | %s | %s |\n", f.Name, value, strings.ReplaceAll(usage, "|", `\|`))
	})
	return b.String()
}
