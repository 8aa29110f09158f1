package spec

import (
	"reflect"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/model"
)

func ownerOf(namespace, secret string) Owner { return Owner{Namespace: namespace, Name: secret} }

// byOwner returns an object of that namespace and Secret.
func byOwner(owner Owner, hosts ...v1alpha1.HostStatus) *v1alpha1.EdgeLoadBalancer {
	return &v1alpha1.EdgeLoadBalancer{
		ObjectMeta: metav1.ObjectMeta{Namespace: owner.Namespace, Name: "web"},
		Spec:       v1alpha1.EdgeLoadBalancerSpec{SSH: v1alpha1.SSH{SecretRef: v1alpha1.SecretReference{Name: owner.Name}}},
		Status:     v1alpha1.EdgeLoadBalancerStatus{Hosts: hosts},
	}
}

// Who names a host first proves nothing: what the operator itself has seen counts more.
func TestAHostBelongsToWhoeverCanLogInThenToWhomItServes(t *testing.T) {
	t.Parallel()
	const address = "gw1.example.com"
	key := model.NewHostID(address, 22)
	older, younger := ownerOf("a", "ssh"), ownerOf("b", "ssh")
	status := func(state v1alpha1.HostState, generation int64) v1alpha1.HostStatus {
		return v1alpha1.HostStatus{Address: address, Port: 22, State: state, ObservedGeneration: generation}
	}
	serves, served, named := status(v1alpha1.HostSynced, 3), status(v1alpha1.HostPending, 3), status(v1alpha1.HostPending, 0)
	unreachable, foreign := status(v1alpha1.HostUnreachable, 3), status(v1alpha1.HostSynced, 3)
	foreign.Port = 2222
	for name, test := range map[string]struct {
		older, younger []v1alpha1.HostStatus
		able           []Owner
		want           Owner
	}{
		"nothing is known":                                      {want: older},
		"the older has logged in":                               {able: []Owner{older}, want: older},
		"the younger has logged in":                             {able: []Owner{younger}, want: younger},
		"both have logged in":                                   {able: []Owner{older, younger}, want: older},
		"it serves the younger":                                 {younger: []v1alpha1.HostStatus{serves}, want: younger},
		"it served the younger once":                            {younger: []v1alpha1.HostStatus{served}, want: younger},
		"it served the younger once and serves the older":       {[]v1alpha1.HostStatus{serves}, []v1alpha1.HostStatus{served}, nil, older},
		"it served the older once and serves the younger":       {[]v1alpha1.HostStatus{served}, []v1alpha1.HostStatus{serves}, nil, younger},
		"it serves both":                                        {[]v1alpha1.HostStatus{serves}, []v1alpha1.HostStatus{serves}, nil, older},
		"it is away, and has served the younger":                {younger: []v1alpha1.HostStatus{unreachable}, want: younger},
		"the younger only named it":                             {younger: []v1alpha1.HostStatus{named}, want: older},
		"another port of the address serves the younger":        {younger: []v1alpha1.HostStatus{foreign}, want: older},
		"it serves the older, and the younger has logged in":    {[]v1alpha1.HostStatus{serves}, nil, []Owner{younger}, younger},
		"the younger's status names it after another host":      {younger: []v1alpha1.HostStatus{foreign, serves}, want: younger},
		"it served the younger once, and the older logged in":   {younger: []v1alpha1.HostStatus{served}, able: []Owner{older}, want: older},
		"it serves the younger, and somebody else can log in":   {younger: []v1alpha1.HostStatus{serves}, able: []Owner{ownerOf("c", "ssh")}, want: younger},
		"both served it once: the age decides":                  {[]v1alpha1.HostStatus{served}, []v1alpha1.HostStatus{served}, nil, older},
		"both can log in, and it serves the younger":            {younger: []v1alpha1.HostStatus{serves}, able: []Owner{older, younger}, want: younger},
		"both can log in, and it once served the younger":       {younger: []v1alpha1.HostStatus{served}, able: []Owner{older, younger}, want: younger},
		"the older is pending in its first generation, as both": {[]v1alpha1.HostStatus{named}, []v1alpha1.HostStatus{named}, nil, older},
	} {
		able := map[Owner]bool{}
		for _, owner := range test.able {
			able[owner] = true
		}

		got := OwnersOf([]*v1alpha1.EdgeLoadBalancer{byOwner(older, test.older...), byOwner(younger, test.younger...)}, key, able)

		if len(got) != 2 || got[0] != test.want {
			t.Errorf("%s: got %v, want %v first", name, got, test.want)
		}
	}
}

func TestObjectsOfOneNamespaceAndSecretAreOneOwner(t *testing.T) {
	t.Parallel()
	one, sameSecret, otherNamespace := ownerOf("a", "ssh"), ownerOf("a", "other"), ownerOf("b", "ssh")
	objects := []*v1alpha1.EdgeLoadBalancer{byOwner(one), byOwner(sameSecret), byOwner(one), byOwner(otherNamespace), byOwner(one)}
	if got, want := OwnersOf(objects, model.NewHostID("gw1", 22), nil), []Owner{one, sameSecret, otherNamespace}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := OwnersOf(nil, model.NewHostID("gw1", 22), nil); len(got) > 0 {
		t.Errorf("a host without objects has the owners %v", got)
	}
	if got := NameOf(objects[3]); got.Namespace != "b" || got.Name != "web" {
		t.Errorf("the name is %v", got)
	}
}

// Of several objects of an owner, the one that the host serves counts.
func TestAnOwnersBestObjectCounts(t *testing.T) {
	t.Parallel()
	const address = "192.0.2.7"
	older, younger := ownerOf("a", "ssh"), ownerOf("b", "ssh")
	serves := v1alpha1.HostStatus{Address: address, Port: 22, State: v1alpha1.HostSynced, ObservedGeneration: 1}
	for _, objects := range [][]*v1alpha1.EdgeLoadBalancer{
		{byOwner(older), byOwner(younger), byOwner(younger, serves)},
		{byOwner(older), byOwner(younger, serves), byOwner(younger)},
	} {
		if got := OwnersOf(objects, model.NewHostID(address, 22), nil); got[0] != younger {
			t.Errorf("got %v, want %v first", got, younger)
		}
	}
}
