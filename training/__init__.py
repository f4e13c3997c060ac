"""From labelled faces to a served model: data, networks, engine, release."""
