{{- define "spangate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* 52 characters leave room for what is added to it, and for the ordinal of a pod. */ -}}
{{- define "spangate.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "spangate.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "spangate.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "spangate.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "spangate.selectorLabels" -}}
app.kubernetes.io/name: {{ include "spangate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: {{ .tier | default "gateway" }}
{{- end -}}

{{- define "spangate.commonLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: spangate
{{- end -}}

{{- define "spangate.labels" -}}
{{ include "spangate.selectorLabels" . }}
{{ include "spangate.commonLabels" . }}
{{- end -}}

{{- define "spangate.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* What is scaled: kind and name. */ -}}
{{- define "spangate.workload" -}}
apiVersion: apps/v1
kind: {{ ternary "StatefulSet" "Deployment" .Values.persistence.enabled }}
name: {{ include "spangate.entry.fullname" . }}
{{- end -}}

{{- define "spangate.scaled" -}}
{{- if or .Values.autoscaling.enabled .Values.keda.enabled -}}true{{- end -}}
{{- end -}}

{{- define "spangate.mlflow.fullname" -}}
{{ include "spangate.fullname" . }}-mlflow
{{- end -}}

{{- define "spangate.mlflow.selectorLabels" -}}
app.kubernetes.io/name: {{ include "spangate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: mlflow
{{- end -}}

{{- define "spangate.test.selectorLabels" -}}
app.kubernetes.io/name: {{ include "spangate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: test
{{- end -}}

{{- define "spangate.trackingUri" -}}
{{- if .Values.bundledMlflow.enabled -}}
http://{{ include "spangate.mlflow.fullname" . }}:5000
{{- else -}}
{{ .Values.mlflow.trackingUri }}
{{- end -}}
{{- end -}}

{{- /* Selects the gateway's own series in Prometheus. */ -}}
{{- define "spangate.series" -}}
namespace="{{ .Release.Namespace }}",pod=~"{{ include "spangate.fullname" . }}-.*"
{{- end -}}

{{- /* Selects the series of the gateways that are scaled. */ -}}
{{- define "spangate.scaled.series" -}}
namespace="{{ .Release.Namespace }}",pod=~"{{ include "spangate.entry.fullname" . }}-.*"
{{- end -}}

{{- /* Reads the credentials for MLflow, for the gateway and for the test. */ -}}
{{- define "spangate.mlflow.env" -}}
- name: MLFLOW_TRACKING_URI
  value: {{ include "spangate.trackingUri" . | quote }}
{{- if and .Values.mlflow.auth.enabled (eq .Values.mlflow.auth.type "basic") }}
- name: MLFLOW_TRACKING_USERNAME
  valueFrom:
    secretKeyRef:
      name: {{ .Values.mlflow.auth.existingSecret }}
      key: {{ .Values.mlflow.auth.usernameKey }}
- name: MLFLOW_TRACKING_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .Values.mlflow.auth.existingSecret }}
      key: {{ .Values.mlflow.auth.passwordKey }}
{{- end }}
{{- end -}}
