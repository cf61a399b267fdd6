"""Pictures of an embedding space: projections, plots, TensorBoard projector files, a viewer in one file."""

from .curves import plot_curves
from .neighbors import nearest_neighbors
from .projections import available_projections, project
from .projector import write_projector
from .scatter import plot
from .tiles import plot_confusions, plot_neighbors
from .verification import plot_histogram, plot_roc
from .viewer import write_html

__all__ = [
    "available_projections",
    "nearest_neighbors",
    "plot",
    "plot_confusions",
    "plot_curves",
    "plot_histogram",
    "plot_neighbors",
    "plot_roc",
    "project",
    "write_html",
    "write_projector",
]
