package controllers

import (
	"slices"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/controllers/virtualips"
	wanted "github.com/edgelb/edgelb/internal/desired/virtualips"
	"github.com/edgelb/edgelb/internal/detach"
	"github.com/edgelb/edgelb/internal/host/session"
	"github.com/edgelb/edgelb/internal/index"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
)

// newVirtualIPs returns the controller of keepalived, which uses the connections of the hostReconciler.
func (r *hostReconciler) newVirtualIPs(sync, look virtualips.SyncFunc) *virtualips.Controller {
	return &virtualips.Controller{
		Here: r.Here, Records: r.records, Connection: r.openConnection, Sync: sync, Look: look, Secrets: r.secrets, RulesOf: r.rules.Of,
		Queue: r.virtual, Hosts: r.hostEvents, Objects: r.objects, Now: r.now, Retries: apiRetries[model.HostID](),
	}
}

// openConnection returns the connection that is open to a host for keepalived; nil if there is none.
func (r *hostReconciler) openConnection(key model.HostID, known record.Host) session.Conn {
	login := known.Virtual.Task.Login
	content, found := r.secrets.Last(login.Secret)
	if !found {
		return nil
	}
	if conn := r.connector.Former(key, login, content.Data); conn != nil {
		return conn
	}
	return nil
}

// orderVirtual records what the task wants of keepalived on the host. It reports false if the task must wait, because HAProxy would lose
// listeners while the host may still have the virtual addresses of an object that it is freed from.
func (r *hostReconciler) orderVirtual(seen observed, known record.Host, task *record.Task) bool {
	concerns := task.Host.Virtual.Asked()
	if !concerns && known.Virtual.Task == nil {
		// What this operator does not know of is in the status, which need not be read again once the host was proved.
		if concerns = known.ProvedAt.IsZero() && seen.hadVirtual(); !concerns {
			return true
		}
	}
	var changed bool
	after := r.records.Update(seen.key, func(known *record.Host) { changed = known.Virtual.Order(&task.Host, concerns) })
	if changed {
		r.virtual.Add(seen.key)
	}
	return len(task.Frees) == 0 || after.Virtual.Task == nil || after.Virtual.Left(task.Host.Virtual)
}

// hadVirtual reports whether the host may have got virtual addresses of an object that names it from an earlier operator.
func (o observed) hadVirtual() bool {
	had := func(object *v1alpha1.EdgeLoadBalancer) bool {
		status, _ := index.StatusOf(object, o.key)
		return object.Spec.VirtualIPs != nil || status.VRRPAddress != ""
	}
	return slices.ContainsFunc(o.snapshot.Objects, had) ||
		slices.ContainsFunc(o.detaching, func(d detach.Object) bool { return had(d.EdgeLoadBalancer) })
}

// peerOf returns what is known of a host for the virtual addresses of others.
func (r *hostReconciler) peerOf(key model.HostID) wanted.Peer {
	known := r.records.Get(key)
	return wanted.Peer{Networks: known.Virtual.Networks, ScriptUser: known.Virtual.ScriptUser, Failed: known.Outcome.State != "" && record.Failed(known.Outcome.State)}
}
