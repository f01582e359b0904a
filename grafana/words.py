"""Words and colours that several dashboards share."""

from grafana.panels import CRITICAL, GOOD, WARNING, Steps, Word

SEVERITIES = {"critical": Word("CRITICAL", CRITICAL), "warning": Word("warning", WARNING)}
NONE_OF_THEM = {0: Word("none", GOOD)}
UP = {0: Word("DOWN", CRITICAL), 1: Word("up", GOOD)}

ANY_IS_CRITICAL: Steps = ((None, GOOD), (1, CRITICAL))
ANY_IS_WARNING: Steps = ((None, GOOD), (1, WARNING))
SHORT_OF_CREDIT: Steps = ((None, CRITICAL), (4, WARNING), (24, GOOD))
"""Hours that credit lasts: where SoftswitchBalanceRunningOut is critical, and where it is a warning."""
