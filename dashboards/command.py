"""`lumigate dashboards`: build, check and publish what is generated."""

from __future__ import annotations

import argparse
import os
import sys

from dashboards.promql import NotInCatalog
from dashboards.sql import NotInAnalyticsEngine
from local.argument_types import url
from slo.yaml_lines import SpecError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Three commands."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    commands.add_parser("build", help="write the dashboards and their pictures")
    commands.add_parser("check", help="fail if the committed files are not what the sources generate")
    publish = commands.add_parser(
        "publish", help="put them into a Grafana by its HTTP API; needs GRAFANA_TOKEN"
    )
    publish.add_argument(
        "--grafana", type=url, default="http://127.0.0.1:3000", metavar="URL", help="(default: %(default)s)"
    )
    publish.add_argument("--message", default="", help="what changed, for Grafana's history")


def run(arguments: argparse.Namespace) -> int:
    """0 done, 1 it failed."""
    actions = {"build": _build, "check": _check, "publish": _publish}
    try:
        return actions[arguments.action](arguments)
    except (NotInCatalog, NotInAnalyticsEngine, SpecError) as error:
        print(f"lumigate dashboards: {error}", file=sys.stderr)
        return 1


def _build(arguments: argparse.Namespace) -> int:
    from dashboards.build import ROOT, generate, write

    del arguments
    files = generate()
    changed = write(files)
    print(f"{len(files)} files, {len(changed)} changed")
    for path in changed:
        print(f"  {path.relative_to(ROOT.parent)}")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from dashboards.build import ROOT, drift, generate

    del arguments
    files = generate()
    changed = drift(files)
    for path in changed:
        name = path.relative_to(ROOT.parent)
        print(f"{name}: not what the sources generate; run `lumigate dashboards build`", file=sys.stderr)
    if not changed:
        print(f"{len(files)} files, all up to date")
    return 1 if changed else 0


def _publish(arguments: argparse.Namespace) -> int:
    from dashboards.build import dashboards
    from dashboards.publish import TOKEN, PublishError, publish
    from slo.build import Sources

    token = os.environ.get(TOKEN, "")
    if not token:
        print(f"lumigate dashboards: set {TOKEN} to a service account's token", file=sys.stderr)
        return 1
    folder = Sources.load().settings.dashboards.folder
    try:
        found = publish(arguments.grafana, token, folder, dashboards().values(), message=arguments.message)
    except PublishError as error:
        print(f"lumigate dashboards: {error}", file=sys.stderr)
        return 1
    width = max(len(one.title) for one in found)
    for one in found:
        print(f"  {one.title:<{width}}  {one.url}")
    return 0
