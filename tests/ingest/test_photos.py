"""The real encoder over real photographs."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from bowerbird import wiring
from bowerbird.catalog import images, users
from bowerbird.ingest import upload
from bowerbird.ingest.worker import Worker
from bowerbird.model import Look, State
from bowerbird.settings import Settings


@pytest.mark.photos
def test_photographs_come_through_with_vectors_and_tags(photos: list[tuple[Path, str]], tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    engines = wiring.connect(settings)
    with engines.database.write() as conn:
        ada = users.create(conn, "ada", "x").id
    some = photos[:: len(photos) // 12][:12]
    sent = [upload.accept(engines, ada, path.read_bytes()).pin.image for path, _ in some]
    with wiring.darkroom(settings) as room:
        hands = Worker(engines, room)
        while hands.once():
            pass
    with engines.database.read() as conn:
        assert {image.state for image in images.by_ids(conn, [image.id for image in sent]).values()} == {State.READY}
    documents = engines.metadata.get_many([f"look:{image.media}" for image in sent])
    looks = [msgspec.json.decode(document, type=Look) for document in documents.values()]
    assert len(looks) == 12
    assert any(look.tags for look in looks)
    assert all(len(look.palette) >= 2 and look.thumbhash and look.renditions for look in looks)
    ids = np.array([image.id for image in sent])
    found = engines.looks.search(engines.looks.get(ids), 2)
    assert found.ids[:, 0].tolist() == ids.tolist()  # each picture is most like itself
    np.testing.assert_allclose(found.scores[:, 0], 1, atol=1e-3)
    engines.close()
