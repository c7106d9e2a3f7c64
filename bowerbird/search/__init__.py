"""Finding pictures: by look, by colour, by words, or by several of these at once. `ask` is the one door."""
