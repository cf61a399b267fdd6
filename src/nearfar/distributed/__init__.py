"""The same losses over many processes, with the exact value and gradient."""

from ._context import Group, add_up, alike, everybody, sharded, whole_batch

__all__ = ["Group", "add_up", "alike", "everybody", "sharded", "whole_batch"]
