{{- /* Whole seconds, rounded up, of a duration such as 25s, 1m30s or 500ms. */ -}}
{{- define "spangate.seconds" -}}
{{- $units := dict "h" 3600.0 "m" 60.0 "s" 1.0 "ms" 0.001 "us" 0.000001 "µs" 0.000001 "ns" 0.000000001 -}}
{{- $total := 0.0 -}}
{{- range regexFindAll "[0-9.]+(ns|us|µs|ms|s|m|h)" (toString .) -1 -}}
{{- $unit := regexFind "[a-zµ]+$" . -}}
{{- $total = addf $total (mulf (trimSuffix $unit . | float64) (get $units $unit)) -}}
{{- end -}}
{{- ceil $total | int64 -}}
{{- end -}}

{{- /* MiB, rounded down, of a quantity such as 10Gi, 500M or 1073741824. */ -}}
{{- define "spangate.mib" -}}
{{- $units := dict "" 1.0 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 -}}
{{- $unit := regexFind "[a-zA-Z]*$" (toString .) -}}
{{- divf (mulf (trimSuffix $unit (toString .) | float64) (get $units $unit)) 1048576.0 | floor | int64 -}}
{{- end -}}

{{- /* The port of an endpoint of the configuration, which must be reachable from outside the pod. */ -}}
{{- define "spangate.port" -}}
{{- $endpoint := toString (default "" .endpoint) -}}
{{- $port := regexFind ":[0-9]+$" $endpoint | trimPrefix ":" -}}
{{- if or (not $port) (eq (int $port) 0) (gt (int $port) 65535) (regexMatch "^(127\\.|localhost:|\\[::1\\])" $endpoint) -}}
{{- fail (printf "%s is %q, which cannot be reached from outside the pod: set it to %q" .path $endpoint (printf "0.0.0.0:%d" (int .usual))) -}}
{{- end -}}
{{- $port -}}
{{- end -}}
