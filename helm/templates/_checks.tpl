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
{{- with $values.autoscaling -}}
{{- if and .enabled .targetMemoryUtilizationPercentage (not (dig "requests" "memory" "" $values.resources)) -}}
{{- fail "autoscaling.targetMemoryUtilizationPercentage needs resources.requests.memory: memory use is measured in percent of it" -}}
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
{{- $names := list -}}
{{- range $at, $tenant := $values.tenants.list -}}
{{- if has $tenant.name $names -}}
{{- fail (printf "tenants.list[%d] (%s) has the name of another: give each a name of its own; several tokens of one are lines of its key in the Secret" $at $tenant.name) -}}
{{- end -}}
{{- $names = append $names $tenant.name -}}
{{- if and (or $tenant.key (not (or $tenant.tokens $tenant.tokens_file $tenant.basic $tenant.client_cert))) (not $values.tenants.existingSecret) -}}
{{- fail (printf "tenants.list[%d] (%s) needs tenants.existingSecret: the name of the Secret with its tokens" $at $tenant.name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $values.status.auth.enabled -}}
{{- if not $values.status.auth.existingSecret -}}
{{- fail "status.auth.enabled needs status.auth.existingSecret: the name of the Secret with user and password" -}}
{{- end -}}
{{- if dig "service" "telemetry" "status" "auth" "" $values.config -}}
{{- fail "config.service.telemetry.status.auth contradicts status.auth.enabled: set one of them" -}}
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
{{- include "spangate.check.kubernetes" . -}}
{{- include "spangate.check.components" . -}}
{{- include "spangate.check.addresses" . -}}
{{- include "spangate.check.tiers" . -}}
{{- range include "spangate.tiers" . | fromYamlArray -}}
{{- $queues := include "spangate.queueMib" . | int -}}
{{- $letters := include "spangate.deadLettersMib" . | int -}}
{{- if ge (add $queues $letters) (include "spangate.mib" $values.persistence.size | int) -}}
{{- fail (printf "persistence.size (%s) is too small for queues of %d MiB and dead letters of %d MiB: raise it, or lower sending_queue.max_size_mib in config.exporters" $values.persistence.size $queues $letters) -}}
{{- end -}}
{{- end -}}
{{- if and (kindIs "invalid" $values.terminationGracePeriodSeconds) (not (regexMatch "^([0-9]+(\\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$|^0$" (include "spangate.shutdownTimeout" .))) -}}
{{- fail (printf "config.service.shutdown_timeout is %q, from which terminationGracePeriodSeconds cannot be computed: write a duration such as 25s, or set terminationGracePeriodSeconds" (include "spangate.shutdownTimeout" .)) -}}
{{- end -}}
{{- end -}}

{{- /* What Kubernetes would refuse, after other objects were changed already. */ -}}
{{- define "spangate.check.kubernetes" -}}
{{- $values := .Values -}}
{{- $update := dig "type" "" (default dict $values.updateStrategy) -}}
{{- if and $values.persistence.enabled (eq $update "Recreate") -}}
{{- fail "updateStrategy.type (Recreate) is of a Deployment: write RollingUpdate or OnDelete, or set persistence.enabled to false" -}}
{{- end -}}
{{- if and (not $values.persistence.enabled) (eq $update "OnDelete") -}}
{{- fail "updateStrategy.type (OnDelete) is of a StatefulSet: write RollingUpdate or Recreate, or set persistence.enabled to true" -}}
{{- end -}}
{{- if eq (int $values.service.ports.grpc) (int $values.service.ports.http) -}}
{{- fail (printf "service.ports.grpc and service.ports.http are both %d: give each a port of its own" (int $values.service.ports.grpc)) -}}
{{- end -}}
{{- range $name, $protocol := dict "ingress" "http" "httpRoute" "http" "grpcIngress" "grpc" "grpcRoute" "grpc" -}}
{{- if and (get $values $name).enabled (not (hasKey (dig "receivers" "otlp" "protocols" dict $values.config) $protocol)) -}}
{{- fail (printf "%s.enabled needs config.receivers.otlp.protocols.%s, to which it leads: define it, or set %s.enabled to false" $name $protocol $name) -}}
{{- end -}}
{{- end -}}
{{- range $label, $_ := $values.podLabels -}}
{{- if has $label (list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component") -}}
{{- fail (printf "podLabels (%s) is what selects the pods: leave it out; nameOverride changes the name" $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "spangate.check.components" -}}
{{- $config := .Values.config -}}
{{- $types := .Files.Get "files/types.json" | fromJson -}}
{{- $ours := and (eq .Values.image.repository "ghcr.io/spangate/spangate") (not .Values.plugins.packages) -}}
{{- range $kind := list "receivers" "processors" "exporters" -}}
{{- $defined := default dict (get $config $kind) -}}
{{- $known := get $types $kind -}}
{{- range $id, $settings := $defined -}}
{{- if and $ours (not (has (first (splitList "/" $id)) $known)) (not (dig "use" "" (default dict $settings))) -}}
{{- fail (printf "config.%s.%s is of no type that the image has: write one of %s, or load it with use; types of packages need plugins.packages or an image of your own" $kind $id (join ", " $known)) -}}
{{- end -}}
{{- end -}}
{{- range $name, $pipeline := $config.service.pipelines -}}
{{- range $at, $id := default list (get (default dict $pipeline) $kind) -}}
{{- if not (hasKey $defined $id) -}}
{{- fail (printf "config.service.pipelines.%s.%s[%d] (%s) is not in config.%s: define it there, or name one of %s" $name $kind $at $id $kind (keys $defined | sortAlpha | join ", ")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "spangate.check.addresses" -}}
{{- range $id, $exporter := .Values.config.exporters -}}
{{- $endpoint := dig "endpoint" "" (default dict $exporter) | toString -}}
{{- if and $endpoint (not (dig "use" "" $exporter)) (has (first (splitList "/" $id)) (list "mlflow" "otlp_http")) (not (regexMatch "(?i)^https?://|\\$\\{" $endpoint)) -}}
{{- fail (printf "config.exporters.%s.endpoint is no address of a server: write one such as \"http://backend:4318\"" $id) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "spangate.check.tiers" -}}
{{- $values := .Values -}}
{{- $lb := .Values.loadBalancing -}}
{{- if $lb.enabled -}}
{{- range $id, $_ := omit $values.config.receivers "otlp" -}}
{{- fail (printf "loadBalancing.enabled spreads what config.receivers.otlp takes, and cannot run config.receivers.%s: remove one of them" $id) -}}
{{- end -}}
{{- range $key := list "tenants" "tenants_from" -}}
{{- if dig "receivers" "otlp" "auth" $key "" $values.config -}}
{{- fail (printf "config.receivers.otlp.auth.%s would not reach the second tier of loadBalancing: set tenants.enabled and move its entries to tenants.list" $key) -}}
{{- end -}}
{{- end -}}
{{- range $at, $processor := $lb.processors -}}
{{- if not (hasKey (default dict $values.config.processors) $processor) -}}
{{- fail (printf "loadBalancing.processors[%d] (%s) is not in config.processors: define it there, or leave it out of loadBalancing.processors" $at $processor) -}}
{{- end -}}
{{- if eq (first (splitList "/" $processor)) "tail_sampling" -}}
{{- fail (printf "loadBalancing.processors[%d] (%s) needs whole traces, which only the second tier has: leave it in config.service.pipelines alone" $at $processor) -}}
{{- end -}}
{{- end -}}
{{- if and $values.tenants.enabled (not $lb.token.existingSecret) -}}
{{- fail "loadBalancing.enabled with tenants.enabled needs loadBalancing.token.existingSecret: the name of a Secret with a token by which the second tier knows the first" -}}
{{- end -}}
{{- if and $lb.tls.enabled (not $lb.tls.existingSecret) -}}
{{- fail "loadBalancing.tls.enabled needs loadBalancing.tls.existingSecret: the name of the Secret with tls.crt, tls.key and ca.crt of the second tier" -}}
{{- end -}}
{{- if and $lb.tls.enabled $lb.tls.mutual.enabled (not $lb.tls.mutual.existingSecret) -}}
{{- fail "loadBalancing.tls.mutual.enabled needs loadBalancing.tls.mutual.existingSecret: the name of the Secret with tls.crt, tls.key and ca.crt of the first tier" -}}
{{- end -}}
{{- if and $lb.tls.mutual.enabled (not $lb.tls.enabled) -}}
{{- fail "loadBalancing.tls.mutual.enabled needs loadBalancing.tls.enabled: set it to true" -}}
{{- end -}}
{{- end -}}
{{- end -}}
