"""Parts of networks over sequences."""
