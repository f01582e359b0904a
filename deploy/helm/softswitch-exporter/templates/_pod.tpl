{{/* The pod of an exporter. Arguments: root, instance. */}}
{{- define "softswitch-exporter.podSpec" -}}
{{- $values := .root.Values -}}
serviceAccountName: {{ include "softswitch-exporter.serviceAccountName" .root | quote }}
automountServiceAccountToken: {{ $values.highAvailability.enabled }}
enableServiceLinks: false
terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
{{ include "softswitch-exporter.podSettings" .root }}
{{- with $values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with $values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  {{- if $values.topologySpreadConstraints }}
  {{- toYaml $values.topologySpreadConstraints | nindent 2 }}
  {{- else }}
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "softswitch-exporter.selectorLabels" . | nindent 8 }}
  {{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.extraInitContainers }}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: softswitch-exporter
    {{- include "softswitch-exporter.container" . | nindent 4 }}
  {{- with $values.extraContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
volumes:
  - name: config
    configMap: {name: {{ .instance.name | quote }}}
  {{- with .instance.secret }}
  - name: keys
    secret: {secretName: {{ . | quote }}, defaultMode: 0440}
  {{- end }}
  - name: storage
    {{- if $values.persistence.enabled }}
    persistentVolumeClaim: {claimName: {{ default .instance.name $values.persistence.existingClaim | quote }}}
    {{- else }}
    emptyDir: {sizeLimit: {{ $values.persistence.size }}}
    {{- end }}
  {{- with $values.web.configSecret }}
  - name: web-config
    secret: {secretName: {{ . | quote }}, defaultMode: 0440}
  {{- end }}
  {{- with $values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Settings of the pod of an exporter and of the pod of `helm test`. */}}
{{- define "softswitch-exporter.podSettings" -}}
securityContext:
  {{- ternary (omit .Values.podSecurityContext "runAsUser" "runAsGroup" "fsGroup") .Values.podSecurityContext .Values.openshift | toYaml | nindent 2 }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The container of an exporter without its name. Arguments: root, instance. */}}
{{- define "softswitch-exporter.container" -}}
{{- $values := .root.Values -}}
image: {{ include "softswitch-exporter.image" .root | quote }}
imagePullPolicy: {{ $values.image.pullPolicy }}
args:
  - --config.file=/etc/softswitch-exporter/config.yaml
  - --storage.path=/var/lib/softswitch-exporter
  {{- if $values.autoReload }}
  - --config.auto-reload
  {{- end }}
  {{- if ne ($values.web.port | int) 10390 }}
  - --web.listen-address=:{{ $values.web.port }}
  {{- end }}
  {{- with .instance.externalUrl }}
  - {{ printf "--web.external-url=%s" . | quote }}
  {{- end }}
  {{- if $values.web.enableLifecycle }}
  - --web.enable-lifecycle
  {{- end }}
  {{- if $values.web.configSecret }}
  - --web.config.file=/etc/softswitch-exporter-web/web.yml
  {{- end }}
  {{- if ne $values.log.level "info" }}
  - --log.level={{ $values.log.level }}
  {{- end }}
  {{- if ne $values.log.format "logfmt" }}
  - --log.format={{ $values.log.format }}
  {{- end }}
  {{- range $values.extraArgs }}
  - {{ . | quote }}
  {{- end }}
{{- if or $values.highAvailability.enabled $values.extraEnv }}
env:
  {{- if $values.highAvailability.enabled }}
  - name: POD_NAME                                  # names the holder of the Lease
    valueFrom: {fieldRef: {fieldPath: metadata.name}}
  {{- end }}
  {{- with $values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
ports:
  - {name: metrics, containerPort: {{ $values.web.port }}}
livenessProbe:
  {{- include "softswitch-exporter.probe" (dict "values" $values "path" "/-/healthy") | nindent 2 }}
  {{- toYaml $values.livenessProbe | nindent 2 }}
readinessProbe:
  {{- include "softswitch-exporter.probe" (dict "values" $values "path" "/-/ready") | nindent 2 }}
  {{- toYaml $values.readinessProbe | nindent 2 }}
{{- with $values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml $values.securityContext | nindent 2 }}
volumeMounts:
  - {name: config, mountPath: /etc/softswitch-exporter, readOnly: true}
  {{- if .instance.secret }}
  - {name: keys, mountPath: /run/secrets/softswitch-exporter, readOnly: true}
  {{- end }}
  - {name: storage, mountPath: /var/lib/softswitch-exporter}
  {{- if $values.web.configSecret }}
  - {name: web-config, mountPath: /etc/softswitch-exporter-web, readOnly: true}
  {{- end }}
  {{- with $values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/*
How a probe connects. With a web configuration, only /-/healthy needs no password. Arguments: values, path.
*/}}
{{- define "softswitch-exporter.probe" -}}
{{- if not .values.web.configSecret -}}
httpGet: {path: {{ .path }}, port: metrics}
{{- else if eq .values.web.probes "exec" -}}
exec:
  command:
    - softswitch-exporter
    - healthcheck
    - --web.listen-address=:{{ .values.web.port }}
    - --web.config.file=/etc/softswitch-exporter-web/web.yml
{{- else -}}
httpGet: {path: /-/healthy, port: metrics, scheme: {{ .values.web.probes }}}
{{- end -}}
{{- end }}
