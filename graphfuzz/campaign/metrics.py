"""A campaign's status as metrics for a scraper."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from graphfuzz.campaign.status import RUNNING, Status
from graphfuzz.report.openmetrics import COUNTER, GAUGE, Family, openmetrics

Samples = Iterable[tuple[Mapping[str, str], float]]


def metrics(status: Status) -> str:
    """The status in the OpenMetrics text format; every sample is labelled with the name of the campaign's folder."""
    campaign = {"campaign": Path(status.campaign).absolute().name}

    def family(kind: str, name: str, told: str, samples: Samples, unit: str = "") -> Family:
        labelled = [({**campaign, **labels}, value) for labels, value in samples]
        return Family(f"graphfuzz_{name}", kind, told, labelled, unit)

    def counter(name: str, told: str, samples: Samples | float, unit: str = "") -> Family:
        return family(COUNTER, name, told, _samples(samples), unit)

    def gauge(name: str, told: str, samples: Samples | float, unit: str = "") -> Family:
        return family(GAUGE, name, told, _samples(samples), unit)

    routes, lanes, health = status.routes.items(), status.lanes.items(), status.health
    known = sum(bucket.known for bucket in status.buckets)
    about = {"seed": str(status.seed), "begun": status.begun, "corpus": status.corpus}
    families = [
        gauge("campaign_info", "What the campaign is.", [(about, 1)]),
        gauge(
            "package_info",
            "The versions that the campaign began with.",
            [({"package": name, "version": version}, 1) for name, version in status.versions.items()],
        ),
        gauge("running", "1 while the campaign runs.", int(status.state == RUNNING)),
        gauge("written_timestamp_seconds", "When this was written.", status.written, "seconds"),
        counter("elapsed_seconds", "How long the campaign has run.", status.elapsed, "seconds"),
        counter("cases", "Cases taken in.", status.cases),
        counter(
            "executions",
            "Cases run on a route, by verdict.",
            [
                ({"route": name, "verdict": verdict}, count)
                for name, route in routes
                for verdict, count in sorted(route.verdicts.items())
            ],
        ),
        gauge(
            "recent_executions_per_second",
            "Cases a second on a route, lately.",
            [({"route": name}, route.lately) for name, route in routes if route.lately is not None],
        ),
        counter(
            "stage_seconds",
            "Wall time of a route's stages.",
            [
                ({"route": name, "stage": stage}, spent)
                for name, route in routes
                for stage, spent in route.seconds.items()
            ],
            "seconds",
        ),
        gauge("refused_uses", "Uses of operators that a route refuses.", _by("route", routes, "refused")),
        counter("given_executions", "Cases given to workers.", status.given),
        counter("lost_executions", "Cases whose results an end of the campaign took away.", status.lost),
        gauge("executions_in_flight", "Cases that workers have.", status.in_flight),
        gauge(
            "buckets",
            "Buckets met, by whether the corpus had them before.",
            [({"known": "false"}, status.new_buckets), ({"known": "true"}, known)],
        ),
        gauge("waiting_findings", "Findings that wait to be minimized.", status.waiting),
        counter("unexamined_findings", "Findings that were too many to wait.", status.unexamined),
        counter("flaky_findings", "Findings that did not repeat.", len(status.flaky)),
        counter("harness_errors", "Mistakes of our own.", status.harness_errors),
        counter("minimizer_runs", "Cases run to minimize findings.", status.minimizer_runs),
        counter("minimizing_seconds", "Time spent on minimizing.", status.minimizing, "seconds"),
        gauge(
            "coverage",
            "What was seen, by kind.",
            [
                ({"framework": name, "kind": kind}, getattr(seen, kind))
                for name, seen in status.coverage.items()
                for kind in seen.__struct_fields__
            ],
        ),
        gauge("lane_share", "The lane's part of the cases.", _by("lane", lanes, "share")),
        counter("lane_cases", "The lane's cases.", _by("lane", lanes, "cases")),
        counter("lane_new_coverage", "Uses, pairs and sequences first seen.", _by("lane", lanes, "new_coverage")),
        counter("lane_new_buckets", "New buckets first met in the lane.", _by("lane", lanes, "new_buckets")),
        counter("lane_seconds", "Worker time of the lane's cases.", _by("lane", lanes, "seconds"), "seconds"),
    ]
    if status.since_new is not None:
        seconds, cases = status.since_new
        families += [
            gauge("since_new_bucket_seconds", "Time since the last new bucket.", seconds, "seconds"),
            gauge("since_new_bucket_cases", "Cases since the last new bucket.", cases),
        ]
    if status.estimates is not None:
        families += [
            gauge(
                "new_probability",
                "The chance that a case of the control shows another species, with the ends of its interval.",
                [
                    ({"route": d.route, "kind": d.kind, "of": of}, value)
                    for d in status.estimates.discoveries
                    if d.new is not None
                    for of, value in msgspec.structs.asdict(d.new).items()
                ],
            ),
            gauge(
                "stable_share",
                "The share of repeated cases with the same verdict, with the ends of its interval.",
                [
                    ({"route": s.route, "of": of}, value)
                    for s in status.estimates.stabilities
                    if s.share is not None
                    for of, value in msgspec.structs.asdict(s.share).items()
                ],
            ),
        ]
    if health is not None:
        held = [({"of": "campaign"}, health.memory), ({"of": "workers"}, health.worker_memory)]
        families += [
            gauge("workers", "Workers there should be.", health.workers),
            gauge("workers_alive", "Workers there are.", health.alive),
            gauge("memory_bytes", "Resident memory.", held, "bytes"),
            counter("worker_deaths", "Cases that cost their worker.", _counted("cause", health.deaths)),
            counter("workers_replaced", "Workers stopped for another.", _counted("reason", health.replaced)),
        ]
    return openmetrics(families)


def _samples(told: Samples | float) -> Samples:
    return [({}, told)] if isinstance(told, int | float) else told


def _by(label: str, rows: Iterable[tuple[str, object]], field: str) -> Samples:
    return [({label: name}, getattr(row, field)) for name, row in rows]


def _counted(label: str, counts: Mapping[str, int]) -> Samples:
    return [({label: name}, count) for name, count in sorted(counts.items())]
