"""What each demonstration does: identity check, reprompting, saliency, spread under perturbation."""
