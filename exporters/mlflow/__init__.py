"""The MLflow exporter: every trace whole, under the right experiment."""

from exporters.mlflow.exporter import Mlflow
from exporters.mlflow.settings import MlflowConfig

__all__ = ["Mlflow", "MlflowConfig"]
