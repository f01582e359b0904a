{{- define "softswitch-exporter.replicas" -}}
{{- if kindIs "invalid" .Values.replicas -}}
{{- ternary 2 1 .Values.highAvailability.enabled -}}
{{- else -}}
{{- .Values.replicas | int -}}
{{- end -}}
{{- end }}

{{/* The configuration as JSON, from `configFile` or `config`. */}}
{{- define "softswitch-exporter.config" -}}
{{- if .Values.configFile -}}
{{- fromYaml .Values.configFile | toJson -}}
{{- else -}}
{{- toJson .Values.config -}}
{{- end -}}
{{- end }}

{{/*
The exporters of the release as JSON: one, or one for each switch. Each has
  name         of its resources
  slug         of its switch in names and labels; empty if it is the only exporter
  secret       with its keys; may be empty
  externalUrl  of its pages; may be empty
  lease        of its pods, with highAvailability
  text         of its config.yaml
*/}}
{{- define "softswitch-exporter.instances" -}}
{{- $root := . -}}
{{- $fullname := include "softswitch-exporter.fullname" . -}}
{{- $instances := list -}}
{{- if .Values.deploymentPerSwitch -}}
{{- range $switch := .Values.config.switches -}}
{{- $slug := include "softswitch-exporter.slug" $switch.name -}}
{{- $instances = append $instances (dict
      "slug" $slug
      "name" (include "softswitch-exporter.shortened" (printf "%s-%s" $fullname $slug))
      "secret" (get $root.Values.existingSecretPerSwitch $switch.name | default $root.Values.existingSecret)
      "externalUrl" ($root.Values.web.externalUrl | replace "{switch}" $slug)
      "text" (merge (dict "switches" (list $switch)) $root.Values.config | toYaml)) -}}
{{- end -}}
{{- else -}}
{{- $instances = list (dict
      "slug" ""
      "name" $fullname
      "secret" .Values.existingSecret
      "externalUrl" .Values.web.externalUrl
      "text" (default (toYaml .Values.config) .Values.configFile)) -}}
{{- end -}}
{{- if .Values.highAvailability.enabled -}}
{{- range $instances -}}
{{- $_ := set . "lease" (include "softswitch-exporter.shortened" (printf "%s-lease" .name)) -}}
{{- $lease := dict "name" .lease "namespace" $root.Release.Namespace "duration" $root.Values.highAvailability.leaseDuration -}}
{{- $section := dict "high_availability" (dict "lease" $lease) | toYaml -}}
{{- $_ := set . "text" (printf "%s\n%s" (trimSuffix "\n" .text) $section) -}}
{{- end -}}
{{- end -}}
{{- toJson (dict "all" $instances) -}}
{{- end }}

{{/* The ports in the URLs of the configuration as JSON: switches, proxies, Alertmanagers. */}}
{{- define "softswitch-exporter.egressPorts" -}}
{{- $config := include "softswitch-exporter.config" . | fromJson -}}
{{- $ports := list -}}
{{- range concat $config.switches (dig "alerting" "alertmanagers" list $config) -}}
{{- range list .url .proxy_url -}}
{{- if and (kindIs "string" .) (contains "://" .) -}}
{{- $port := regexFind ":[0-9]+$" (urlParse .).host | trimPrefix ":" -}}
{{- $ports = append $ports (default (ternary 443 80 (hasPrefix "https:" .)) $port | int) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson (dict "all" (uniq $ports)) -}}
{{- end }}
