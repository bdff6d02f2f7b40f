{{- /* A counter that grew in the last 15 minutes, or that was not there before. */ -}}
{{- define "spangate.grew" -}}
{{- $metric := printf "%s{%s}" .metric .series -}}
sum by (namespace, {{ .by }}) (increase({{ $metric }}[15m])) > 0
or sum by (namespace, {{ .by }}) ({{ $metric }} unless {{ $metric }} offset 15m) > 0
{{- end -}}

{{- /* Whether calls use up what they are allowed beyond the limit `burn` times too fast. */ -}}
{{- define "spangate.slow" -}}
{{- $le := printf "%v" .llm.latencySeconds }}
{{- if not (contains "." $le) }}{{ $le = printf "%s.0" $le }}{{ end }}
{{- $allowed := minf 0.99 (mulf .burn (subf 1.0 .llm.latencyObjective)) }}
{{- range $at, $window := .windows }}
{{- if $at }} and {{ end -}}
(1 - sum by (namespace, model) (rate(spangate_llm_duration_seconds_bucket{ {{- $.series }},le={{ $le | quote }}}[{{ $window }}]))
/ sum by (namespace, model) (rate(spangate_llm_duration_seconds_count{ {{- $.series }}}[{{ $window }}])) > {{ printf "%.4g" $allowed }})
{{- end }}
{{- end -}}

{{- /* The alerts, by name. Each has a page of its name in docs/runbook. */ -}}
{{- define "spangate.alerts" -}}
{{- $series := include "spangate.series" . -}}
{{- $claims := printf "namespace=%q,persistentvolumeclaim=~%q" .Release.Namespace (printf "data-%s-.*" (include "spangate.fullname" .)) -}}
SpangateDown:
  expr: |-
    up{ {{- $series }}} == 0 or absent(up{ {{- $series }}})
  for: 5m
  severity: critical
  summary: A gateway cannot be scraped, or there is none.
SpangateRefusingSpans:
  expr: |-
    sum by (namespace, pod, reason) (rate(spangate_receiver_refused_spans_total{ {{- $series }},reason=~"busy|unavailable"}[5m])) > 0
  for: 10m
  severity: warning
  summary: {{ "Senders are told to come back ({{ $labels.reason }}); those that give up lose spans." | quote }}
SpangateRejectingSpans:
  expr: |-
    {{- include "spangate.grew" (dict "metric" "spangate_receiver_refused_spans_total" "by" "reason" "series" (printf "%s,reason!~%q" $series "busy|unavailable")) | nindent 4 }}
  severity: warning
  summary: {{ "Senders lose spans: they are refused for good ({{ $labels.reason }})." | quote }}
SpangateNotDelivering:
  expr: |-
    sum by (namespace, exporter) (rate(spangate_exporter_retries_total{ {{- $series }}}[10m])) > 0
    unless on (namespace, exporter) sum by (namespace, exporter) (rate(spangate_exporter_sent_spans_total{ {{- $series }}}[10m])) > 0
  for: 10m
  severity: critical
  summary: {{ "{{ $labels.exporter }} takes no spans; they wait in the queue." | quote }}
SpangateDestinationParked:
  expr: |-
    max by (namespace, pod, exporter) (spangate_exporter_parked_destinations{ {{- $series }}}) > 0
  for: 5m
  severity: warning
  summary: {{ "{{ $labels.exporter }} holds the spans of {{ $value }} destinations until somebody mends something." | quote }}
SpangateQueueAgeing:
  expr: |-
    max by (namespace, pod, exporter) (spangate_queue_oldest_age_seconds{ {{- $series }}}) > 600
  for: 10m
  severity: warning
  summary: {{ "Spans wait for {{ $labels.exporter }} for more than ten minutes." | quote }}
SpangateQueueFilling:
  expr: |-
    max by (namespace, pod, exporter) (spangate_queue_size_bytes{ {{- $series }}})
    > 0.8 * max by (namespace, pod, exporter) (spangate_queue_limit_bytes{ {{- $series }}})
  for: 5m
  severity: critical
  summary: {{ "The queue of {{ $labels.exporter }} is more than 80 % full; once it is full, senders are refused." | quote }}
SpangateLosingSpans:
  expr: |-
    {{- include "spangate.grew" (dict "metric" "spangate_exporter_send_failed_spans_total" "by" "exporter, reason" "series" (printf "%s,reason=~%q" $series "queue_full|shutdown")) | nindent 4 }}
    or {{ include "spangate.grew" (dict "metric" "spangate_dead_letters_dropped_total" "by" "pod" "series" $series) | nindent 4 | trim }}
    or {{ include "spangate.grew" (dict "metric" "spangate_queue_damaged_records_total" "by" "pod" "series" $series) | nindent 4 | trim }}
  severity: critical
  summary: Spans that were accepted are lost.
SpangateDeadLetters:
  expr: |-
    {{- include "spangate.grew" (dict "metric" "spangate_dead_letters_total" "by" "exporter, reason" "series" $series) | nindent 4 }}
  severity: warning
  summary: {{ "Spans that {{ $labels.exporter }} would not take are kept as dead letters ({{ $labels.reason }})." | quote }}
SpangateProcessorFailing:
  expr: |-
    {{- include "spangate.grew" (dict "metric" "spangate_processor_failures_total" "by" "processor, policy" "series" $series) | nindent 4 }}
  severity: warning
  summary: {{ "{{ $labels.processor }} fails on batches; its policy is {{ $labels.policy }}." | quote }}
SpangateReloadFailed:
  expr: |-
    min by (namespace, pod) (spangate_config_last_reload_successful{ {{- $series }}}) == 0
  for: 5m
  severity: warning
  summary: The configuration on disk does not run; the gateway goes on with an earlier one.
SpangateCertificateEnding:
  expr: |-
    min by (namespace, pod, endpoint) (spangate_receiver_tls_certificate_expiry_timestamp_seconds{ {{- $series }}}) - time() < 14 * 86400
  severity: warning
  summary: {{ "The certificate of {{ $labels.endpoint }} ends in {{ $value | humanizeDuration }}." | quote }}
{{- $llm := .Values.prometheusRule.llm }}
SpangateCostSpike:
  expr: |-
    sum by (namespace, service, model) (increase(spangate_llm_cost_usd_total{ {{- $series }}}[1h]))
    > {{ $llm.costSpikeFactor }} * sum by (namespace, service, model) (increase(spangate_llm_cost_usd_total{ {{- $series }}}[1d] offset 1h)) / 24
    and sum by (namespace, service, model) (increase(spangate_llm_cost_usd_total{ {{- $series }}}[1h])) > {{ $llm.costSpikeMinUsd }}
    and sum by (namespace, service, model) (spangate_llm_cost_usd_total{ {{- $series }}} offset 1d) >= 0
  for: 5m
  severity: warning
  summary: {{ "{{ $labels.service }} spent {{ $value | printf \"%.2f\" }} USD on {{ $labels.model }} in an hour, far more than the day before." | quote }}
SpangateCallsFailing:
  expr: |-
    sum by (namespace, model) (rate(spangate_llm_errors_total{ {{- $series }}}[10m]))
    / sum by (namespace, model) (rate(spangate_llm_duration_seconds_count{ {{- $series }}}[10m])) > {{ $llm.errorRatio }}
  for: 10m
  severity: warning
  summary: {{ "{{ $value | humanizePercentage }} of the calls of {{ $labels.model }} fail." | quote }}
SpangateCallsSlowFast:
  expr: |-
    {{- include "spangate.slow" (dict "series" $series "llm" $llm "burn" 14.4 "windows" (list "1h" "5m")) | nindent 4 }}
  for: 2m
  severity: critical
  summary: {{ printf "At this rate the calls of {{ $labels.model }} use up in two days the time that a month allows them beyond %v s." $llm.latencySeconds | quote }}
SpangateCallsSlow:
  expr: |-
    {{- include "spangate.slow" (dict "series" $series "llm" $llm "burn" 6 "windows" (list "6h" "30m")) | nindent 4 }}
  for: 15m
  severity: warning
  summary: {{ printf "At this rate the calls of {{ $labels.model }} use up in five days the time that a month allows them beyond %v s." $llm.latencySeconds | quote }}
{{- if .Values.persistence.enabled }}
SpangateSpansLeftOnVolume:
  expr: |-
    sum by (namespace, pod) (last_over_time(spangate_queue_spans{ {{- $series }}}[1d])) > 0
    unless on (namespace, pod) sum by (namespace, pod) (spangate_queue_spans{ {{- $series }}})
  for: 15m
  severity: warning
  summary: {{ "{{ $labels.pod }} is gone with {{ $value }} unsent spans; they are on its volume." | quote }}
SpangateVolumeFilling:
  expr: |-
    kubelet_volume_stats_available_bytes{ {{- $claims }}} / kubelet_volume_stats_capacity_bytes{ {{- $claims }}} < 0.1
  for: 5m
  severity: warning
  summary: {{ "Less than 10 % of {{ $labels.persistentvolumeclaim }} is free." | quote }}
{{- end }}
{{- end -}}
