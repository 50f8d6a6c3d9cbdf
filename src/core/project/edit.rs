//! Edits in place: comments and order stay.
