"""The metric-learning losses of TensorFlow Addons 0.23, under Keras 3 on TensorFlow, JAX and torch.

from nearfar.compat import tensorflow_addons as tfa

model.compile("adam", loss=tfa.losses.TripletSemiHardLoss())
"""

from . import losses

__all__ = ["losses"]
