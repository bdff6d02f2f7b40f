"""The demo: a local MLflow, the gateway, two real agents, and the traces read back."""
