"""Camera raws to colour planes."""
