{{/* Shortens a name to 63 characters. A hash of the whole name keeps shortened names distinct. */}}
{{- define "softswitch-exporter.shortened" -}}
{{- if gt (len .) 63 -}}
{{- printf "%s-%s" (. | trunc 54 | trimSuffix "-") (sha256sum . | trunc 8) -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end }}

{{/*
The name of the resources. The name of a Service contains no dots and starts with a letter; a release may be named otherwise.
*/}}
{{- define "softswitch-exporter.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else -}}
{{- $chart := default .Chart.Name .Values.nameOverride -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name $chart) (contains $chart .Release.Name) -}}
{{- if contains "." $name -}}
{{- $name = printf "%s-%s" ($name | replace "." "-") (sha256sum $name | trunc 8) -}}
{{- end -}}
{{- include "softswitch-exporter.shortened" $name -}}
{{- end -}}
{{- end }}

{{/* The name of a switch as part of a name and as the value of a label. A name that has to be changed gets a hash. */}}
{{- define "softswitch-exporter.slug" -}}
{{- $slug := regexReplaceAll "[^a-z0-9]+" (lower .) "-" | trunc 40 | trimAll "-" -}}
{{- if ne $slug . -}}
{{- $slug = printf "%s-%s" (default "switch" $slug) (sha256sum . | trunc 8) -}}
{{- end -}}
{{- $slug -}}
{{- end }}

{{/*
Labels that identify the pods of the release. They never change, because selectors cannot be changed. The first one is also
the job in Prometheus. `.Chart.Name` is another name if a parent chart gives this one an alias, maybe several times in a release.
*/}}
{{- define "softswitch-exporter.releaseLabels" -}}
app.kubernetes.io/name: softswitch-exporter
app.kubernetes.io/instance: {{ include "softswitch-exporter.instanceLabel" . | quote }}
{{- end }}

{{- define "softswitch-exporter.instanceLabel" -}}
{{- if eq .Chart.Name "softswitch-exporter" -}}
{{- .Release.Name -}}
{{- else -}}
{{- include "softswitch-exporter.shortened" (printf "%s-%s" .Release.Name .Chart.Name) -}}
{{- end -}}
{{- end }}

{{/* Labels that identify the pods of one exporter. Argument: root, instance. */}}
{{- define "softswitch-exporter.selectorLabels" -}}
{{ include "softswitch-exporter.releaseLabels" .root }}
{{- with .instance.slug }}
app.kubernetes.io/component: {{ . | quote }}
{{- end }}
{{- end }}

{{/*
All labels of a resource: `own` identify it, `more` come from values and cannot replace them. Arguments: root, own, more.
*/}}
{{- define "softswitch-exporter.labels" -}}
{{- $chart := dict
      "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimAll "-_.")
      "app.kubernetes.io/version" .root.Chart.AppVersion
      "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- merge (fromYaml .own) $chart (default (dict) .more) .root.Values.commonLabels | toYaml -}}
{{- end }}

{{/*
The metadata of a resource, from `name`. Arguments: root, name; optional: instance, namespace, labels, annotations.
*/}}
{{- define "softswitch-exporter.metadata" -}}
{{- $own := include "softswitch-exporter.releaseLabels" .root -}}
{{- if .instance -}}
{{- $own = include "softswitch-exporter.selectorLabels" . -}}
{{- end -}}
name: {{ .name | quote }}
namespace: {{ default .root.Release.Namespace .namespace | quote }}
labels:
  {{- include "softswitch-exporter.labels" (dict "root" .root "own" $own "more" .labels) | nindent 2 }}
{{- with merge (dict) (default (dict) .annotations) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "softswitch-exporter.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "softswitch-exporter.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- define "softswitch-exporter.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end }}

{{/* Labels that identify the pod of `helm test`. */}}
{{- define "softswitch-exporter.testLabels" -}}
app.kubernetes.io/name: softswitch-exporter-test
app.kubernetes.io/instance: {{ include "softswitch-exporter.instanceLabel" . | quote }}
{{- end }}
