{{/* The chart's name, for labels. */}}
{{- define "regnant.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* The prefix of all names; short enough for every suffix that is put behind it. */}}
{{- define "regnant.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "regnant.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "regnant.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The prefix of names outside any namespace, where two releases of one name would meet. */}}
{{- define "regnant.clusterName" -}}
{{- printf "%s.%s" .Release.Namespace (include "regnant.fullname" .) -}}
{{- end -}}

{{/* Labels of every object; call with (dict "root" $ "component" "operator"). */}}
{{- define "regnant.labels" -}}
{{ include "regnant.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: regnant
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Labels that tell one component's pods from all others; they never change. */}}
{{- define "regnant.selectorLabels" -}}
app.kubernetes.io/name: {{ include "regnant.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Labels of pods: nothing that a mere upgrade of the chart changes, which would restart them. */}}
{{- define "regnant.podLabels" -}}
{{ include "regnant.selectorLabels" . }}
app.kubernetes.io/part-of: regnant
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "regnant.serviceAccountName" -}}
{{- if .Values.operator.serviceAccount.create -}}
{{- .Values.operator.serviceAccount.name | default (printf "%s-operator" (include "regnant.fullname" .)) -}}
{{- else -}}
{{- .Values.operator.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* One of the project's images; call with (dict "root" $ "image" .Values.router.image). */}}
{{- define "regnant.image" -}}
{{- $registry := .image.registry | default .root.Values.image.registry -}}
{{- $tag := .image.tag | default .root.Values.image.tag | default .root.Chart.AppVersion -}}
{{- include "regnant.imageReference" (dict "registry" $registry "repository" .image.repository "tag" $tag "digest" .image.digest) -}}
{{- end -}}

{{- define "regnant.imageReference" -}}
{{- $name := .repository -}}
{{- if .registry -}}{{- $name = printf "%s/%s" (trimSuffix "/" .registry) .repository -}}{{- end -}}
{{- if .digest -}}{{ $name }}@{{ .digest }}{{- else -}}{{ $name }}:{{ .tag }}{{- end -}}
{{- end -}}

{{- define "regnant.registryName" -}}
{{- printf "%s-registry" (include "regnant.fullname" .) -}}
{{- end -}}

{{/* The store that bundles go to: the user's own, or the embedded registry. */}}
{{- define "regnant.storeURI" -}}
{{- if .Values.store.uri -}}
{{- .Values.store.uri -}}
{{- else if .Values.registry.enabled -}}
{{- printf "oci://%s.%s.svc:%v/models" (include "regnant.registryName" .) .Release.Namespace .Values.registry.service.port -}}
{{- else -}}
{{- fail "store.uri: name a registry, as oci://HOST[:PORT]/PREFIX, or leave registry.enabled true" -}}
{{- end -}}
{{- end -}}

{{- define "regnant.storePlainHTTP" -}}
{{- if or .Values.store.plainHTTP (not .Values.store.uri) -}}true{{- end -}}
{{- end -}}

{{/* Peers of a NetworkPolicy that the watched namespaces' own pods match. */}}
{{- define "regnant.watchedNamespaces" -}}
{{- if .Values.watchNamespaces -}}
matchExpressions:
  - key: kubernetes.io/metadata.name
    operator: In
    values:
      {{- toYaml .Values.watchNamespaces | nindent 6 }}
{{- else -}}
{}
{{- end -}}
{{- end -}}

{{/* What the operator does in the namespaces of the models. */}}
{{- define "regnant.operatorRules" -}}
- apiGroups: [regnant.dev]
  resources: [trainingpipelines, inferenceservices]
  verbs: [get, list, watch]
- apiGroups: [regnant.dev]
  resources: [modelversions]
  verbs: [get, list, watch, create, patch]
- apiGroups: [regnant.dev]
  resources: [trainingpipelines/status, modelversions/status, inferenceservices/status]
  verbs: [patch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services, configmaps]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
# An annotation on a router's pod makes the kubelet bring its new configuration at once.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch]
# The last stage that a training run reported.
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
# What the kubelet says of a pod whose volumes cannot be mounted stands in Events alone.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, list]
{{- end -}}

{{/*
How Prometheus reads an endpoint: the values that a ServiceMonitor and a PodMonitor share.
*/}}
{{- define "regnant.scraping" -}}
{{- with .interval -}}
interval: {{ . }}
{{ end }}
{{- with .scrapeTimeout -}}
scrapeTimeout: {{ . }}
{{ end }}
{{- with .relabelings -}}
relabelings:
  {{- toYaml . | nindent 2 }}
{{ end }}
{{- with .metricRelabelings -}}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
