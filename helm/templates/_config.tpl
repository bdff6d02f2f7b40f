{{- /* The gateway's whole configuration: `config` and what other values add to it. */ -}}
{{- define "spangate.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- if .Values.mlflow.auth.enabled -}}
{{- $_ := set (index $config "exporters" "mlflow") "auth" (include "spangate.config.auth" . | fromYaml) -}}
{{- end -}}
{{- if .Values.tenants.enabled -}}
{{- $receiver := index $config "receivers" "otlp" -}}
{{- $tenants := (include "spangate.config.tenants" . | fromYaml).tenants -}}
{{- $_ := set $receiver "auth" (merge (dict "tenants" $tenants) (default dict $receiver.auth)) -}}
{{- end -}}
{{- if .Values.redaction.hmacKey.enabled -}}
{{- $redaction := merge (dict "hmac_key" "${env:SPANGATE_HMAC_KEY}") (default dict (index $config "processors" "redaction")) -}}
{{- $_ := set (index $config "processors") "redaction" $redaction -}}
{{- end -}}
{{- if .Values.status.auth.enabled -}}
{{- $basic := dict "username" "${env:SPANGATE_STATUS_USERNAME}" "password" "${env:SPANGATE_STATUS_PASSWORD}" -}}
{{- $_ := set $config.service.telemetry.status "auth" (dict "basic" $basic) -}}
{{- end -}}
{{- $_ := set $config "service" (merge (dict "data_dir" (include "spangate.dataDir" .)) (default dict $config.service)) -}}
{{- toYaml $config -}}
{{- end -}}

{{- define "spangate.config.auth" -}}
{{- if eq .Values.mlflow.auth.type "token" -}}
token_file: /etc/spangate/mlflow/token
{{- else -}}
username: ${env:MLFLOW_TRACKING_USERNAME}
password: ${env:MLFLOW_TRACKING_PASSWORD}
{{- end -}}
{{- end -}}

{{- define "spangate.config.tenants" -}}
tenants:
{{- range .Values.tenants.list }}
{{- $tenant := omit . "key" }}
{{- if or .key (not (or .tokens .tokens_file .basic .client_cert)) }}
{{- $_ := set $tenant "tokens_file" (printf "/etc/spangate/tenants/%s" (default .name .key)) }}
{{- end }}
{{ list $tenant | toYaml | indent 2 }}
{{- end }}
{{- end -}}

{{- define "spangate.dataDir" -}}
{{- dig "service" "data_dir" "" .Values.config | default "/var/lib/spangate" -}}
{{- end -}}

{{- define "spangate.shutdownTimeout" -}}
{{- dig "service" "shutdown_timeout" "" .Values.config | toString | default "25s" -}}
{{- end -}}

{{- define "spangate.gracePeriod" -}}
{{- if not (kindIs "invalid" .Values.terminationGracePeriodSeconds) -}}
{{- .Values.terminationGracePeriodSeconds | int64 -}}
{{- else -}}
{{- $timeout := include "spangate.seconds" (include "spangate.shutdownTimeout" .) -}}
{{- add $timeout .Values.shutdown.preStopSeconds .Values.shutdown.marginSeconds -}}
{{- end -}}
{{- end -}}

{{- /* The ports of a pod, as a map of name to number. */ -}}
{{- define "spangate.ports" -}}
{{- $protocols := dig "receivers" "otlp" "protocols" dict .Values.config -}}
{{- range $name, $usual := dict "grpc" 4317 "http" 4318 -}}
{{- if hasKey $protocols $name }}
{{- $path := printf "config.receivers.otlp.protocols.%s.endpoint" $name }}
otlp-{{ $name }}: {{ include "spangate.port" (dict "endpoint" (dig $name "endpoint" "" $protocols) "path" $path "usual" $usual) }}
{{- end }}
{{- end }}
{{- range $name, $usual := dict "metrics" 8888 "status" 13133 }}
{{- $path := printf "config.service.telemetry.%s.endpoint" $name }}
{{ $name }}: {{ include "spangate.port" (dict "endpoint" (dig "service" "telemetry" $name "endpoint" "" $.Values.config) "path" $path "usual" $usual) }}
{{- end }}
{{- end -}}

{{- /* What is spoken at a port, for who looks into it, such as a mesh: with TLS there is nothing to see. */ -}}
{{- define "spangate.appProtocol" -}}
{{- $name := trimPrefix "otlp-" .port -}}
{{- if dig "receivers" "otlp" "protocols" $name "tls" "" .Values.config -}}
https
{{- else -}}
{{- ternary "grpc" "http" (eq $name "grpc") -}}
{{- end -}}
{{- end -}}

{{- /* MiB of an exporter's queue on disk; 0 where it has none. */ -}}
{{- define "spangate.exporterMib" -}}
{{- $queue := dig "sending_queue" dict (default dict .exporter) | default dict -}}
{{- if or (eq (dig "storage" "disk" $queue) "memory") (has (first (splitList "/" .id)) (list "debug" "file")) -}}
0
{{- else -}}
{{- dig "max_size_mib" 1024 $queue -}}
{{- end -}}
{{- end -}}

{{- /* MiB of all queues on disk; a pipeline that gathers traces has one as large as the largest behind it. */ -}}
{{- define "spangate.queueMib" -}}
{{- $total := 0 -}}
{{- $exporters := default dict .Values.config.exporters -}}
{{- range $id, $exporter := $exporters -}}
{{- $total = add $total (include "spangate.exporterMib" (dict "id" $id "exporter" $exporter)) -}}
{{- end -}}
{{- range $pipeline := .Values.config.service.pipelines -}}
{{- if regexMatch "(^|,)tail_sampling(/|,|$)" (join "," (default list $pipeline.processors)) -}}
{{- $largest := 0 -}}
{{- range $id := $pipeline.exporters -}}
{{- $largest = max $largest (include "spangate.exporterMib" (dict "id" $id "exporter" (get $exporters $id)) | int) -}}
{{- end -}}
{{- $total = add $total $largest -}}
{{- end -}}
{{- end -}}
{{- $total -}}
{{- end -}}

{{- /* MiB that dead letters may take. */ -}}
{{- define "spangate.deadLettersMib" -}}
{{- dig "service" "dead_letters" "max_size_mib" 256 .Values.config -}}
{{- end -}}
