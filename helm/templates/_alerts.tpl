{{- /* A counter that grew in the last 15 minutes, or that was not there before. */ -}}
{{- define "spangate.grew" -}}
{{- $metric := printf "%s{%s}" .metric .series -}}
sum by (namespace, {{ .by }}) (increase({{ $metric }}[15m])) > 0
or sum by (namespace, {{ .by }}) ({{ $metric }} unless {{ $metric }} offset 15m) > 0
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
    {{- range $at, $id := keys .Values.config.exporters | sortAlpha }}
    {{- $mib := dig "sending_queue" "max_size_mib" 1024 (default dict (get $.Values.config.exporters $id)) }}
    {{ if $at }}or {{ end }}max by (namespace, pod, exporter) (spangate_queue_size_bytes{ {{- $series }},exporter={{ $id | quote }}}) > 0.8 * {{ mul $mib 1048576 }}
    {{- end }}
  for: 5m
  severity: critical
  summary: {{ "The queue of {{ $labels.exporter }} is more than 80 % full; once it is full, senders are refused." | quote }}
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
