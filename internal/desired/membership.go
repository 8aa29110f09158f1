package desired

import (
	"fmt"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/desired/spec"
	"github.com/edgelb/edgelb/internal/desired/spec/targets"
)

// membership is one object's membership in a host: the object, the entry of its spec.hosts and its index there, and its targets.
type membership struct {
	object  *v1alpha1.EdgeLoadBalancer
	host    *v1alpha1.Host
	entry   int
	targets *targets.Targets
}

func (m membership) name() types.NamespacedName {
	return spec.NameOf(m.object)
}

func (m membership) problem(reason, format string, args ...any) Problem {
	return Problem{Object: m.name(), Reason: reason, Message: fmt.Sprintf(format, args...)}
}

func (m membership) targetProblem(target, format string, args ...any) Problem {
	problem := m.problem(v1alpha1.ReasonTargetInvalid, format, args...)
	problem.Target = target
	return problem
}
