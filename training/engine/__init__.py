"""What trains the network: losses, loops, checkpoints, pretraining, fine-tuning, distillation."""
