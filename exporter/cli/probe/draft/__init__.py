"""``probe --write-config``: from a URL and a key to a configuration with comments.

flags       the settings of the survey, from the command line
conduct     sends the requests, and prints the plan and the progress
survey      what the switch answered
pace        intervals that the rate limit allows
document    the configuration as text
queries, phones, tenants, extras   its sections
entries     YAML with comments
target      the file that is written
command     all of it
"""
