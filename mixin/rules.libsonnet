// The rules of rules.json, which is generated from ../alerts, with the changes of the configuration. A threshold that is
// not found in its alert is an error: an edit of the rules must not disable it silently.
local groups = (import 'rules.json').groups;
local isRecord(group) = std.objectHas(group.rules[0], 'record');
local records = [group for group in groups if isRecord(group)];
local alerts = [group for group in groups if !isRecord(group)];

// Where each threshold is: in the expression of an alert, of one severity if that matters.
local thresholds = [
  { alert: 'SoftswitchRequestsFailing', name: 'requestsFailing', found: ') > 0.5', put: ') > %g' },
  { alert: 'SoftswitchNodeChannelsNearLimit', severity: 'warning', name: 'nodeChannelsWarning', found: '> 0.8', put: '> %g' },
  { alert: 'SoftswitchNodeChannelsNearLimit', severity: 'critical', name: 'nodeChannelsCritical', found: '> 0.95', put: '> %g' },
  { alert: 'SoftswitchTenantChannelsNearLimit', name: 'tenantChannels', found: '> 0.9)', put: '> %g)' },
  { alert: 'SoftswitchNodePeersLost', name: 'nodePeersLeft', found: '< 0.5 *', put: '< %g *' },
  { alert: 'SoftswitchNodePeersLost', name: 'nodePeers', found: '>= 10', put: '>= %g' },
  { alert: 'SoftswitchRegistrationsDropped', name: 'registrationsLeft', found: '< 0.7 *', put: '< %g *' },
  { alert: 'SoftswitchRegistrationsDropped', name: 'registrations', found: '>= 20', put: '>= %g' },
  { alert: 'SoftswitchTenantRegistrationsLost', name: 'tenantRegistrations', found: '>= 3', put: '>= %g' },
  { alert: 'SoftswitchNoCalls', name: 'callsWeekAgo', found: '>= 5', put: '>= %g' },
  { alert: 'SoftswitchTenantNoCalls', name: 'tenantCallsWeekAgo', found: '>= 1', put: '>= %g' },
  { alert: 'SoftswitchAnswerRatioCollapsed', name: 'answeredLeft', found: '0.5 *', put: '%g *' },
  { alert: 'SoftswitchBalanceRunningOut', severity: 'critical', name: 'balanceSecondsCritical', found: '< 4 * 3600', put: '< %g' },
  { alert: 'SoftswitchBalanceRunningOut', severity: 'warning', name: 'balanceSecondsWarning', found: '< 86400', put: '< %g' },
  { alert: 'SoftswitchSpendingSpike', name: 'spendingPerHour', found: '> 20', put: '> %g' },
  { alert: 'SoftswitchOutboundCallsUnusual', name: 'outboundCalls', found: '> 10)', put: '> %g)' },
  { alert: 'SoftswitchOutboundCallsUnusual', name: 'outboundFactor', found: '5 * ', put: '%g * ' },
  { alert: 'SoftswitchOutboundCallsUnusual', name: 'outboundCallsNewTenant', found: '> 50', put: '> %g' },
];

local replaced(text, found, put) =
  assert std.length(std.findSubstr(found, text)) > 0 : 'the mixin found no "%s" in: %s' % [found, text];
  std.strReplace(text, found, put);

// Adds the selector to each exporter's series. The name of a recorded series has a colon after its metric.
local word = { [letter]: true for letter in std.stringChars('abcdefghijklmnopqrstuvwxyz0123456789_') };
local selectedSeries(rest, selector) =
  local total = std.length(rest);
  local endOfName(start) = if start < total && std.objectHas(word, rest[start]) then endOfName(start + 1) else start;
  local end = endOfName(0);
  local name = std.substr(rest, 0, end);
  local next = if end < total then rest[end] else '';
  if next == ':' then rest
  else if next == '{' then name + '{' + selector + ',' + std.substr(rest, end + 1, total)
  else name + '{' + selector + '}' + std.substr(rest, end, total);

local selected(text, selector) =
  local prefix = 'softswitch_';
  local parts = std.splitLimit(std.strReplace(text, prefix, '\u0000'), '\u0000', -1);
  if selector == '' then text
  else std.join(prefix, parts[:1] + [selectedSeries(part, selector) for part in parts[1:]]);

local ofTeam(text, label) =
  std.strReplace(std.strReplace(text, '(team)', '(' + label + ')'), ', team)', ', ' + label + ')');

{
  local config = $._config,

  local expression(text) =
    local bySelector = std.strReplace(selected(text, config.selector), 'job=~".*softswitch.*"', config.exporterSelector);
    ofTeam(bySelector, config.teamLabel),

  local thresholdsOf(rule) = [
    change
    for change in thresholds
    if change.alert == rule.alert && (!std.objectHas(change, 'severity') || change.severity == rule.labels.severity)
  ],

  local withThresholds(rule) = std.foldl(
    function(text, change) replaced(text, change.found, change.put % config.thresholds[change.name]),
    thresholdsOf(rule), rule.expr
  ),

  local alert(rule) = rule {
    expr: expression(withThresholds(rule)),
    [if std.objectHas(config.alertFor, rule.alert) then 'for']: config.alertFor[rule.alert],
    labels+: config.alertLabels,
    annotations+: if config.runbooks == null then {} else {
      runbook_url: '%s/%s' % [std.rstripChars(config.runbooks, '/'), rule.alert],
    },
  },

  local names = [rule.alert for group in alerts for rule in group.rules],
  local unknownIn(list) = std.setDiff(std.set(list), std.set(names)),
  local unknown = unknownIn(config.disabledAlerts + std.objectFields(config.alertFor)),
  local unknownThresholds = std.setDiff(std.objectFields(config.thresholds), std.set([change.name for change in thresholds])),

  prometheusRules+:: {
    groups+: [
      group { rules: [rule { expr: expression(rule.expr) } for rule in group.rules] }
      for group in records
    ],
  },

  prometheusAlerts+::
    assert unknown == [] : 'disabledAlerts or alertFor name alerts that do not exist: %s' % std.join(', ', unknown);
    assert unknownThresholds == [] : 'thresholds that do not exist: %s' % std.join(', ', unknownThresholds);
    {
      groups+: [
        group { rules: [alert(rule) for rule in group.rules if !std.member(config.disabledAlerts, rule.alert)] }
        for group in alerts
      ],
    },
}
