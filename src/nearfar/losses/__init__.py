"""The catalogue of losses: functions of embeddings and labels (or of explicit pairs and triplets), for any framework."""

from .angular_margin import arcface_loss, cosface_loss, sub_center_arcface_loss
from .centroid import centroid_triplet_loss
from .classification import instance_loss, normalized_softmax_loss, p2sgrad_loss, soft_triple_loss
from .contrastive import contrastive_loss, pair_contrastive_loss
from .cosent import cosent_loss
from .cross_modal import multiple_negatives_ranking_loss, siglip_loss
from .distributions import histogram_loss, intra_pair_variance_loss
from .dynamic_margin import dynamic_soft_margin_loss
from .lifted import generalized_lifted_structure_loss, lifted_structure_loss
from .margins import margin_loss, threshold_consistent_margin_loss
from .multiplied_margin import large_margin_softmax_loss, sphereface_loss
from .pairs import online_contrastive_loss, ranked_list_loss, signal_to_noise_contrastive_loss
from .pnp import pnp_loss
from .proxy import proxy_anchor_loss, proxy_nca_loss, proxy_nca_plus_plus_loss
from .quality_margin import adaface_loss, magface_loss
from .ranking import fast_ap_loss, recall_at_k_surrogate_loss, smooth_ap_loss
from .self_supervised import barlow_twins_loss, vicreg_loss
from .similarity import circle_loss, multi_similarity_loss
from .softmax import nca_loss, nt_xent_loss, supcon_loss
from .triplet import triplet_loss, triplet_margin_loss
from .tuplet import angular_loss, n_pairs_loss, tuplet_margin_loss

__all__ = [
    "adaface_loss",
    "angular_loss",
    "arcface_loss",
    "barlow_twins_loss",
    "centroid_triplet_loss",
    "circle_loss",
    "contrastive_loss",
    "cosent_loss",
    "cosface_loss",
    "dynamic_soft_margin_loss",
    "fast_ap_loss",
    "generalized_lifted_structure_loss",
    "histogram_loss",
    "instance_loss",
    "intra_pair_variance_loss",
    "large_margin_softmax_loss",
    "lifted_structure_loss",
    "magface_loss",
    "margin_loss",
    "multi_similarity_loss",
    "multiple_negatives_ranking_loss",
    "n_pairs_loss",
    "nca_loss",
    "normalized_softmax_loss",
    "nt_xent_loss",
    "online_contrastive_loss",
    "p2sgrad_loss",
    "pair_contrastive_loss",
    "pnp_loss",
    "proxy_anchor_loss",
    "proxy_nca_loss",
    "proxy_nca_plus_plus_loss",
    "ranked_list_loss",
    "recall_at_k_surrogate_loss",
    "siglip_loss",
    "signal_to_noise_contrastive_loss",
    "smooth_ap_loss",
    "soft_triple_loss",
    "sphereface_loss",
    "sub_center_arcface_loss",
    "supcon_loss",
    "threshold_consistent_margin_loss",
    "triplet_loss",
    "triplet_margin_loss",
    "tuplet_margin_loss",
    "vicreg_loss",
]
