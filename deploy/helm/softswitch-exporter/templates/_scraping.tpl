{{/* An endpoint of the ServiceMonitor without port and parameters. Arguments: root; optional: switch, which becomes a label of the target. */}}
{{- define "softswitch-exporter.endpoint" -}}
{{- $monitor := .root.Values.serviceMonitor -}}
interval: {{ $monitor.interval }}
{{- with $monitor.scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- if ne $monitor.scheme "http" }}
scheme: {{ $monitor.scheme }}
{{- end }}
{{- with include "softswitch-exporter.scrapeAccess" $monitor }}
{{ . }}
{{- end }}
honorLabels: true                        # the label `node` is a node of the switch, not of the cluster
relabelings:                             # other series get none: it would change when the pod moves
  - {action: labeldrop, regex: node}
  {{- with .switch }}
  - {targetLabel: switch, replacement: {{ replace "$" "$$" . | toJson }}}
  {{- end }}
  {{- with $monitor.relabelings }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $monitor.metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* TLS and password of a scrape. Argument: the values of the ServiceMonitor or ScrapeConfig. */}}
{{- define "softswitch-exporter.scrapeAccess" -}}
{{- $access := dict -}}
{{- range $name := list "tlsConfig" "basicAuth" -}}
{{- with get $ $name -}}
{{- $_ := set $access $name . -}}
{{- end -}}
{{- end -}}
{{- with $access -}}
{{- toYaml . -}}
{{- end -}}
{{- end }}
