// softswitch-exporter mixin: the alerts, recording rules and dashboards for jsonnet. See README.md.
(import 'config.libsonnet') + (import 'rules.libsonnet') + (import 'dashboards.libsonnet')
