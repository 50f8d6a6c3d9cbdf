//! The screen. `app` is pure state (`update(Msg) -> Vec<Effect>`), `view` only draws it, `runtime` ties both to a terminal.
