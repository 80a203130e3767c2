"""What each demonstration does: effects, identity check, reprompting, saliency, perturbation statistics."""
