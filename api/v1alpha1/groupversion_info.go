// Package v1alpha1 is the contract with edgelb's users: the EdgeLoadBalancer, the EdgePolicy, the reasons and conditions of its status,
// and the rules that the API server applies before the operator ever sees an object.
//
// +kubebuilder:object:generate=true
// +groupName=edgelb.io
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the API group and version of every type in this package.
var GroupVersion = schema.GroupVersion{Group: "edgelb.io", Version: "v1alpha1"}

// AddToScheme registers the types of this package.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, &EdgeLoadBalancer{}, &EdgeLoadBalancerList{}, &EdgePolicy{}, &EdgePolicyList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
