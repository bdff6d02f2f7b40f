"""From a Collector's configuration to ours."""
