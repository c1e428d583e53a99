"""Bodies as devices really send them, whatever their protocol: for all normalizers, those of plugins too."""
