"""The label that says how a request stands: exactly one of ours, and whatever others people put there.

One request of GraphQL puts it on and takes the other off: https://docs.github.com/en/graphql/reference/mutations#addlabelstolabelable,
https://docs.github.com/en/graphql/reference/mutations#removelabelsfromlabelable. REST could only write all labels at once,
and would take back what somebody changes at the same time.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from daypass.edges.forges.github.answers import ApiError

if TYPE_CHECKING:
    from daypass.edges.forges.github.api import Api

LABEL = "daypass"
STATES = ("waiting", "approved", "refused", "invalid")
APPROVED = f"{LABEL}: approved"

_CHANGE = """mutation($request: ID!, $on: [ID!]!, $off: [ID!]!) {
  addLabelsToLabelable(input: {labelableId: $request, labelIds: $on}) { clientMutationId }
  removeLabelsFromLabelable(input: {labelableId: $request, labelIds: $off}) { clientMutationId } }"""


def set_label(api: Api, pull: dict[str, Any], wanted: str, family: Sequence[str]) -> None:
    """Leave exactly one label of a family on a request; the others there are none of our business."""
    there = {str(label["name"]).lower(): label for label in pull["labels"]}
    off = [there[name] for name in family if name != wanted and name in there]
    if wanted in there and not off:
        return
    if wanted not in there and off and _changed(api, pull, wanted, off):
        return
    path = f"/repos/{api.repository}/issues/{pull['number']}/labels"
    if wanted not in there:
        api.send("POST", path, {"labels": [wanted]})
    for label in off:
        try:
            api.send("DELETE", f"{path}/{quote(str(label['name']), safe='')}")
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:  # that it is gone already is as good
                raise


def _changed(api: Api, pull: dict[str, Any], wanted: str, off: Sequence[dict[str, Any]]) -> bool:
    """Put one on and take others off at once. False where an id is not known, or GitHub did not do all of it."""
    new = api.noted.get(label_key(wanted))
    if new is None:
        return False
    given = {"request": pull["node_id"], "on": [new], "off": [label["node_id"] for label in off]}
    try:
        answer = api.send("POST", "/graphql", {"query": _CHANGE, "variables": given})
    except ApiError as error:
        if error.limited:
            raise
        return False
    return isinstance(answer, dict) and not answer.get("errors")


def label_key(name: str) -> str:
    """Return by what the id of a label is noted."""
    return f"label {name}"
