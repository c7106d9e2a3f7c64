"""What each person did and likes: the latest actions, what was hidden, searches, and the interests in them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np

from bowerbird.events.batch import Batch, encode
from bowerbird.model import CHOICE, Action, Event, EventKind, Interest, Taste
from bowerbird.ports import Floats

ACTIONS, HIDDEN, SEARCHES = 200, 500, 20
CLUSTERED = 90
"""Latest pictures that interests are found in."""
APART = 1.0
"""Ward distance from which clusters stay apart. Between two pictures of unit length it is 1.41 when they have nothing
in common and 1 at a cosine of 0.5; between two parts of one style it does not grow with their size. In the demo's
gallery pictures of one style have a cosine of 0.79, of two styles 0.41 (medians)."""
FADES = 0.01 / 86400
"""Decay of an action's weight a second: PinnerSage's 0.01 a day."""
WEIGHT = {EventKind.SAVE: 1.0, EventKind.UPLOAD: 0.8, EventKind.CLICK: 0.6, EventKind.CLOSEUP: 0.35}

Looks = Callable[[Sequence[int]], Floats]
_decode = msgspec.json.Decoder(Taste).decode


def keys(event: Event) -> Iterator[str]:
    if event.user_id and event.kind in FOLDS:
        yield f"taste:{event.user_id}"


def fold(document: bytes | None, events: Sequence[Event], batch: Batch) -> bytes:
    taste = _decode(document) if document else Taste()
    images = tuple(action.image_id for action in taste.actions)
    for event in events:
        if event.offset > taste.offset:
            taste = folded(taste, event, batch.image(event))
    if images != tuple(action.image_id for action in taste.actions):
        taste = msgspec.structs.replace(taste, interests=interests(taste.actions, batch.looks))
    return encode(taste)


def folded(taste: Taste, event: Event, image_id: int) -> Taste:
    """The taste after one more event; pure."""
    change = FOLDS[EventKind(event.kind)](taste, _action(event, image_id))
    return msgspec.structs.replace(taste, offset=event.offset, **change)


def _action(event: Event, image_id: int) -> Action:
    data = event.data
    words = str(data.get("words", "")) if event.kind == EventKind.SEARCH else str(data.get("reason", ""))
    source = CHOICE if data.get("choice") else str(data.get("source", ""))[:48]
    return Action(event.kind, event.pin_id, image_id, event.at, source, words[:200])


def _did(taste: Taste, action: Action) -> dict[str, object]:
    same = (action.kind, action.pin_id)
    return {"actions": (action, *(one for one in taste.actions if (one.kind, one.pin_id) != same))[:ACTIONS]}


def _undid(taste: Taste, action: Action) -> dict[str, object]:
    saved = (EventKind.SAVE, action.pin_id)
    return {"actions": tuple(one for one in taste.actions if (one.kind, one.pin_id) != saved)}


def _hid(taste: Taste, action: Action) -> dict[str, object]:
    """What is hidden is no sign of liking any more."""
    return {
        "hidden": (action, *(one for one in taste.hidden if one.pin_id != action.pin_id))[:HIDDEN],
        "actions": tuple(one for one in taste.actions if one.pin_id != action.pin_id),
    }


def _showed(taste: Taste, action: Action) -> dict[str, object]:
    return {"hidden": tuple(one for one in taste.hidden if one.pin_id != action.pin_id)}


def _searched(taste: Taste, action: Action) -> dict[str, object]:
    words = action.reason
    if not words:
        return {}
    return {"searches": ((words, action.at), *(one for one in taste.searches if one[0] != words))[:SEARCHES]}


FOLDS: dict[EventKind, Callable[[Taste, Action], dict[str, object]]] = {
    EventKind.SAVE: _did,
    EventKind.CLOSEUP: _did,
    EventKind.CLICK: _did,
    EventKind.UPLOAD: _did,
    EventKind.UNSAVE: _undid,
    EventKind.HIDE: _hid,
    EventKind.UNHIDE: _showed,
    EventKind.SEARCH: _searched,
}


def interests(actions: Sequence[Action], looks: Looks) -> tuple[Interest, ...]:
    """Clusters of the latest pictures by Ward's method, each with its medoid and its importance, the sum of its
    actions' weights faded by age (PinnerSage, Pal et al., KDD 2020, sections 4.1 to 4.3). Counted from the latest
    action, so that the same actions give the same interests at any time."""
    by_image: dict[int, list[Action]] = {}
    for action in actions:
        if action.image_id and (action.image_id in by_image or len(by_image) < CLUSTERED):
            by_image.setdefault(action.image_id, []).append(action)
    if not by_image:
        return ()
    vectors = looks(list(by_image))
    images = [image for image, row in zip(by_image, vectors, strict=True) if row.any()]
    vectors = vectors[vectors.any(axis=1)]
    if not images:
        return ()
    latest = max(action.at for image in images for action in by_image[image])
    weights = np.array([_weight(by_image[image], latest) for image in images])
    found = []
    for members in _clusters(vectors):
        medoid = members[int(np.argmax(vectors[members] @ vectors[members].T @ weights[members]))]
        done = sorted((one for m in members for one in by_image[images[m]]), key=lambda one: -one.at)
        pins = tuple(dict.fromkeys(one.pin_id for one in done))[:5]
        found.append(Interest(images[medoid], float(weights[members].sum() / weights.sum()), pins))
    return tuple(sorted(found, key=lambda one: -one.importance))


def _weight(actions: Sequence[Action], latest: float) -> float:
    return sum(WEIGHT.get(EventKind(one.kind), 0.0) * math.exp(-FADES * (latest - one.at)) for one in actions)


def _clusters(vectors: Floats) -> list[list[int]]:
    """Rows of each cluster."""
    if len(vectors) < 2:
        return [list(range(len(vectors)))]
    # It takes 40 MB, which the process need not have before anyone did anything.
    from scipy.cluster.hierarchy import fcluster, ward

    label = fcluster(ward(vectors.astype(np.float64)), APART, criterion="distance")
    return [np.flatnonzero(label == one).tolist() for one in np.unique(label)]
