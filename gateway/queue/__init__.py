"""Queues between receivers and exporters: lanes of records, acknowledged one by one."""
