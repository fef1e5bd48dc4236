"""What would be deployed: vendored, shaken out, listed, weighed, and imported once under Pyodide."""

from local.bundle.build import bundle
from local.bundle.report import BundleReport, Module
from local.bundle.stage import Removed
from local.bundle.start_up import StartUpBroken

__all__ = ["BundleReport", "Module", "Removed", "StartUpBroken", "bundle"]
