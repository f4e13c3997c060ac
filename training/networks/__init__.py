"""The network, the masked autoencoder around it, and the weights that both start from."""
