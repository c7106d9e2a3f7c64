"""The JSON API: everything the pages do."""

from typing import Any

from bowerbird.web.api import admin, boards, events, feed, follows, people, pins, search, uploads

ROUTES: dict[str, list[Any]] = {
    "Pins": [
        pins.list_pins,
        pins.upload_pin,
        pins.fetch_pin,
        pins.get_pin,
        pins.change_pin,
        pins.delete_pin,
        pins.get_pin_state,
        pins.list_related,
        pins.list_duplicates,
        pins.get_original,
        feed.hide_pin,
        feed.unhide_pin,
    ],
    "Feed": [
        events.add_events,
        feed.get_feed,
        feed.list_popular,
        follows.list_following,
        feed.list_starters,
        feed.choose_pins,
    ],
    "Uploads": [uploads.stream_uploads, uploads.get_fetch],
    "Search": [search.search, search.search_picture],
    "Boards": [
        boards.list_boards,
        boards.create_board,
        boards.get_board,
        boards.change_board,
        boards.delete_board,
        boards.list_board_pins,
        boards.save_pin,
        boards.unsave_pin,
        boards.list_members,
        boards.add_member,
        boards.remove_member,
        follows.follow_board,
        follows.unfollow_board,
        feed.list_more_ideas,
    ],
    "People": [
        people.get_user,
        people.list_user_boards,
        people.list_user_pins,
        follows.list_followers,
        follows.list_followed,
        follows.follow_user,
        follows.unfollow_user,
    ],
    "Account": [
        people.sign_up,
        people.log_in,
        people.log_out,
        people.log_out_elsewhere,
        people.get_me,
        people.change_me,
        people.delete_me,
        people.change_password,
    ],
    "Tokens": [people.list_tokens, people.create_token, people.delete_token],
    "Administration": [admin.list_users, admin.change_user, admin.list_parked, admin.retry_parked],
}
"""The route table under /api/v1, by tag."""
