{{- /* What a schema cannot say: values that contradict each other. Each message says what to do. */ -}}
{{- define "spangate.check" -}}
{{- $values := .Values -}}
{{- if not (dig "receivers" "otlp" "protocols" dict $values.config) -}}
{{- fail "config.receivers.otlp.protocols is empty: the Service leads to it; name grpc, http or both" -}}
{{- end -}}
{{- if and $values.autoscaling.enabled $values.keda.enabled -}}
{{- fail "autoscaling.enabled and keda.enabled contradict each other: set one of them to false" -}}
{{- end -}}
{{- range $name := list "autoscaling" "keda" -}}
{{- with get $values $name -}}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- fail (printf "%s.minReplicas (%v) is above %s.maxReplicas (%v): raise maxReplicas" $name .minReplicas $name .maxReplicas) -}}
{{- end -}}
{{- if and .enabled (not (dig "requests" "cpu" "" $values.resources)) -}}
{{- fail (printf "%s.enabled needs resources.requests.cpu: CPU use is measured in percent of it" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $values.mlflow.auth.enabled -}}
{{- if not $values.mlflow.auth.existingSecret -}}
{{- fail "mlflow.auth.enabled needs mlflow.auth.existingSecret: the name of the Secret with the credentials" -}}
{{- end -}}
{{- if not (dig "exporters" "mlflow" "" $values.config) -}}
{{- fail "mlflow.auth.enabled needs config.exporters.mlflow: set auth in config for exporters of other names" -}}
{{- end -}}
{{- if dig "exporters" "mlflow" "auth" "" $values.config -}}
{{- fail "config.exporters.mlflow.auth contradicts mlflow.auth.enabled: set one of them" -}}
{{- end -}}
{{- end -}}
{{- if $values.tenants.enabled -}}
{{- if dig "receivers" "otlp" "auth" "tenants" "" $values.config -}}
{{- fail "config.receivers.otlp.auth.tenants contradicts tenants.enabled: move its entries to tenants.list" -}}
{{- end -}}
{{- if not $values.tenants.list -}}
{{- fail "tenants.enabled needs tenants.list: without tenants everybody may send" -}}
{{- end -}}
{{- range $at, $tenant := $values.tenants.list -}}
{{- if and (or $tenant.key (not (or $tenant.tokens $tenant.tokens_file $tenant.basic $tenant.client_cert))) (not $values.tenants.existingSecret) -}}
{{- fail (printf "tenants.list[%d] (%s) needs tenants.existingSecret: the name of the Secret with its tokens" $at $tenant.name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $values.redaction.hmacKey -}}
{{- if and .enabled (not .existingSecret) -}}
{{- fail "redaction.hmacKey.enabled needs redaction.hmacKey.existingSecret: the name of the Secret with the key" -}}
{{- end -}}
{{- if and .enabled (not (hasKey (default dict $values.config.processors) "redaction")) -}}
{{- fail "redaction.hmacKey.enabled needs config.processors.redaction: define it and name it in a pipeline" -}}
{{- end -}}
{{- end -}}
{{- with $values.plugins -}}
{{- if and .enabled .files .existingConfigMap -}}
{{- fail "plugins.files contradicts plugins.existingConfigMap: set one of them" -}}
{{- end -}}
{{- if and .enabled (not (or .files .existingConfigMap .packages)) -}}
{{- fail "plugins.enabled needs plugins.files, plugins.existingConfigMap or plugins.packages" -}}
{{- end -}}
{{- end -}}
{{- $queues := include "spangate.queueMib" . | int -}}
{{- if ge $queues (include "spangate.mib" $values.persistence.size | int) -}}
{{- fail (printf "persistence.size (%s) is too small for queues of %d MiB: raise it, or lower sending_queue.max_size_mib in config.exporters" $values.persistence.size $queues) -}}
{{- end -}}
{{- if and (kindIs "invalid" $values.terminationGracePeriodSeconds) (not (regexMatch "^([0-9]+(\\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$|^0$" (include "spangate.shutdownTimeout" .))) -}}
{{- fail (printf "config.service.shutdown_timeout is %q, from which terminationGracePeriodSeconds cannot be computed: write a duration such as 25s, or set terminationGracePeriodSeconds" (include "spangate.shutdownTimeout" .)) -}}
{{- end -}}
{{- end -}}
