"""The service itself: deployments, cron runs, metric batches, invocations that died."""

from __future__ import annotations

from lumigate.catalog.http import ERROR_TYPE, HTTP_METHOD, HTTP_ROUTE
from lumigate.catalog.scales import LAG_SECONDS
from lumigate.catalog.versions import VERSION
from lumigate.telemetry.schema import Attribute, InstrumentKind, Metric, SpanType

WORKER_OUTCOME = Attribute(
    key="lumigate.worker.outcome",
    description="How the runtime says an invocation ended.",
    values=frozenset(
        {
            "exception",
            "exceededCpu",
            "exceededMemory",
            "canceled",
            "responseStreamDisconnected",
            "scriptNotFound",
            "loadShed",
            "killSwitch",
            "daemonDown",
            "internalError",
            "unknown",
        }
    ),
)
WORKER_KIND = Attribute(
    key="lumigate.worker.kind",
    description="What was invoked.",
    values=frozenset({"fetch", "cron", "alarm", "rpc", "queue"}),
)
WORKER_REPORTED = Attribute(
    key="lumigate.worker.reported",
    description="Whether the invocation had written its wide event before it died.",
    values=frozenset({"yes", "no"}),
)
DEPLOY_RESULT = Attribute(
    key="lumigate.deploy.result",
    description="What became of a deployment.",
    values=frozenset({"kept", "rolled_back"}),
)
BATCH_RESULT = Attribute(
    key="lumigate.metrics.result",
    description="What the shard said; `unanswered` ones are sent again, `expired` and `refused` ones are not.",
    values=frozenset({"stored", "duplicate", "refused", "unanswered", "expired"}),
)
MODULE = Attribute(key="lumigate.module", description="A module that could not be imported.")
SECRET_RESULT = Attribute(
    key="lumigate.secret.result",
    description="What came of asking the Secrets Store: the value as before, another one, or none.",
    values=frozenset({"read", "changed", "failed"}),
)
SECRET_READS = Metric(
    name="lumigate.secrets.reads",
    unit="{read}",
    kind=InstrumentKind.COUNTER,
    description="Secrets that were asked of the Secrets Store, where any is bound; those asked together fail as one.",
    attributes=(SECRET_RESULT,),
)
DEPLOYS = Metric(
    name="lumigate.deploys",
    unit="{deploy}",
    kind=InstrumentKind.COUNTER,
    description="Deployments by what became of them: counted once it is settled.",
    attributes=(DEPLOY_RESULT,),
)
METRIC_BATCHES = Metric(
    name="lumigate.metrics.batches",
    unit="{batch}",
    kind=InstrumentKind.COUNTER,
    description="Batches of deltas that isolates sent to a counter shard, by what became of them.",
    attributes=(BATCH_RESULT,),
)
METRIC_LAG = Metric(
    name="lumigate.metrics.lag",
    unit="s",
    kind=InstrumentKind.HISTOGRAM,
    description="How far a counter shard is behind an isolate: from the sealing of a batch until it is counted.",
    buckets=LAG_SECONDS,
)
IMPORT_FAILURES = Metric(
    name="lumigate.worker.import_failures",
    unit="{failure}",
    kind=InstrumentKind.COUNTER,
    description="Imports that failed at run time: the bundle lacks a module.",
    attributes=(MODULE,),
    cardinality_limit=50,
)
LOST_INVOCATIONS = Metric(
    name="lumigate.worker.lost_invocations",
    unit="{invocation}",
    kind=InstrumentKind.COUNTER,
    description="Invocations that the runtime ended, as the Tail Worker saw them.",
    attributes=(WORKER_OUTCOME, WORKER_REPORTED, VERSION),
)
HEARTBEAT = Metric(
    name="lumigate.heartbeat",
    unit="{beat}",
    kind=InstrumentKind.COUNTER,
    description="One a cron run: tells an idle service from a broken one.",
)
LOST_SPAN = SpanType(
    name="lost {lumigate.worker.kind}",
    kind="server",
    description="An invocation that died before it could report, as the Tail Worker saw it.",
    attributes=(
        HTTP_METHOD,
        HTTP_ROUTE,
        ERROR_TYPE,
        WORKER_KIND,
        WORKER_OUTCOME,
        Attribute(key="url.path", description="The path asked for, without its query."),
        Attribute(key="lumigate.worker.entrypoint", description="The class that was invoked."),
        Attribute(key="lumigate.worker.cpu_ms", description="CPU time used, ms.", type=float),
        Attribute(key="faas.name", description="The Worker's name."),
        VERSION,
        Attribute(key="faas.trigger", description="http, timer or other."),
    ),
    events=("exception",),
)
CRON_SPAN = SpanType(
    name="cron",
    kind="internal",
    description="A scheduled run: the heartbeat.",
    attributes=(Attribute(key="lumigate.cron", description="The cron expression that fired."),),
)
