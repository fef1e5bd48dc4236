"""What would be deployed: vendored, shaken out, compiled, listed, weighed, and imported once under Pyodide."""

from local.bundle.build import bundle, lay_out
from local.bundle.bytecode import CompilerBroken
from local.bundle.report import BundleReport, Module
from local.bundle.stage import Removed
from local.bundle.start_up import StartUpBroken

__all__ = ["BundleReport", "CompilerBroken", "Module", "Removed", "StartUpBroken", "bundle", "lay_out"]
