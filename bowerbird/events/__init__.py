"""Real-time event processing: the log's readers, each a pure function from a document and events to a new document.

A document carries the offset of the last event folded into it and is not changed by that event or an earlier one
again. So a reader that died is started anew from its last checkpoint, and what it folds twice counts once, whatever
key-value engine keeps the documents.
"""
