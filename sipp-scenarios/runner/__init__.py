"""Runner of the SIPp scenarios: reads expect.toml, starts cluster and actors, judges what they saw."""
