{{- /* The gateway's pod, in a StatefulSet and in a Deployment alike. */ -}}
{{- define "spangate.pod" -}}
metadata:
  annotations:
    checksum/config: {{ include "spangate.config" . | sha256sum }}
    {{- if and .Values.plugins.enabled .Values.plugins.files }}
    checksum/plugins: {{ toJson .Values.plugins.files | sha256sum }}
    {{- end }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  labels:
    {{- include "spangate.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  serviceAccountName: {{ include "spangate.serviceAccountName" . }}
  automountServiceAccountToken: {{ .Values.serviceAccount.automount }}
  enableServiceLinks: false
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  terminationGracePeriodSeconds: {{ include "spangate.gracePeriod" . }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.extraInitContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: gateway
      {{- include "spangate.container" . | nindent 6 }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "spangate.volumes" . | nindent 4 }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- range . }}
    {{- $selector := dict "matchLabels" (include "spangate.selectorLabels" $ | fromYaml) }}
    {{- merge (dict) . (dict "labelSelector" $selector) | list | toYaml | nindent 4 }}
    {{- end }}
  {{- end }}
{{- end -}}

{{- define "spangate.container" -}}
image: {{ include "spangate.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [run, --config, /etc/spangate/config/gateway.yaml]
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
env:
  {{- include "spangate.mlflow.env" . | nindent 2 }}
  {{- if .Values.redaction.hmacKey.enabled }}
  - name: SPANGATE_HMAC_KEY
    valueFrom:
      secretKeyRef:
        name: {{ .Values.redaction.hmacKey.existingSecret }}
        key: {{ .Values.redaction.hmacKey.key }}
  {{- end }}
  {{- if .Values.status.auth.enabled }}
  {{- range $name := list "username" "password" }}
  - name: SPANGATE_STATUS_{{ upper $name }}
    valueFrom:
      secretKeyRef:
        name: {{ $.Values.status.auth.existingSecret }}
        key: {{ get $.Values.status.auth (printf "%sKey" $name) }}
  {{- end }}
  {{- end }}
  {{- if and .Values.loadBalancing.enabled .Values.loadBalancing.token.existingSecret }}
  - name: SPANGATE_TIER_TOKEN
    valueFrom:
      secretKeyRef:
        name: {{ .Values.loadBalancing.token.existingSecret }}
        key: {{ .Values.loadBalancing.token.key }}
  {{- end }}
  - name: POD_NAME
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  - name: POD_IP
    valueFrom:
      fieldRef:
        fieldPath: status.podIP
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  {{- range $name, $port := include "spangate.ports" . | fromYaml }}
  - name: {{ $name }}
    containerPort: {{ $port }}
    protocol: TCP
  {{- end }}
{{- range $probe := list "startupProbe" "livenessProbe" "readinessProbe" }}
{{- with get $.Values $probe }}
{{ $probe }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
lifecycle:
  preStop:
    exec:
      command: [sleep, {{ .Values.shutdown.preStopSeconds | toString | quote }}]
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  - name: config
    mountPath: /etc/spangate/config
    readOnly: true
  - name: data
    mountPath: {{ include "spangate.dataDir" . }}
  - name: tmp
    mountPath: /tmp
  {{- if and .Values.mlflow.auth.enabled (eq .Values.mlflow.auth.type "token") }}
  - name: mlflow-token
    mountPath: /etc/spangate/mlflow
    readOnly: true
  {{- end }}
  {{- if and .Values.tenants.enabled .Values.tenants.existingSecret }}
  - name: tenants
    mountPath: /etc/spangate/tenants
    readOnly: true
  {{- end }}
  {{- if and .Values.loadBalancing.enabled .Values.loadBalancing.tls.enabled }}
  - name: tier-tls
    mountPath: {{ include "spangate.tier.tls" . }}
    readOnly: true
  {{- end }}
  {{- if and .Values.plugins.enabled (or .Values.plugins.files .Values.plugins.existingConfigMap) }}
  - name: plugins
    mountPath: /etc/spangate/plugins
    readOnly: true
  {{- end }}
  {{- if and .Values.plugins.enabled .Values.plugins.packages }}
  - name: plugin-packages
    mountPath: /opt/spangate-plugins
    readOnly: true
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "spangate.volumes" -}}
- name: config
  configMap:
    name: {{ include "spangate.tier.fullname" . }}
- name: tmp
  emptyDir:
    sizeLimit: 256Mi
{{- if not .Values.persistence.enabled }}
- name: data
  emptyDir:
    sizeLimit: {{ .Values.persistence.size }}
{{- end }}
{{- if and .Values.mlflow.auth.enabled (eq .Values.mlflow.auth.type "token") }}
- name: mlflow-token
  secret:
    secretName: {{ .Values.mlflow.auth.existingSecret }}
    defaultMode: 0440
    items:
      - key: {{ .Values.mlflow.auth.tokenKey }}
        path: token
{{- end }}
{{- if and .Values.tenants.enabled .Values.tenants.existingSecret }}
- name: tenants
  secret:
    secretName: {{ .Values.tenants.existingSecret }}
    defaultMode: 0440
{{- end }}
{{- if and .Values.loadBalancing.enabled .Values.loadBalancing.tls.enabled }}
- name: tier-tls
  secret:
    {{- include "spangate.tier.tls.secret" . | nindent 4 }}
{{- end }}
{{- if .Values.plugins.enabled }}
{{- if or .Values.plugins.files .Values.plugins.existingConfigMap }}
- name: plugins
  configMap:
    name: {{ .Values.plugins.existingConfigMap | default (printf "%s-plugins" (include "spangate.fullname" .)) }}
{{- end }}
{{- with .Values.plugins.packages }}
- name: plugin-packages
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
