"""What turns an action into the next frame: contract, architectures, checkpoints, recordings, training, evaluation."""
