"""Stage 2: gather records into traces, let a processor decide, hand over to the exporters."""
