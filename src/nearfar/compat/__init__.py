"""The names of libraries that ended, with their signatures and values, for today's frameworks.

`tensorflow_addons`: the metric-learning losses of TensorFlow Addons 0.23, under Keras 3. `moindrot`: the two
functions of Olivier Moindrot's tensorflow-triplet-loss, in every framework.
"""
