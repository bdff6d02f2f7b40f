"""
The engine of Spangate, the OpenTelemetry gateway for MLflow.

Plugin authors import :mod:`gateway.plugin` and :mod:`gateway.testing`, nothing else.
"""

from gateway import compiled, namesakes

namesakes.join()
compiled.use()
