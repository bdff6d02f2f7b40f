{{- /*
The tiers of gateways, as a list in which each has a name and values of its own: `gateway` alone, or,
with `loadBalancing`, `front` that takes spans in before it.
*/ -}}
{{- define "spangate.tiers" -}}
{{- $chart := dict "Name" .Chart.Name "Version" .Chart.Version "AppVersion" .Chart.AppVersion -}}
{{- $release := pick .Release "Name" "Namespace" "Service" -}}
{{- $tiers := list -}}
{{- if .Values.loadBalancing.enabled -}}
{{- $tiers = append $tiers (dict "tier" "front" "Values" (include "spangate.front.values" . | fromYaml)) -}}
{{- $tiers = append $tiers (dict "tier" "gateway" "Values" (include "spangate.back.values" . | fromYaml)) -}}
{{- else -}}
{{- $tiers = append $tiers (dict "tier" "gateway" "Values" .Values) -}}
{{- end -}}
{{- range $tiers }}
{{ merge . (dict "Chart" $chart "Release" $release) | list | toYaml }}
{{- end -}}
{{- end -}}

{{- /* The name of a tier's objects; what is added keeps within the 52 characters of a workload. */ -}}
{{- define "spangate.tier.fullname" -}}
{{- if eq .tier "front" -}}
{{- include "spangate.fullname" . | trunc 46 | trimSuffix "-" }}-front
{{- else -}}
{{- include "spangate.fullname" . -}}
{{- end -}}
{{- end -}}

{{- /* The tier that senders reach, and that is scaled. */ -}}
{{- define "spangate.entry" -}}
{{- ternary "front" "gateway" .Values.loadBalancing.enabled -}}
{{- end -}}

{{- define "spangate.entry.fullname" -}}
{{- include "spangate.tier.fullname" (dict "tier" (include "spangate.entry" .) "Values" .Values "Chart" .Chart "Release" .Release) -}}
{{- end -}}

{{- define "spangate.front.values" -}}
{{- $values := deepCopy .Values -}}
{{- $lb := .Values.loadBalancing -}}
{{- $_ := set $values "config" (include "spangate.front.config" . | fromYaml) -}}
{{- $_ := set $values "replicaCount" $lb.replicaCount -}}
{{- $_ := set $values "resources" (default .Values.resources $lb.resources) -}}
{{- $_ := set $values.mlflow.auth "enabled" false -}}
{{- $_ := set $values.redaction.hmacKey "enabled" (and $values.redaction.hmacKey.enabled (has "redaction" $lb.processors)) -}}
{{- toYaml $values -}}
{{- end -}}

{{- define "spangate.back.values" -}}
{{- $values := deepCopy .Values -}}
{{- $_ := set $values "config" (include "spangate.back.config" . | fromYaml) -}}
{{- $_ := set $values.tenants "enabled" false -}}
{{- $_ := set $values.redaction.hmacKey "enabled" (and $values.redaction.hmacKey.enabled (not (has "redaction" .Values.loadBalancing.processors))) -}}
{{- toYaml $values -}}
{{- end -}}

{{- /* What the first tier runs: the receiver, `loadBalancing.processors`, and the exporter that spreads. */ -}}
{{- define "spangate.front.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $lb := .Values.loadBalancing -}}
{{- $order := $lb.processors -}}
{{- $processors := dict -}}
{{- range $order -}}
{{- $_ := set $processors . (get $config.processors .) -}}
{{- end -}}
{{- if .Values.tenants.enabled -}}
{{- $_ := set $processors "resource/tenant" (include "spangate.front.tenant" . | fromYaml) -}}
{{- $order = append $order "resource/tenant" -}}
{{- end -}}
{{- $pipeline := dict "receivers" (list "otlp") "processors" $order "exporters" (list "loadbalancing") -}}
{{- $service := merge (dict "pipelines" (dict "traces" $pipeline)) (omit $config.service "pipelines") -}}
{{- $exporters := dict "loadbalancing" (include "spangate.front.exporter" . | fromYaml) -}}
{{- $whole := dict "receivers" $config.receivers "processors" $processors "exporters" $exporters "service" $service -}}
{{- toYaml (mergeOverwrite $whole (deepCopy $lb.config)) -}}
{{- end -}}

{{- /* The tenant goes along as an attribute; one that a sender wrote itself does not count. */ -}}
{{- define "spangate.front.tenant" -}}
attributes:
  - {key: spangate.tenant, action: delete}
  - {key: spangate.tenant, action: insert, from_context: auth.tenant}
{{- end -}}

{{- /* Where the certificates between the tiers are mounted. */ -}}
{{- define "spangate.tier.tls" -}}
/etc/spangate/tier-tls
{{- end -}}

{{- /* The first tier gets the second's key only where its owner names the same Secret for both. */ -}}
{{- define "spangate.tier.tls.secret" -}}
{{- $tls := .Values.loadBalancing.tls -}}
{{- if and (eq .tier "front") $tls.mutual.enabled -}}
secretName: {{ $tls.mutual.existingSecret }}
{{- else -}}
secretName: {{ $tls.existingSecret }}
{{- end }}
defaultMode: 0440
{{- if and (eq .tier "front") (not $tls.mutual.enabled) }}
items:
  - key: ca.crt
    path: ca.crt
{{- end }}
{{- end -}}

{{- define "spangate.front.exporter" -}}
resolver:
  dns:
    hostname: {{ include "spangate.fullname" . }}-headless.{{ .Release.Namespace }}.svc
    port: {{ regexFind "[0-9]+$" (include "spangate.back.endpoint" .) }}
{{- if or .Values.loadBalancing.token.existingSecret .Values.loadBalancing.tls.enabled }}
protocol:
  otlp:
    {{- if .Values.loadBalancing.token.existingSecret }}
    headers:
      authorization: Bearer ${env:SPANGATE_TIER_TOKEN}
    {{- end }}
    {{- with .Values.loadBalancing.tls }}
    {{- if .enabled }}
    tls:
      ca_file: {{ include "spangate.tier.tls" $ }}/ca.crt
      # Pods are addressed by their IP addresses, which no certificate names.
      server_name_override: {{ include "spangate.fullname" $ }}-headless.{{ $.Release.Namespace }}.svc
      {{- if .mutual.enabled }}
      cert_file: {{ include "spangate.tier.tls" $ }}/tls.crt
      key_file: {{ include "spangate.tier.tls" $ }}/tls.key
      {{- end }}
    {{- end }}
    {{- end }}
{{- end }}
{{- end -}}

{{- /* Where the second tier listens: as for senders, or beside OTLP/HTTP where gRPC is off. */ -}}
{{- define "spangate.back.endpoint" -}}
{{- $protocols := dig "receivers" "otlp" "protocols" dict .Values.config -}}
{{- with $protocols.grpc -}}
{{- .endpoint -}}
{{- else -}}
{{- regexReplaceAll "[0-9]+$" (dig "http" "endpoint" "0.0.0.0:4318" $protocols) "4317" -}}
{{- end -}}
{{- end -}}

{{- /* What the second tier runs: the configuration without what the first tier did. */ -}}
{{- define "spangate.back.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $done := without .Values.loadBalancing.processors "memory_limiter" -}}
{{- $redacted := false -}}
{{- range $done -}}
{{- $redacted = or $redacted (eq (first (splitList "/" .)) "redaction") -}}
{{- end -}}
{{- range $name, $pipeline := $config.service.pipelines -}}
{{- $left := list -}}
{{- range $pipeline.processors -}}
{{- if not (has . $done) -}}
{{- $left = append $left . -}}
{{- end -}}
{{- end -}}
{{- $_ := set $pipeline "processors" $left -}}
{{- if $redacted -}}
{{- $_ := set $pipeline "redacted_upstream" true -}}
{{- end -}}
{{- end -}}
{{- range $done -}}
{{- $_ := unset $config.processors . -}}
{{- end -}}
{{- $_ := set $config "receivers" (include "spangate.back.receivers" . | fromYaml) -}}
{{- toYaml $config -}}
{{- end -}}

{{- /* Only the first tier may send, and says for whom. */ -}}
{{- define "spangate.back.receivers" -}}
{{- $grpc := omit (dig "receivers" "otlp" "protocols" "grpc" dict .Values.config | default dict) "tls" -}}
otlp:
  protocols:
    grpc:
      {{- set $grpc "endpoint" (include "spangate.back.endpoint" .) | toYaml | nindent 6 }}
      {{- with .Values.loadBalancing.tls }}
      {{- if .enabled }}
      tls:
        cert_file: {{ include "spangate.tier.tls" $ }}/tls.crt
        key_file: {{ include "spangate.tier.tls" $ }}/tls.key
        {{- if .mutual.enabled }}
        client_ca_file: {{ include "spangate.tier.tls" $ }}/ca.crt
        {{- end }}
      {{- end }}
      {{- end }}
{{- if .Values.loadBalancing.token.existingSecret }}
  auth:
    {{- if .Values.tenants.enabled }}
    tenant_attribute: spangate.tenant
    {{- end }}
    tenants:
      - name: spangate-front
        tokens: ["${env:SPANGATE_TIER_TOKEN}"]
        trusted: {{ .Values.tenants.enabled }}
      {{- if .Values.tenants.enabled }}
      {{- range .Values.tenants.list }}
      {{- $basic := dict "username" .name "password" "${env:SPANGATE_TIER_TOKEN}" }}
      {{- $tenant := omit . "key" "tokens" "tokens_file" "client_cert" "quota" "trusted" }}
      {{- set $tenant "basic" $basic | list | toYaml | nindent 6 }}
      {{- end }}
      {{- end }}
{{- end }}
{{- end -}}
