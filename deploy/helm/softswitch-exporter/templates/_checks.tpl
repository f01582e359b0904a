{{/*
Refuses values that the schema cannot check, or whose message would not say what to do. Templates that read `configFile`
include it, because their order is not defined.
*/}}
{{- define "softswitch-exporter.checks" -}}
{{- include "softswitch-exporter.checkName" . -}}
{{- include "softswitch-exporter.checkConfig" . -}}
{{- include "softswitch-exporter.checkPods" . -}}
{{- include "softswitch-exporter.checkClaims" . -}}
{{- include "softswitch-exporter.checkWeb" . -}}
{{- include "softswitch-exporter.checkScraping" . -}}
{{- end }}

{{- define "softswitch-exporter.checkName" -}}
{{- $name := include "softswitch-exporter.fullname" . -}}
{{- if not (regexMatch "^[a-z]" $name) -}}
{{- fail (printf "the resources would be named %q, but the name of a Service starts with a letter: set fullnameOverride" $name) -}}
{{- end -}}
{{- end }}

{{- define "softswitch-exporter.checkConfig" -}}
{{- $place := ternary "configFile" "config" (not (empty .Values.configFile)) -}}
{{- $config := include "softswitch-exporter.config" . | fromJson -}}
{{- if and .Values.configFile (hasKey $config "Error") -}}
{{- fail (printf "configFile: expected YAML: %s; check it with softswitch-exporter --config.file=config.yaml --config.check" $config.Error) -}}
{{- end -}}
{{- if and .Values.configFile .Values.deploymentPerSwitch -}}
{{- fail "configFile: with deploymentPerSwitch, the chart writes a configuration for each switch; move the configuration to config" -}}
{{- end -}}
{{- if not (and (kindIs "slice" $config.switches) $config.switches) -}}
{{- fail (printf "%s.switches: expected a list of at least one switch, each with name, url and key_file, as in config.example.yaml" $place) -}}
{{- end -}}
{{- if hasKey $config "high_availability" -}}
{{- fail (printf "%s.high_availability: remove it and set highAvailability.enabled=true, which also creates the Role for the Lease" $place) -}}
{{- end -}}
{{- $instances := (include "softswitch-exporter.instances" . | fromJson).all -}}
{{- $everyPodHasKeys := true -}}
{{- range $instances -}}
{{- if not .secret -}}{{- $everyPodHasKeys = false -}}{{- end -}}
{{- if and $.Values.highAvailability.enabled (not (hasKey (fromYaml .text) "high_availability")) -}}
{{- fail "configFile: with highAvailability.enabled, the chart adds a section after its end; write it as block YAML without indentation of the first level, not as JSON, and without a final line of three dots" -}}
{{- end -}}
{{- end -}}
{{- include "softswitch-exporter.checkSection" (dict "root" . "path" $place "value" (omit $config "switches") "hasKeys" $everyPodHasKeys) -}}
{{- $names := list -}}
{{- range $index, $switch := $config.switches -}}
{{- if not (and (kindIs "map" $switch) (get $switch "name") (kindIs "string" (get $switch "url"))) -}}
{{- fail (printf "%s.switches[%d]: expected a mapping with name and url" $place $index) -}}
{{- end -}}
{{- $name := get $switch "name" | toString -}}
{{- if has $name $names -}}
{{- fail (printf "%s.switches[%d].name: another switch is named %q; give each its own name" $place $index $name) -}}
{{- end -}}
{{- $names = append $names $name -}}
{{- $secret := get $.Values.existingSecretPerSwitch $name | default $.Values.existingSecret -}}
{{- include "softswitch-exporter.checkSection" (dict "root" $ "path" (printf "%s.switches[%d]" $place $index) "value" $switch "hasKeys" (not (empty $secret))) -}}
{{- end -}}
{{- if .Values.existingSecretPerSwitch -}}
{{- if not .Values.deploymentPerSwitch -}}
{{- fail "existingSecretPerSwitch: needs deploymentPerSwitch=true; one exporter for all switches reads all keys from existingSecret" -}}
{{- end -}}
{{- range $name := keys .Values.existingSecretPerSwitch | sortAlpha -}}
{{- if not (has $name $names) -}}
{{- fail (printf "existingSecretPerSwitch: config.switches has no switch named %q, only %s" $name (join ", " $names)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/*
Checks the keys and files in a part of the configuration. Arguments: root, path, value; hasKeys: its pods mount a Secret.
*/}}
{{- define "softswitch-exporter.checkSection" -}}
{{- $root := .root -}}
{{- $path := .path -}}
{{- $hasKeys := .hasKeys -}}
{{- if kindIs "slice" .value -}}
{{- range $index, $value := .value -}}
{{- if or (kindIs "map" $value) (kindIs "slice" $value) -}}
{{- include "softswitch-exporter.checkSection" (dict "root" $root "path" (printf "%s[%d]" $path $index) "value" $value "hasKeys" $hasKeys) -}}
{{- else if not (kindIs "string" $value) -}}
{{- include "softswitch-exporter.checkText" (dict "root" $root "path" (printf "%s[%d]" $path $index) "value" $value) -}}
{{- end -}}
{{- end -}}
{{- else if kindIs "map" .value -}}
{{- range $name, $value := .value -}}
{{- $place := printf "%s.%s" $path $name -}}
{{- if has $name (list "key" "password" "bearer_token") -}}
{{- fail (printf "%s: remove it, because Helm stores values in plain text; put it into a Secret, set existingSecret to its name and %s_file to /run/secrets/softswitch-exporter/ENTRY" $place $place) -}}
{{- else if and (has $name (list "url" "proxy_url")) (regexMatch "://[^/]*@" (toString $value)) -}}
{{- fail (printf "%s: remove user and password from the URL, because Helm stores values in plain text; for a proxy, set HTTPS_PROXY in extraEnv from a Secret" $place) -}}
{{- else if has $name (list "name" "code") -}}
{{- include "softswitch-exporter.checkText" (dict "root" $root "path" $place "value" $value) -}}
{{- else if has $name (list "key_file" "password_file" "bearer_token_file") -}}
{{- include "softswitch-exporter.checkKeyFile" (dict "root" $root "path" $place "file" (toString $value) "hasKeys" $hasKeys) -}}
{{- else if eq $name "state_file" -}}
{{- include "softswitch-exporter.checkStateFile" (dict "root" $root "path" $place "file" (toString $value)) -}}
{{- else if and (ne $name "labels") (or (kindIs "map" $value) (kindIs "slice" $value)) -}}
{{- include "softswitch-exporter.checkSection" (dict "root" $root "path" $place "value" $value "hasKeys" $hasKeys) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/*
The exporter reads 0101 and NO as texts, but Helm as the number 65 and as false. Arguments: root, path, value.
*/}}
{{- define "softswitch-exporter.checkText" -}}
{{- if and (not .root.Values.configFile) (or (kindIs "bool" .value) (kindIs "float64" .value)) -}}
{{- fail (printf "%s: expected a text, got %v; write it in quotes, because Helm reads 0101 as a number and NO as false, or pass the file unchanged with --set-file configFile=config.yaml" .path .value) -}}
{{- end -}}
{{- end }}

{{/* Returns "true" if a further volume is mounted over a file. Arguments: root, file. */}}
{{- define "softswitch-exporter.isInExtraVolume" -}}
{{- $file := .file -}}
{{- range .root.Values.extraVolumeMounts -}}
{{- if or (eq $file .mountPath) (hasPrefix (printf "%s/" (trimSuffix "/" .mountPath)) $file) -}}true{{- end -}}
{{- end -}}
{{- end }}

{{- define "softswitch-exporter.checkKeyFile" -}}
{{- if not (include "softswitch-exporter.isInExtraVolume" .) -}}
{{- $name := trimPrefix "/run/secrets/softswitch-exporter/" .file -}}
{{- if or (eq $name .file) (contains "/" $name) -}}
{{- fail (printf "%s: no volume contains %q; expected /run/secrets/softswitch-exporter/ENTRY with an entry of the Secret in existingSecret, or a path in extraVolumeMounts" .path .file) -}}
{{- end -}}
{{- if not .hasKeys -}}
{{- if .root.Values.existingSecretPerSwitch -}}
{{- fail (printf "existingSecretPerSwitch: %s needs %s, but its pods mount no Secret; add an entry for each switch, or set existingSecret, which switches without an entry use" .path $name) -}}
{{- end -}}
{{- fail (printf "existingSecret: expected the name of the Secret with %s, which %s needs; create it with kubectl create secret generic NAME --from-file=%s" $name .path $name) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "softswitch-exporter.checkStateFile" -}}
{{- if not (or (include "softswitch-exporter.isInExtraVolume" .) (hasPrefix "/var/lib/softswitch-exporter/" .file)) -}}
{{- fail (printf "%s: %q cannot be written; remove it, since the exporter keeps alerts in /var/lib/softswitch-exporter, or mount a volume with extraVolumeMounts" .path .file) -}}
{{- end -}}
{{- end }}

{{- define "softswitch-exporter.checkPods" -}}
{{- $replicas := include "softswitch-exporter.replicas" . | int -}}
{{- if and .Values.highAvailability.enabled (lt $replicas 2) -}}
{{- fail "replicas: highAvailability needs at least 2; remove replicas to get 2" -}}
{{- end -}}
{{- if and .Values.persistence.enabled (gt $replicas 1) -}}
{{- if not .Values.highAvailability.enabled -}}
{{- fail (printf "persistence.enabled: two exporters that poll cannot share a volume, but replicas is %d; set replicas=1, or highAvailability.enabled=true" $replicas) -}}
{{- else if not (has "ReadWriteMany" .Values.persistence.accessModes) -}}
{{- fail "persistence.accessModes: with highAvailability, pods on different nodes share the volume; expected [ReadWriteMany] and a storage class that supports it, or set persistence.enabled=false" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.persistence.existingClaim .Values.deploymentPerSwitch -}}
{{- fail "persistence.existingClaim: only one exporter can use a volume; remove it, and the chart creates a claim for each switch" -}}
{{- end -}}
{{- range .Values.extraArgs -}}
{{- $flag := regexFind "^--[a-z.-]+" . -}}
{{- $value := get (dict
      "--config.file" "config"
      "--config.auto-reload" "autoReload"
      "--storage.path" "persistence"
      "--web.listen-address" "web.port"
      "--web.external-url" "web.externalUrl"
      "--web.enable-lifecycle" "web.enableLifecycle"
      "--web.config.file" "web.configSecret"
      "--log.level" "log.level"
      "--log.format" "log.format") $flag -}}
{{- if $value -}}
{{- fail (printf "extraArgs: remove %s, which the chart sets from %s" $flag $value) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/*
Rejects changes of an existing claim that Kubernetes would reject without saying what to do. `helm template` finds no claims.
*/}}
{{- define "softswitch-exporter.checkClaims" -}}
{{- if and .Values.persistence.enabled (not .Values.persistence.existingClaim) -}}
{{- range (include "softswitch-exporter.instances" . | fromJson).all -}}
{{- $name := .name -}}
{{- with (lookup "v1" "PersistentVolumeClaim" $.Release.Namespace $name).spec -}}
{{- $advice := "; Kubernetes cannot change it, so delete the Deployment and the claim first, which loses known nodes, alerts and the timeline" -}}
{{- if ne (sortAlpha .accessModes | toJson) (sortAlpha $.Values.persistence.accessModes | toJson) -}}
{{- fail (printf "persistence.accessModes: the claim %s has %s, got %s%s" $name (toJson .accessModes) (toJson $.Values.persistence.accessModes) $advice) -}}
{{- end -}}
{{- $class := default "" .storageClassName -}}
{{- if and $.Values.persistence.storageClass (ne $.Values.persistence.storageClass $class) -}}
{{- fail (printf "persistence.storageClass: the claim %s has %q, got %q%s" $name $class $.Values.persistence.storageClass $advice) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "softswitch-exporter.checkWeb" -}}
{{- if and .Values.deploymentPerSwitch .Values.web.externalUrl (not (contains "{switch}" .Values.web.externalUrl)) -}}
{{- fail "web.externalUrl: with deploymentPerSwitch each exporter has its own URL; put {switch} into it, as in https://{switch}.example.com" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.web.externalUrl) -}}
{{- fail "ingress.enabled: set web.externalUrl, such as https://softswitch.example.com; the Ingress has its host, and the exporter rejects requests for other hosts" -}}
{{- end -}}
{{- end }}

{{- define "softswitch-exporter.checkScraping" -}}
{{- if and .Values.serviceMonitor.enabled .Values.scrapeConfig.enabled -}}
{{- fail "scrapeConfig.enabled: with serviceMonitor.enabled, Prometheus would scrape everything twice; enable one of them" -}}
{{- end -}}
{{- if and .Values.scrapeConfig.enabled (gt (include "softswitch-exporter.replicas" . | int) 1) -}}
{{- fail "scrapeConfig.enabled: a Service passes each scrape to any of several pods; set serviceMonitor.enabled=true and serviceMonitor.perSwitch=true instead" -}}
{{- end -}}
{{- if and .Values.serviceMonitor.perSwitch .Values.deploymentPerSwitch -}}
{{- fail "serviceMonitor.perSwitch: with deploymentPerSwitch, each switch is a target already; remove it" -}}
{{- end -}}
{{- end }}
