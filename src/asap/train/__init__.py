"""Fine-tuning on pruned traces: what is trained on and what is masked, the hand-over to TRL, export
to other trainers. No training loop of our own.
"""

from asap.train.rows import TrainRow, read_rows

__all__ = ["TrainRow", "read_rows"]
