"""The common parts of all dashboards: variables, links and tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog import builder as cogbuilder
from grafana_foundation_sdk.models import dashboard as models

from dashboards.panels import DATASOURCE

TAG = "inference-exporter"
SELF = 'job=~"$job",instance=~"$instance"'
"""Matches the selected exporters."""
TARGETS = f'{SELF},target=~"$target",probe=~"$probe"'
"""Matches the selected exporters, targets and probes."""
FLEET_TARGETS = 'job=~"$job",target=~"$target"'
"""Matches the selected targets in recording rules that aggregate exporters and probes."""


Panel = cogbuilder.Builder[models.Panel]


@dataclass(frozen=True, slots=True)
class Section:
    """Panels under one heading."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Frame:
    """A dashboard without its panels."""

    uid: str
    title: str
    description: str
    variables: Sequence[builders.QueryVariable]
    time_from: str = "now-6h"

    def fill(self, *sections: Section) -> builders.Dashboard:
        """Build the dashboard with these panels."""
        built = builders.Dashboard(self.title).uid(self.uid).description(self.description)
        built = built.tags([TAG]).readonly().refresh("1m").time(self.time_from, "now")
        built = built.tooltip(models.DashboardCursorSync.CROSSHAIR).timezone("browser")
        built = built.with_variable(_datasource())
        for variable in (*_exporters(), *self.variables):
            built = built.with_variable(variable)
        for section in sections:
            built = built.with_row(builders.Row(section.title))
            for panel in section.panels:
                built = built.with_panel(panel)
        return built.link(_others())


def variable(name: str, title: str, query: str, *, many: bool = True) -> builders.QueryVariable:
    """Create a variable for the values of a label.

    :param many: whether users can select several values; the default is then all of them.
    """
    built = builders.QueryVariable(name).label(title).datasource(DATASOURCE)
    built = built.query(query).refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
    built = built.sort(models.VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
    if many:
        everything = models.VariableOption(text="All", value="$__all", selected=True)
        return built.multi(True).include_all(True).all_value(".+").current(everything)
    return built.multi(False)


def choose_targets() -> tuple[builders.QueryVariable, ...]:
    """Create variables for targets and probes; all are selected by default."""
    return (
        variable("target", "Target", f"label_values(inference_probes_total{{{SELF}}}, target)"),
        _probe('target=~"$target"'),
    )


def choose_one_target() -> tuple[builders.QueryVariable, ...]:
    """Create variables for one target and its probes."""
    query = f"label_values(inference_probes_total{{{SELF}}}, target)"
    return variable("target", "Target", query, many=False), _probe('target=~"$target"')


def choose_pair() -> tuple[builders.QueryVariable, ...]:
    """Create variables for a candidate and its baseline."""
    query = f"label_values(inference_probes_total{{{SELF}}}, target)"
    return (
        variable("baseline", "Baseline", query, many=False),
        variable("candidate", "Candidate", query, many=False),
        _probe('target=~"$baseline|$candidate"'),
    )


def mark(name: str, expression: str, color: str) -> builders.AnnotationQuery:
    """Create an annotation: a line in every panel whenever an expression has a value."""
    built = builders.AnnotationQuery().name(name).datasource(DATASOURCE).enable(True)
    return built.icon_color(color).expr(expression)


def to_target() -> models.DashboardLink:
    """Create a link from a table row to the details of its target."""
    return models.DashboardLink(
        title="Details of ${__data.fields.target}",
        url="/d/inference-target?var-target=${__data.fields.target}&${datasource:queryparam}&${__url_time_range}",
    )


def _probe(matcher: str) -> builders.QueryVariable:
    query = f"label_values(inference_probes_total{{{SELF},{matcher}}}, probe)"
    return variable("probe", "Probe", query)


def _datasource() -> builders.DatasourceVariable:
    return builders.DatasourceVariable("datasource").label("Data source").type("prometheus")


def _exporters() -> tuple[builders.QueryVariable, ...]:
    build = "inference_exporter_build_info"
    return (
        variable("job", "Job", f"label_values({build}, job)"),
        variable("instance", "Instance", f'label_values({build}{{job=~"$job"}}, instance)'),
    )


def _others() -> builders.DashboardLink:
    link = builders.DashboardLink("inference-exporter").type(models.DashboardLinkType.DASHBOARDS)
    return link.tags([TAG]).as_dropdown(False).include_vars(True).keep_time(True)
