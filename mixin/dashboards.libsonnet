// The dashboards of ../grafana/dashboards with the changes of the configuration.
local files = {
  'softswitch-overview.json': importstr '../grafana/dashboards/softswitch-overview.json',
  'softswitch-tenants.json': importstr '../grafana/dashboards/softswitch-tenants.json',
  'softswitch-tenant.json': importstr '../grafana/dashboards/softswitch-tenant.json',
  'softswitch-nodes.json': importstr '../grafana/dashboards/softswitch-nodes.json',
  'softswitch-exporter.json': importstr '../grafana/dashboards/softswitch-exporter.json',
};

{
  local config = $._config,

  // In JSON, each " of a query is \".
  local quoted(matchers) = std.strReplace(matchers, '"', '\\"'),

  // Every selector of an exporter's series has the dashboard variable `job`, except the query of that variable.
  local selected(text) =
    local job = 'job=~"$job"';
    local ofJobs = 'label_values(softswitch_exporter_build_info, job)';
    if config.selector == '' then text else
      std.strReplace(
        std.strReplace(text, quoted(job), quoted('%s,%s' % [job, config.selector])),
        ofJobs, 'label_values(softswitch_exporter_build_info{%s}, job)' % quoted(config.selector)
      ),

  local exporters(text) = std.strReplace(text, quoted('job=~".*softswitch.*"'), quoted(config.exporterSelector)),

  grafanaDashboards+:: {
    [name]: std.parseJson(exporters(selected(files[name]))) { tags+: config.dashboardTags }
    for name in std.objectFields(files)
  },
}
