"""Whether the licence of a data set allows passing it on."""

from collections.abc import Collection, Mapping
from typing import Any

from nasperf360.errors import UserError


def check_redistribution(manifest: Mapping[str, Any], stated: str | None, accepted: Collection[str]) -> None:
    """Refuse a data set that its licence does not allow to pass on; simulated ones are anybody's.

    Args:
        manifest: ``task``, ``origin`` and ``licence`` of the data set.
        stated: what the sources file says of redistribution; None if nothing.
        accepted: licences that are no obstacle.

    Raises:
        UserError: it is forbidden, or nothing is said.
    """
    licence = manifest["licence"]
    if manifest["origin"] == "simulated" or stated == "allowed" or licence in accepted:
        return
    why = (
        f"its licence, {licence}, forbids passing on what is made from the data"
        if stated
        else f"the sources file does not say 'redistribution: allowed' of its licence, {licence}"
    )
    raise UserError(
        f"{manifest['task']}: {why}; leave it out of 'tasks', or, if its owners permit it, name the licence: --config "
        f"'publish={{accept_licences: [\"{licence}\"]}}'"
    )
