{{- /*
The objects are those of config/, whose files `make manifests` copies to files/. "system" is the operator's namespace there, and
no name has a prefix. What is in these templates is how they differ by release and values.
*/}}

{{- define "edgelb.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride }}
{{- else if contains "edgelb" .Release.Name }}{{ .Release.Name }}
{{- else }}{{ printf "%s-edgelb" .Release.Name | trunc 53 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- /*
edgelb.name is the name of an object in this release. One outside of the release's namespace also has that namespace in its name,
so that releases of the same name in two namespaces have their own; those in edgelb-system are called as in config/. The names for
the lease are the same in every release: all releases of a namespace would share the lease, and only one would work. So Helm refuses
the second.
*/}}
{{- define "edgelb.name" -}}
{{- $name := trimPrefix "edgelb-" .name }}
{{- if hasPrefix "leader-election-" $name }}edgelb-{{ $name }}
{{- else if or .local (eq .root.Release.Namespace "edgelb-system") }}{{ include "edgelb.fullname" .root }}-{{ $name }}
{{- else }}{{ include "edgelb.fullname" .root }}-{{ $name }}:{{ .root.Release.Namespace }}
{{- end }}
{{- end }}

{{- define "edgelb.serviceAccountName" -}}
{{- if .Values.serviceAccount.name }}{{ .Values.serviceAccount.name }}
{{- else if .Values.serviceAccount.create }}{{ include "edgelb.fullname" . }}-controller-manager
{{- else }}default
{{- end }}
{{- end }}

{{- define "edgelb.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: edgelb
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- /*
edgelb.object is an object of config/ as this release has it: its name, namespace and labels, the role that it binds, and to whom.
*/}}
{{- define "edgelb.object" -}}
{{- $root := .root }}
{{- $metadata := .object.metadata }}
{{- $local := eq "system" (default "" $metadata.namespace) }}
{{- if eq .object.kind "ServiceAccount" }}
{{- $_ := set $metadata "name" (include "edgelb.serviceAccountName" $root) }}
{{- else if ne .object.kind "CustomResourceDefinition" }}
{{- $_ := set $metadata "name" (include "edgelb.name" (dict "root" $root "name" $metadata.name "local" $local)) }}
{{- end }}
{{- if $local }}{{ $_ := set $metadata "namespace" $root.Release.Namespace }}{{ end }}
{{- $labels := include "edgelb.labels" $root | fromYaml }}
{{- $_ := set $metadata "labels" (merge (default dict $metadata.labels) $labels (default dict $root.Values.commonLabels)) }}
{{- with .object.roleRef }}
{{- $_ := set . "name" (include "edgelb.name" (dict "root" $root "name" .name "local" (and $local (eq .kind "Role")))) }}
{{- end }}
{{- range .object.subjects }}
{{- $_ := set . "name" (include "edgelb.serviceAccountName" $root) }}
{{- $_ := set . "namespace" $root.Release.Namespace }}
{{- end }}
---
{{ toYaml .object }}
{{ end }}

{{- define "edgelb.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}
{{- else }}{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end }}
{{- end }}
{{- end }}

{{- /* edgelb.args are the flags that follow from the values, as a YAML list. */}}
{{- define "edgelb.args" -}}
{{- $args := list }}
{{- with .Values.watchNamespaces }}{{ $args = append $args (printf "--watch-namespaces=%s" (join "," .)) }}{{ end }}
{{- if .Values.allowCrossNamespaceServices }}{{ $args = append $args "--allow-cross-namespace-services" }}{{ end }}
{{- with .Values.clusterID }}{{ $args = append $args (printf "--cluster-id=%s" .) }}{{ end }}
{{- with .Values.metrics }}
{{- if eq (int .port) 8081 }}{{ fail "metrics.port: the probes have port 8081: choose another one" }}{{ end }}
{{- if not .enabled }}{{ $args = append $args "--metrics-bind-address=0" }}
{{- else if ne (int .port) 8443 }}{{ $args = append $args (printf "--metrics-bind-address=:%d" (int .port)) }}{{ end }}
{{- if not .secure }}{{ $args = append $args "--metrics-secure=false" }}{{ end }}
{{- end }}
{{- with .Values.log }}
{{- with .level }}{{ $args = append $args (printf "--zap-log-level=%v" .) }}{{ end }}
{{- with .encoder }}{{ $args = append $args (printf "--zap-encoder=%s" .) }}{{ end }}
{{- with .timeEncoding }}{{ $args = append $args (printf "--zap-time-encoding=%s" .) }}{{ end }}
{{- with .stacktraceLevel }}{{ $args = append $args (printf "--zap-stacktrace-level=%s" .) }}{{ end }}
{{- end }}
{{- toYaml (concat $args (default list .Values.extraArgs)) }}
{{- end }}

{{- /*
edgelb.memoryGoal is the GOMEMLIMIT for a memory limit, in MiB: 55/64 of it, as 440 MiB are of 512. Empty without a limit.
*/}}
{{- define "edgelb.memoryGoal" -}}
{{- with (default dict (default dict .Values.resources).limits).memory }}
{{- $text := . | toString }}
{{- if not (kindIs "string" .) }}{{ $text = printf "%.0f" (float64 .) }}{{ end }}
{{- $unit := regexFind "[A-Za-z]*$" $text }}
{{- $kilo := ternary 1024.0 1000.0 (hasSuffix "i" $unit) }}
{{- $bytes := trimSuffix $unit $text | float64 }}
{{- range until (get (dict "" 0 "k" 1 "K" 1 "M" 2 "G" 3 "T" 4) (trimSuffix "i" $unit) | int) }}
{{- $bytes = mulf $bytes $kilo }}
{{- end }}
{{- $goal := floor (divf (mulf $bytes 55.0) 67108864.0) }}
{{- if lt $goal 32.0 }}
{{- fail (printf "resources.limits.memory: %s is too little for the operator: set 64Mi or more" $text) }}
{{- end }}
{{- printf "%.0fMiB" $goal }}
{{- end }}
{{- end }}
