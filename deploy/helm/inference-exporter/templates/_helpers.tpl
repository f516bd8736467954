{{- define "inference-exporter.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "inference-exporter.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "inference-exporter.labels" -}}
{{ include "inference-exporter.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "inference-exporter.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "inference-exporter.usesApi" -}}
{{- if or .Values.discovery.enabled .Values.leaderElection.enabled }}true{{ end }}
{{- end }}

{{- /* What a volume for the state is asked for with. */}}
{{- define "inference-exporter.claim" -}}
accessModes: [ReadWriteOnce]
resources: {requests: {storage: {{ .Values.persistence.size }}}}
{{- with .Values.persistence.storageClass }}
storageClassName: {{ . }}
{{- end }}
{{- end }}

{{- define "inference-exporter.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "inference-exporter.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- /* A Prometheus operator resource's labels: ours, and those that its selector asks for. */}}
{{- define "inference-exporter.monitorLabels" -}}
{{ include "inference-exporter.labels" .root }}
{{- with .labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "inference-exporter.asksForCertificate" -}}
{{- with .Values.web.tlsConfig }}{{ if or .cert .certFile }}true{{ end }}{{ end }}
{{- end }}

{{- /* How the kubelet checks a path. It trusts any certificate, but has no credentials. */}}
{{- define "inference-exporter.check" -}}
{{- if or .root.Values.web.basicAuth (include "inference-exporter.asksForCertificate" .root) -}}
tcpSocket: {port: metrics}
{{- else -}}
httpGet: {path: {{ .path }}, port: metrics{{ if eq .root.Values.web.scheme "https" }}, scheme: HTTPS{{ end }}}
{{- end }}
{{- end }}

{{- /* What a web server requires of Prometheus. */}}
{{- define "inference-exporter.client" -}}
{{- with .tlsConfig }}
tlsConfig: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .basicAuth }}
basicAuth: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
