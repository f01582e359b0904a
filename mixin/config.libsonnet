{
  _config+:: {
    // Label matchers that every series of an exporter gets, such as 'cluster="eu"'. Without braces.
    selector: '',

    // Finds the targets of exporters that never worked.
    exporterSelector: 'job=~".*softswitch.*"',

    // The label of softswitch_tenant_info that alerts on a tenant get, for routing.
    teamLabel: 'team',

    // Where the runbooks are, without the name of the alert. An exporter serves them at /runbooks/NAME. null: the
    // project's own pages.
    runbooks: null,

    // Labels that all alerts get.
    alertLabels: {},

    // Names of alerts that are left out, and other values of `for`: { SoftswitchNodeMissing: '10m' }.
    disabledAlerts: [],
    alertFor: {},

    // Tags of all dashboards, in addition to `softswitch`, by which they link to each other.
    dashboardTags: [],

    // Thresholds of license, balance, registrations and queues are not here: they are in the configuration of the
    // exporter, for each switch and tenant.
    thresholds: {
      requestsFailing: 0.5,  // share of the requests of one query
      nodeChannelsWarning: 0.8,  // share of the channels in use
      nodeChannelsCritical: 0.95,
      tenantChannels: 0.9,
      nodePeersLeft: 0.5,  // share of the peers of the last half hour
      nodePeers: 10,  // smaller nodes are ignored
      registrationsLeft: 0.7,  // share of the registrations of the last half hour
      registrations: 20,  // smaller switches are ignored
      tenantRegistrations: 3,  // smaller tenants are ignored
      callsWeekAgo: 5,  // concurrent calls of a switch that is usually busy
      tenantCallsWeekAgo: 1,
      answeredLeft: 0.5,  // share of the answered calls a week ago
      balanceSecondsCritical: 14400,  // for which the balance lasts
      balanceSecondsWarning: 86400,
      spendingPerHour: 20,  // in the currency of the switch; less is never a spike
      outboundCalls: 10,  // in an hour outside business hours; fewer are never unusual
      outboundFactor: 5,  // times the busiest such hour of the previous week
      outboundCallsNewTenant: 50,  // without a week of history
    },
  },
}
