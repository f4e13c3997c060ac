"""From labelled faces to a served model: prepare, pretrain, finetune, export, calibrate, evaluate."""
