"""Parts of networks: embedding collections, MLPs, interactions, losses. A part knows no data, optimizer or device."""
