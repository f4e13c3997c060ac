"""From labelled faces to a served model: prepare, finetune, calibrate, export, evaluate."""
