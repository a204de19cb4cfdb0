"""Model manifests and comparison policies."""

from mlbridge.models.files import describe_folder, fetch_files, publish_folder
from mlbridge.models.manifest import ExecClass, FileRef, Manifest, Tolerance
from mlbridge.models.policies import EXACT, PolicyRule, numeric, rule_of

__all__ = [
    "EXACT",
    "ExecClass",
    "FileRef",
    "Manifest",
    "PolicyRule",
    "Tolerance",
    "describe_folder",
    "fetch_files",
    "numeric",
    "publish_folder",
    "rule_of",
]
