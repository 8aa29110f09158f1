// Package lab is a whole edge on one machine: a Kubernetes control plane, edge hosts with a real sshd and a real HAProxy,
// backends that say which client they saw, and clients. Tests, the demo and benchmarks use it.
//
// Everything runs in namespaces of its own, for root and for ordinary users alike. A network namespace, because the API
// server refuses loopback addresses as endpoints and because no packet of a test may reach a real network. A PID
// namespace, because its end takes every process with it, whatever happened before. A mount namespace, because sshd
// wants directories and accounts that the machine may not have. Each edge host has PID and mount namespaces of its own below
// these, so that all can have their files at the same paths.
//
// A test enters the lab in TestMain with Main, a program with Enter; package sandbox does it. The control plane is that of
// package kube; hosts with the init system and the HAProxy of a distribution are those of package debian.
package lab
