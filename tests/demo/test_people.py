"""Tastes really decide who saves what."""

from collections import Counter, defaultdict

import numpy as np

from bowerbird.demo.paint import STYLES, gallery
from bowerbird.demo.palettes import PALETTES
from bowerbird.demo.people import DEMO, OF_FAMILIES, OF_STYLES, PEOPLE, follows, saves, shelves, uploaders

BY_NAME = {painting.name: painting for painting in gallery()}
PEOPLE_BY_NAME = {person.username: person for person in (*PEOPLE, DEMO)}
SAVES = saves(gallery())


def test_forty_different_people_who_love_what_there_is():
    assert len(PEOPLE) == 40
    assert len(PEOPLE_BY_NAME) == 41
    assert len({person.name for person in PEOPLE}) == 40
    families = {palette.family for palette in PALETTES}
    for person in PEOPLE_BY_NAME.values():
        assert set(person.styles) <= set(STYLES)
        assert set(person.families) <= families
        assert len(person.about) > 10
    assert {style for person in PEOPLE for style in person.styles} == set(STYLES) == set(OF_STYLES)
    assert set(OF_FAMILIES) == families


def test_everyone_has_a_few_boards_and_some_are_secret():
    every = [shelf for person in PEOPLE for shelf in shelves(person)]
    assert all(3 <= len(shelves(person)) <= 6 for person in PEOPLE_BY_NAME.values())
    assert 5 <= sum(shelf.secret for shelf in every) <= 25
    filled = {save.shelf for save in SAVES}
    assert filled == {shelf for person in PEOPLE_BY_NAME.values() for shelf in shelves(person)}
    for person in PEOPLE_BY_NAME.values():
        names = [shelf.name for shelf in shelves(person)]
        assert len(set(names)) == len(names)


def test_saves_follow_taste():
    by_person = defaultdict(list)
    for save in SAVES:
        by_person[save.shelf.owner].append(BY_NAME[save.painting])
    style_lift, family_lift = [], []
    for username, saved in by_person.items():
        person = PEOPLE_BY_NAME[username]
        style_lift.append(np.mean([p.style in person.styles for p in saved]) * len(STYLES) / len(person.styles))
        chance = sum(palette.family in person.families for palette in PALETTES) / len(PALETTES)
        family_lift.append(np.mean([p.palette.family in person.families for p in saved]) / chance)
    assert np.mean(style_lift) > 2
    assert min(style_lift) > 1.4
    assert np.mean(family_lift) > 1.5


def test_boards_hold_what_their_names_say():
    for save in SAVES:
        painting = BY_NAME[save.painting]
        assert not save.shelf.styles or painting.style in save.shelf.styles
        assert not save.shelf.families or painting.palette.family in save.shelf.families


def test_saved_by_several_and_by_few_much_more_than_by_most():
    assert 6000 <= len(SAVES) <= 9000
    counts = Counter(save.painting for save in SAVES)
    assert len(counts) == len(gallery())
    ordered = sorted(counts.values(), reverse=True)
    assert ordered[0] > 2 * np.median(ordered)


def test_every_picture_can_be_reached_by_shared_boards():
    parent = {name: name for name in BY_NAME}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    last: dict[object, str] = {}
    for save in SAVES:
        if not save.shelf.secret:
            parent[root(save.painting)] = root(last.setdefault(save.shelf, save.painting))
    assert len({root(name) for name in parent}) == 1


def test_taste_makes_pictures_of_one_style_meet_on_boards():
    on_board = defaultdict(set)
    for save in SAVES:
        if not save.shelf.secret:
            on_board[save.shelf].add(save.painting)
    alike = other = 0
    for names in on_board.values():
        styles = Counter(BY_NAME[name].style for name in names)
        pairs = sum(n * (n - 1) / 2 for n in styles.values())
        alike += pairs
        other += len(names) * (len(names) - 1) / 2 - pairs
    assert alike / (alike + other) > 2.5 / len(STYLES)


def test_nothing_is_saved_before_it_is_there():
    first = {painting.name: (n + 0.5) / len(gallery()) for n, painting in enumerate(gallery())}
    assert all(first[save.painting] <= save.at <= 1 for save in SAVES)
    assert [save.at for save in SAVES] == sorted(save.at for save in SAVES)


def test_uploaders_and_follows():
    by = uploaders(gallery())
    assert set(by) == set(BY_NAME)
    assert len(set(by.values())) == 40
    own = {(save.shelf.owner, save.painting) for save in SAVES}
    assert all((username, name) in own for name, username in by.items())
    assert all(who != whom and whom != DEMO.username for who, whom in follows())
