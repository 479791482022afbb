"""Networks: linen modules, one architecture a file."""
